// SPDX-License-Identifier: MIT
// Against R (scripts/oracle/statistics.R), and on generated numbers: do the tests reject as often as they say?
#include <mtlx/study/statistics.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <string>
#include <study/statistics_oracle.inc>
#include <vector>

using namespace mtlx;
using namespace mtlx::study;

namespace {

constexpr Alternative alternatives[] = {Alternative::two_sided, Alternative::greater, Alternative::less};
const double not_a_number = std::nan("");

// Near to a relative 1e-12.
bool same(double found, double expected, double tolerance = 1e-12) {
  return std::abs(found - expected) <= tolerance * std::max(std::abs(expected), 1e-300);
}

std::vector<double> normals(Random& random, std::size_t count, double mean = 0) {
  std::vector<double> x(count);
  for (double& number : x) number = mean + random.normal();
  return x;
}

// Whether a share of a number of draws is the probability, up to four standard errors.
bool as_stated(double count, double draws, double probability) {
  return std::abs(count / draws - probability) <= 4 * std::sqrt(probability * (1 - probability) / draws);
}

}  // namespace

TEST_CASE("t-tests and t intervals are R's") {
  for (std::size_t a = 0; a < 3; ++a) {
    CHECK(same(paired_t(plain, alternatives[a]).p, plain_t[a]));
    CHECK(same(paired_t(std::span(plain).first(2), alternatives[a]).p, two_numbers_t[a]));
  }
  CHECK(same(paired_t(plain).statistic, plain_t_statistic));
  const Interval interval = t_interval(plain), narrow = t_interval(plain, 0.9);
  CHECK(same(interval.lower, plain_interval_95[0]));
  CHECK(same(interval.upper, plain_interval_95[1]));
  CHECK(same(narrow.lower, plain_interval_90[0]));
  CHECK(same(narrow.upper, plain_interval_90[1]));
  CHECK(interval.known());
  CHECK(interval.contains(interval.estimate));
  CHECK_FALSE(interval.contains(0));
  CHECK(same(non_inferiority(plain, 0.1).p, plain_no_worse));
  CHECK(same(equivalence(plain, 0.5).p, plain_equivalent));
  CHECK(same(cohen_d(plain), plain_cohen));
  CHECK(same(hedges_g(plain), plain_hedges));
  CHECK(same(hedges_g(std::span(plain).first(3)), three_hedges));
  CHECK(hedges_g(std::span(plain).first(2)) == 0);
  CHECK(differences(std::vector<double>{3, 1}, std::vector<double>{1, 2}) == std::vector<double>{2, -1});
}

TEST_CASE("overlapping splits and clusters widen the error of the mean") {
  const Sampling splits = {.test_to_train = 0.5};
  CHECK(same(paired_t(plain, Alternative::two_sided, splits).statistic, plain_corrected_t));
  CHECK(same(paired_t(plain, Alternative::two_sided, splits).p, plain_corrected_p));
  const Interval wide = t_interval(plain, 0.95, splits), plain_one = t_interval(plain);
  CHECK(same((wide.upper - wide.lower) / (plain_one.upper - plain_one.lower), std::sqrt(1 + 12 * 0.5)));

  CHECK(same(paired_t(plain, Alternative::two_sided, {.clusters = even}).p, even_p));
  CHECK(same(t_interval(plain, 0.95, {.clusters = even}).lower, even_interval[0]));
  CHECK(same(t_interval(plain, 0.95, {.clusters = even}).upper, even_interval[1]));
  CHECK(same(mean_of(plain, {.clusters = uneven}).error, uneven_error));
  CHECK(mean_of(plain, {.clusters = uneven}).degrees == 3);
  CHECK(same(paired_t(plain, Alternative::two_sided, {.clusters = uneven}).p, uneven_p));
}

TEST_CASE("Wilcoxon's test is exact, with ties and zeros too, as R enumerates it") {
  for (std::size_t a = 0; a < 3; ++a) {
    CHECK(same(wilcoxon_signed_rank(plain, alternatives[a]).p, plain_wilcoxon[a]));
    CHECK(same(wilcoxon_signed_rank(many, alternatives[a]).p, many_wilcoxon[a]));
    CHECK(same(wilcoxon_signed_rank(tied, alternatives[a]).p, tied_wilcoxon[a]));
    CHECK(same(wilcoxon_signed_rank(tied, alternatives[a], Zeros::pratt).p, tied_pratt[a]));
    CHECK(same(wilcoxon_signed_rank(ties, alternatives[a]).p, ties_wilcoxon[a]));  // the approximation
  }
  CHECK(wilcoxon_signed_rank(plain).statistic == plain_wilcoxon_statistic);
  CHECK(wilcoxon_signed_rank(ties).statistic == ties_wilcoxon_statistic);
  CHECK(wilcoxon_signed_rank(tied).count == 8);
  // A hundred: exact and approximate meet.
  std::vector<double> hundred(100);
  for (std::size_t i = 0; i < 100; ++i) hundred[i] = std::sin(1.7 * static_cast<double>(i)) + 0.2;
  const double exact = wilcoxon_signed_rank(hundred).p;
  hundred.push_back(1e-9);
  CHECK(wilcoxon_signed_rank(hundred).p == doctest::Approx(exact).epsilon(0.05));
}

TEST_CASE("sign flips are all tried, or drawn where they are too many") {
  for (std::size_t a = 0; a < 3; ++a) {
    CHECK(same(sign_flip(plain, alternatives[a]).p, plain_flips[a]));
    CHECK(same(sign_flip(tied, alternatives[a]).p, tied_flips[a]));
  }
  const TestResult drawn = sign_flip(many, Alternative::two_sided, {.draws = 20000, .seed = 3});
  CHECK(as_stated(drawn.p * 20001 - 1, 20000, many_flips));
  CHECK(drawn.p == sign_flip(many, Alternative::two_sided, {.draws = 20000, .seed = 3}).p);
  CHECK(drawn.p != sign_flip(many, Alternative::two_sided, {.draws = 20000, .seed = 4}).p);
  CHECK(drawn.smallest_p == 1.0 / 20001);
  CHECK(sign_flip(std::vector<double>(30, 1.5), Alternative::greater, {.draws = 99}).p == 0.01);
  // 0.1 + 0.2 - 0.3 is not 0 in binary: equal means count as equal all the same.
  CHECK(sign_flip(std::vector<double>{0.1, 0.2, -0.3}).p == 1);
  const std::vector<double> twenty(20, 1.5);
  CHECK(sign_flip(twenty).p == std::exp2(-19));
  CHECK_THROWS_AS(sign_flip(many, Alternative::two_sided, {.draws = 0}), Error);
}

TEST_CASE("the BCa interval is that of all resamples, and takes whole clusters") {
  const Interval bca = bootstrap_interval(skewed, {.level = 0.9, .resamples = 40000});
  CHECK(bca.lower == doctest::Approx(skewed_bca_90[0]).epsilon(0.02));
  CHECK(bca.upper == doctest::Approx(skewed_bca_90[1]).epsilon(0.02));
  CHECK(bca.lower == bootstrap_interval(skewed, {.level = 0.9, .resamples = 40000}).lower);
  CHECK(bca.lower != bootstrap_interval(skewed, {.level = 0.9, .resamples = 40000, .seed = 1}).lower);
  // Each number a cluster: the same draws. Each number twice in its cluster: the same means.
  std::vector<double> twice;
  std::vector<std::size_t> own, pairs;
  for (std::size_t i = 0; i < std::size(skewed); ++i) {
    own.push_back(i), pairs.push_back(i), pairs.push_back(i);
    twice.push_back(skewed[i]), twice.push_back(skewed[i]);
  }
  const Interval plain_one = bootstrap_interval(skewed);
  CHECK(bootstrap_interval(skewed, {.clusters = own}).lower == plain_one.lower);
  CHECK(same(bootstrap_interval(twice, {.clusters = pairs}).lower, plain_one.lower));
  CHECK(bootstrap_interval(twice).lower > plain_one.lower);
  // A mean that half of all resamples have is no bias.
  CHECK(bootstrap_interval(std::vector<double>{0, 1}).upper == 1);
  CHECK_THROWS_WITH_AS(bootstrap_interval(skewed, {.level = 0.99, .resamples = 100}),
                       "mtlx: bootstrap_interval: 100 resamples are too few for a level of 0.99", Error);
}

TEST_CASE("powers and numbers of runs are R's") {
  for (const auto& [n, effect, power] : powers)
    CHECK(paired_t_power(static_cast<std::size_t>(n), effect, 0.4) == doctest::Approx(power).epsilon(1e-9));
  for (const auto& [n, effect, power] : one_sided_powers) {
    const auto runs = static_cast<std::size_t>(n);
    CHECK(paired_t_power(runs, effect, 0.4, {.alternative = Alternative::greater}) ==
          doctest::Approx(power).epsilon(1e-9));
    CHECK(paired_t_power(runs, -effect, 0.4, {.alternative = Alternative::less}) ==
          doctest::Approx(power).epsilon(1e-9));
  }
  for (const auto& [effect, power, runs] : needed)
    CHECK(runs_needed(effect, 0.4, {.power = power}).value() == static_cast<std::size_t>(runs));
  CHECK(detectable_effect(5, 0.4) == doctest::Approx(detectable_with_5).epsilon(1e-4));
  CHECK(paired_t_power(5, detectable_effect(5, 0.4), 0.4) == doctest::Approx(0.8).epsilon(1e-9));
  CHECK(runs_needed(10, 0.4).value() == 2);
  CHECK_FALSE(runs_needed(0, 0.4).has_value());
  CHECK_FALSE(runs_needed(0.2, 0.4, {.test_to_train = 0.25}).has_value());  // 1 / sqrt(0.25) * 0.5 errors at most
  CHECK(runs_needed(0.8, 0.4, {.test_to_train = 0.25}).value() > runs_needed(0.8, 0.4).value());
  CHECK(paired_t_power(5, 0, 0.4) == doctest::Approx(0.05).epsilon(1e-9));
  CHECK_THROWS_AS(paired_t_power(1, 0.5, 0.4), Error);
  CHECK_THROWS_AS(runs_needed(0.5, 0), Error);
  CHECK_THROWS_AS(runs_needed(not_a_number, 0.4), Error);
}

TEST_CASE("Friedman's test, mean ranks and Nemenyi are R's") {
  const Ranking ranking = friedman(scores, 4);
  for (std::size_t m = 0; m < 4; ++m) CHECK(same(ranking.mean_ranks[m], mean_places[m]));
  CHECK(same(ranking.friedman.statistic, friedman_statistic));
  CHECK(same(ranking.friedman.p, friedman_p));
  CHECK(same(ranking.iman_davenport.statistic, iman_davenport_statistic));
  CHECK(same(ranking.iman_davenport.p, iman_davenport_p));
  CHECK(same(nemenyi_p(mean_places[3] - mean_places[0], 4, 7), nemenyi_p_first_last));
  CHECK(nemenyi_p(ranking.critical_difference, 4, 7) == doctest::Approx(0.05).epsilon(1e-9));
  // Errors instead of scores: the same ranks.
  std::vector<double> errors;
  for (const double score : scores) errors.push_back(1 - score);
  CHECK(friedman(errors, 4, false).mean_ranks == ranking.mean_ranks);
  // The same order everywhere: as sure as three rows can make one, 1 / (2!)^2 for two methods.
  const Ranking sure = friedman(std::vector<double>{2, 1, 5, 3, 4, 0}, 2);
  CHECK(sure.mean_ranks == std::vector<double>{1, 2});
  CHECK(sure.iman_davenport.p == 0.25);
  CHECK(is_finite(sure.iman_davenport.statistic));
  const Ranking nearly = friedman(std::vector<double>{1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 6, 5}, 6, false);
  CHECK(nearly.iman_davenport.p == nearly.iman_davenport.smallest_p);
  CHECK_FALSE(sure.iman_davenport.attainable(0.05));
  const Ranking none = friedman(std::vector<double>{1, 1, 2, 2}, 2);
  CHECK(none.friedman.p == 1);
  CHECK(p_text(none.friedman) == "no p-value: all methods tie on every data set");
  CHECK_THROWS_AS(friedman(scores, 1), Error);
  CHECK_THROWS_AS(friedman(scores, 5), Error);
  CHECK_THROWS_AS(friedman(std::vector<double>{1, 2}, 2), Error);
}

TEST_CASE("too few runs are told as such") {
  const std::vector<double> five = {0.3, -0.1, 0.5, 0.7, 0.2};
  CHECK(wilcoxon_signed_rank(five).smallest_p == 0.0625);
  CHECK(sign_flip(five).smallest_p == 0.0625);
  CHECK(p_text(wilcoxon_signed_rank(five)) ==
        "no p-value: with 5 numbers Wilcoxon's signed-rank test can't go below p = 0.0625, and the level is 0.05");
  CHECK(p_text(wilcoxon_signed_rank(five), 0.1) == "p = 0.125");
  CHECK(wilcoxon_signed_rank(std::vector<double>(5, 1.0)).p == 0.0625);
  CHECK_FALSE(wilcoxon_signed_rank(std::vector<double>(5, 1.0)).significant(0.05));
  CHECK(wilcoxon_signed_rank(std::vector<double>(5, 1.0), Alternative::greater).significant(0.05));
  CHECK(runs_for_signs() == 6);
  CHECK(runs_for_signs(0.05, Alternative::greater) == 5);
  CHECK(too_few(std::span(five).first(3), 0.5) ==
        "with 3 runs Wilcoxon's and the sign-flip test can't reach 0.05: 6 are needed; a difference of 0.5 is easily "
        "missed: with the spread found (0.305505) 6 are needed (paired t, power 0.8)");
  CHECK(too_few(plain, 0.5).empty());
  CHECK(
      too_few(plain, 0.01).starts_with("with 12 runs a difference of 0.01 is easily missed: with the spread found ("));
  CHECK(too_few(plain, 0).ends_with(") no number of runs on this data is enough"));
  CHECK(
      too_few(std::span(five).first(1), 0.5) ==
      "with 1 run Wilcoxon's and the sign-flip test can't reach 0.05: 6 are needed; there is no spread to say more by");
}

TEST_CASE("numbers that can't be judged by have a defined answer") {
  // One number, and numbers without spread: no interval, no t-test.
  const std::vector<double> one = {0.5}, same_ones = {0.1 + 0.2, 0.3, 0.3}, zeros = {0, 0, 0};
  for (const auto& x : {one, same_ones, zeros}) {
    CHECK_FALSE(t_interval(x).known());
    CHECK_FALSE(t_interval(x).contains(x[0]));
    CHECK_FALSE(bootstrap_interval(x).known());
    CHECK(t_interval(x).estimate == doctest::Approx(x[0]));
    CHECK(paired_t(x).p == 1);
    CHECK_FALSE(paired_t(x).attainable(0.05));
    CHECK(non_inferiority(x, 1).p == 1);
    CHECK(equivalence(x, 1).p == 1);
    CHECK(is_nan(cohen_d(x)));
    CHECK(is_nan(hedges_g(x)));
  }
  // Equal gains whose rounding differs; and with the numbers they are of, what is all rounding.
  const std::vector<double> gains = differences(std::vector{.85, .57, .66}, std::vector{.84, .56, .65});
  CHECK(mean_of(gains).deviation > 0);
  CHECK(paired_t(gains).p == 1);
  CHECK(p_text(paired_t(gains)) == "no p-value: all 3 numbers are 0.01");
  const std::vector<double> rounding = {1e-16, 1.1e-16, 2.2e-16};
  CHECK(mean_of(rounding).has_spread());
  CHECK_FALSE(mean_of(rounding, {.scale = 0.8}).has_spread());
  CHECK(mean_of(std::vector<double>{1e-9, 2e-9}, {.scale = 0.8}).has_spread());
  CHECK_THROWS_AS(mean_of(gains, {.scale = not_a_number}), Error);
  CHECK(p_text(paired_t(one)) == "no p-value: one number has no spread");
  CHECK(p_text(paired_t(same_ones)) == "no p-value: all 3 numbers are 0.3");
  CHECK(p_text(paired_t(zeros)) == "no p-value: all 3 numbers are 0");
  CHECK(p_text(wilcoxon_signed_rank(zeros)) == "no p-value: all 3 differences are 0");
  CHECK(p_text(sign_flip(zeros)) == "no p-value: all 3 differences are 0");
  const std::size_t together[] = {4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4};
  CHECK(p_text(paired_t(plain, Alternative::two_sided, {.clusters = together})) ==
        "no p-value: all 12 numbers are of one cluster");
  const std::size_t mirrored[] = {0, 0, 1, 1};
  CHECK(p_text(paired_t(std::vector<double>{1, 3, 3, 1}, Alternative::two_sided, {.clusters = mirrored})) ==
        "no p-value: all clusters have the same mean, 2");

  // None, and one that is no number: an error.
  const std::vector<double> none, broken = {1, not_a_number, 2};
  const std::string why = "mtlx: mean_of: number 1 of 3 is not finite";
  CHECK_THROWS_WITH_AS(paired_t(broken), why.c_str(), Error);
  CHECK_THROWS_WITH_AS(t_interval(none), "mtlx: mean_of: no numbers", Error);
  CHECK_THROWS_AS(wilcoxon_signed_rank(broken), Error);
  CHECK_THROWS_AS(wilcoxon_signed_rank(none), Error);
  CHECK_THROWS_AS(sign_flip(broken), Error);
  CHECK_THROWS_AS(bootstrap_interval(broken), Error);
  CHECK_THROWS_AS(friedman(broken, 3), Error);
  CHECK_THROWS_AS(ranks(broken), Error);
  CHECK_THROWS_AS(t_interval(plain, 1), Error);
  CHECK_THROWS_AS(non_inferiority(plain, 0), Error);
  CHECK_THROWS_AS(equivalence(plain, -1), Error);
  CHECK_THROWS_AS(mean_of(plain, {.clusters = even, .test_to_train = 0.5}), Error);
  CHECK_THROWS_AS(mean_of(plain, {.clusters = mirrored}), Error);
  CHECK_THROWS_AS(mean_of(plain, {.test_to_train = -0.5}), Error);
  CHECK_THROWS_WITH_AS(differences(plain, std::span(plain).first(5)),
                       "mtlx: differences: 12 numbers and 5 of the baseline", Error);
}

TEST_CASE("without an effect 5 % are found, with one as many as was stated") {
  constexpr double draws = 3000;
  Random random(11, Purpose::user);
  for (const std::size_t runs : {std::size_t{5}, std::size_t{10}}) {
    double t = 0, wilcoxon = 0, flips = 0, any_of_four = 0, found = 0, worse_passed = 0, equal_passed = 0,
           same_passed = 0;
    // Stated beforehand: the effect that is found with power 0.8, and the power of being no worse.
    const double effect = detectable_effect(runs, 1), margin = 1.2;
    const double passes = paired_t_power(runs, margin, 1, {.alternative = Alternative::greater});
    for (int draw = 0; draw < draws; ++draw) {
      const auto x = normals(random, runs);
      t += paired_t(x).significant(0.05);
      wilcoxon += wilcoxon_signed_rank(x).significant(0.05);
      flips += sign_flip(x).significant(0.05);
      equal_passed += non_inferiority(x, margin).significant(0.05);
      std::vector<double> p = {paired_t(x).p};
      while (p.size() < 4) p.push_back(paired_t(normals(random, runs)).p);
      const auto adjusted = holm(p);
      any_of_four += *std::min_element(adjusted.begin(), adjusted.end()) <= 0.05;
      found += paired_t(normals(random, runs, effect)).significant(0.05);
      const auto worse = normals(random, runs, -margin);
      worse_passed += non_inferiority(worse, margin).significant(0.05);
      same_passed += equivalence(worse, margin).significant(0.05);
    }
    CHECK(t / draws > 0.03);
    CHECK(t / draws < 0.07);
    CHECK(as_stated(t, draws, 0.05));
    CHECK(as_stated(any_of_four, draws, 1 - std::pow(1 - 0.05 / 4, 4)));  // four independent tests
    CHECK(as_stated(found, draws, 0.8));
    CHECK(as_stated(worse_passed, draws, 0.05));
    CHECK(as_stated(equal_passed, draws, passes));
    CHECK(same_passed <= worse_passed);
    // Discrete tests: never at 5 runs; at 10 at most 50 of the 1024 patterns are within 5 %.
    if (runs == 5) {
      CHECK(wilcoxon + flips == 0);
    } else {
      CHECK(as_stated(wilcoxon, draws, 50.0 / 1024));
      CHECK(as_stated(flips, draws, 50.0 / 1024));
    }
  }
}

TEST_CASE("clusters and splits that are not allowed for find what is not there") {
  constexpr int draws = 1000;
  Random random(12, Purpose::user);
  double naive = 0, clustered = 0, bootstrapped = 0;
  std::vector<std::size_t> photo(240);
  for (std::size_t i = 0; i < photo.size(); ++i) photo[i] = i / 8;
  for (int draw = 0; draw < draws; ++draw) {  // 30 photos, 8 numbers of each that share the photo's own shift
    std::vector<double> x;
    for (const double shift : normals(random, 30))
      for (const double number : normals(random, 8, shift)) x.push_back(number);
    naive += !t_interval(x).contains(0);
    clustered += !t_interval(x, 0.95, {.clusters = photo}).contains(0);
    if (draw < 300) bootstrapped += !bootstrap_interval(x, {.resamples = 999, .clusters = photo}).contains(0);
  }
  CHECK(naive / draws > 0.33);
  CHECK(as_stated(clustered, draws, 0.05));
  CHECK(bootstrapped / 300 < 0.12);
  CHECK(bootstrapped / 300 > 0.02);

  // Two means of two columns that are alike, learnt and judged on 10 random splits of the same 60 rows.
  double plain_t_rejects = 0, corrected = 0;
  std::vector<std::size_t> rows(60);
  for (int draw = 0; draw < draws; ++draw) {
    const auto a = normals(random, 60), b = normals(random, 60);
    std::vector<double> gains;
    for (int split = 0; split < 10; ++split) {
      for (std::size_t i = 0; i < 60; ++i) rows[i] = i;
      random.shuffle(std::span(rows));
      const auto error = [&](const std::vector<double>& column) {
        double mean = 0, squares = 0;
        for (std::size_t i = 0; i < 40; ++i) mean += column[rows[i]] / 40;
        for (std::size_t i = 40; i < 60; ++i) squares += (column[rows[i]] - mean) * (column[rows[i]] - mean) / 20;
        return squares;
      };
      gains.push_back(error(a) - error(b));
    }
    plain_t_rejects += paired_t(gains).significant(0.05);
    corrected += paired_t(gains, Alternative::two_sided, {.test_to_train = 0.5}).significant(0.05);
  }
  CHECK(plain_t_rejects / draws > 0.33);
  CHECK(corrected / draws < 0.07);
}

TEST_CASE("the figures of docs/statistics.md") {
  const double smallest[][2] = {{3, 3.26}, {5, 1.68}, {8, 1.16}, {10, 1.00}, {20, 0.66}, {30, 0.53}};
  for (const auto& [runs, effect] : smallest)
    CHECK(std::abs(detectable_effect(static_cast<std::size_t>(runs), 1) - effect) < 0.005);
  const double wanted[][2] = {{0.25, 128}, {0.5, 34}, {0.75, 16}, {1, 10}, {1.5, 6}, {2, 5}};
  for (const auto& [effect, runs] : wanted) CHECK(runs_needed(effect, 1).value() == static_cast<std::size_t>(runs));
  // A true loss of 0.5 with a spread of 0.4: how often no test at all, or the test of being no worse, lets it pass.
  CHECK(std::abs(1 - paired_t_power(3, 0.5, 0.4) - 0.76) < 0.005);
  CHECK(std::abs(1 - paired_t_power(5, 0.5, 0.4) - 0.44) < 0.005);
  const double equal[][2] = {{3, 0.42}, {5, 0.74}, {8, 0.94}, {10, 0.98}};
  for (const auto& [runs, passes] : equal)
    CHECK(std::abs(paired_t_power(static_cast<std::size_t>(runs), 0.5, 0.4, {.alternative = Alternative::greater}) -
                   passes) < 0.005);
  // The true spread against the one found in 5 runs: 0.60 to 2.87 times.
  CHECK(chi_squared_upper_tail(4 / (0.599 * 0.599), 4) == doctest::Approx(0.025).epsilon(0.01));
  CHECK(chi_squared_upper_tail(4 / (2.874 * 2.874), 4) == doctest::Approx(0.975).epsilon(0.01));
}

TEST_CASE("the example of docs/statistics.md") {
  const std::vector<double> hard = {83.1, 83.9, 82.8, 84.0, 83.6, 83.2, 83.7, 83.5};    // accuracy, a seed each
  const std::vector<double> single = {82.9, 83.1, 82.6, 83.5, 83.7, 82.7, 83.1, 83.2};  // the same seeds

  const std::vector<double> gains = study::differences(hard, single);
  const study::Interval interval = study::t_interval(gains);              // 0.375, from 0.140 to 0.610
  const study::TestResult better = study::paired_t(gains);                // p = 0.00701172
  const study::TestResult by_ranks = study::wilcoxon_signed_rank(gains);  // p = 0.015625
  // with 8 runs a difference of 0.2 is easily missed: with the spread found (0.281577) 18 are needed (paired t, power 0.8)
  const std::string easily_missed = study::too_few(gains, 0.2);

  CHECK(interval.estimate == doctest::Approx(0.375));
  CHECK(std::abs(interval.lower - 0.140) < 0.0005);
  CHECK(std::abs(interval.upper - 0.610) < 0.0005);
  CHECK(p_text(better) == "p = 0.00701172");
  CHECK(p_text(by_ranks) == "p = 0.015625");
  CHECK(easily_missed ==
        "with 8 runs a difference of 0.2 is easily missed: with the spread found (0.281577) 18 are needed (paired t, "
        "power 0.8)");
}
