// SPDX-License-Identifier: MIT
// How sure a few runs make one: intervals, tests of significance, effect sizes, and how many runs are needed. Spans of
// numbers in, small structs out; of use with results from anywhere.
//
// The numbers of a paired test are differences: run i of a candidate less run i of the baseline, with the same seed and
// split (`differences`). Everywhere: no numbers at all, or a number that is not finite, throws `Error`. One number, or
// numbers without any spread, make no interval (its bounds are NaN) and no t-test (p = 1, and a note that says why): a
// spread of 0 seen in a few runs is rounding or chance, and no proof. What rounding leaves counts as none: an error below
// 1e-9 of the mean, or below 1e-12 of the numbers that were subtracted (`Sampling::scale`).
//
// For numbers x_1..x_n with mean m and standard deviation s (n - 1), the error of the mean is
//   independent numbers       s / sqrt(n),                                   t with n - 1 degrees of freedom;
//   overlapping random splits s sqrt(1/n + test rows / training rows),       n - 1   (Nadeau and Bengio, eq. 9);
//   G clusters                sqrt(G/(G-1) sum_g (sum_{i in g} x_i - m)^2) / n,  G - 1   (the means' t where clusters are alike).
// References: Nadeau and Bengio, "Inference for the Generalization Error", Machine Learning 52, 2003.
// Wilcoxon, "Individual Comparisons by Ranking Methods", Biometrics Bulletin 1, 1945; zeros: Pratt, JASA 54, 1959.
// Efron, "Better Bootstrap Confidence Intervals", JASA 82, 1987 (BCa).
// Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15, 1987 (two one-sided tests).
// Demsar, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 7, 2006 (Friedman, Nemenyi).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mtlx/core/error.hpp>
#include <mtlx/core/options.hpp>
#include <mtlx/core/random.hpp>
#include <mtlx/core/sample_mean.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/core/significance.hpp>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace mtlx::study {

using mtlx::benjamini_hochberg;
using mtlx::holm;
/// A mean and what is known of its error; `scale` is Sampling::scale.
using Mean = mtlx::SampleMean;

/// How the numbers of a sample hang together. At most one of the two may be given.
struct Sampling {
  /// A cluster for each number (its photo, document, family); any numbers. Empty: each number stands for itself.
  std::span<const std::size_t> clusters = {};
  /// Test rows over training rows, where each number comes from a random split of the same data; else 0.
  double test_to_train = 0;
  /// Of differences: the largest size of what was subtracted, whose rounding is in them. 0: not known.
  double scale = 0;
};

/// A confidence interval.
struct Interval {
  double estimate = 0;
  double lower = 0, upper = 0;  ///< NaN where there is no interval
  double level = 0.95;

  /// Whether there is one: false for one number, or without any spread.
  bool known() const { return !is_nan(lower) && !is_nan(upper); }
  bool contains(double value) const { return known() && lower <= value && value <= upper; }
};

/// What the mean is suspected to be, other than 0.
enum class Alternative { two_sided, greater, less };

/// What a test of significance found.
struct TestResult {
  std::string test = {};  ///< its name
  std::size_t count = 0;  ///< numbers that it rests on
  double statistic = 0;
  double p = 1;           ///< the probability, without an effect, of what was seen or more
  double smallest_p = 0;  ///< the smallest p that so many numbers can reach; 1 where no test was possible
  std::string note = {};  ///< why none was possible

  /// Whether the test can reject at this level at all.
  bool attainable(double level) const { return smallest_p <= level; }
  bool significant(double level) const { return p <= level; }
};

namespace detail {

inline constexpr double nan = std::numeric_limits<double>::quiet_NaN();

[[gnu::cold]] inline void check_numbers(const char* of, std::span<const double> x) {
  if (x.empty()) fail(of, ": no numbers");
  for (std::size_t i = 0; i < x.size(); ++i)
    if (!is_finite(x[i])) fail(of, ": number ", i, " of ", x.size(), " is not finite");
}

[[gnu::cold]] inline void check_level(const char* of, double level) {
  if (!(is_finite(level) && level > 0 && level < 1)) fail(of, ": the level must lie between 0 and 1, and is ", level);
}

/// A cluster's numbers.
struct Cluster {
  double sum = 0, count = 0;
};

/// In the order of their ids; each number a cluster where there are none.
[[gnu::cold]] inline std::vector<Cluster> clusters_of(const char* of, std::span<const double> x,
                                                      std::span<const std::size_t> ids) {
  check_numbers(of, x);
  if (!ids.empty() && ids.size() != x.size()) fail(of, ": ", x.size(), " numbers and ", ids.size(), " clusters");
  std::vector<std::pair<std::size_t, double>> entries;
  for (std::size_t i = 0; i < x.size(); ++i) entries.emplace_back(ids.empty() ? i : ids[i], x[i]);
  std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Cluster> clusters;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (i == 0 || entries[i].first != entries[i - 1].first) clusters.emplace_back();
    clusters.back().sum += entries[i].second;
    clusters.back().count += 1;
  }
  return clusters;
}

/// p of a test, from the probabilities of at least and of at most what was seen.
inline double p_of(Alternative alternative, double greater, double less) {
  if (alternative == Alternative::greater) return std::min(1.0, greater);
  if (alternative == Alternative::less) return std::min(1.0, less);
  return std::min(1.0, 2 * std::min(greater, less));
}

/// The smallest p of n signs.
inline double smallest_of_signs(std::size_t n, Alternative alternative) {
  return std::min(1.0, std::exp2((alternative == Alternative::two_sided ? 1 : 0) - static_cast<double>(n)));
}

}  // namespace detail

/// What is reported of a test: `p = 0.0123`, or why there is none: too few numbers for the level, or no spread.
[[gnu::cold]] inline std::string p_text(const TestResult& result, double level = 0.05) {
  detail::check_level("p_text", level);
  if (!result.note.empty()) return result.note;
  if (result.attainable(level)) return join("p = ", result.p);
  return join("no p-value: with ", result.count, " numbers ", result.test, " can't go below p = ", result.smallest_p,
              ", and the level is ", level);
}

/// candidate - baseline, number by number. Throws `Error` if there are not as many of both.
[[gnu::cold]] inline std::vector<double> differences(std::span<const double> candidate,
                                                     std::span<const double> baseline) {
  if (candidate.size() != baseline.size())
    fail("differences: ", candidate.size(), " numbers and ", baseline.size(), " of the baseline");
  std::vector<double> result(candidate.size());
  for (std::size_t i = 0; i < result.size(); ++i) result[i] = candidate[i] - baseline[i];
  return result;
}

/// The mean and its error (formulas above).
[[gnu::cold]] inline Mean mean_of(std::span<const double> x, const Sampling& sampling = {}) {
  const auto clusters = detail::clusters_of("mean_of", x, sampling.clusters);
  check_option("Sampling::test_to_train", sampling.test_to_train);
  if (!sampling.clusters.empty() && sampling.test_to_train > 0)
    fail("Sampling: either clusters or test_to_train, not both");
  check_option("Sampling::scale", sampling.scale);
  Mean e{.count = x.size(), .scale = sampling.scale};
  const auto n = static_cast<double>(x.size()), groups = static_cast<double>(clusters.size());
  for (const double number : x) e.value += number / n;
  double squares = 0, cluster_squares = 0;
  for (const double number : x) squares += (number - e.value) * (number - e.value);
  for (const auto& [sum, count] : clusters) cluster_squares += (sum - count * e.value) * (sum - count * e.value);
  e.degrees = groups - 1;
  if (x.size() > 1) e.deviation = std::sqrt(squares / (n - 1));
  if (sampling.test_to_train > 0)
    e.error = e.deviation * std::sqrt(1 / n + sampling.test_to_train);
  else if (e.degrees > 0)
    e.error = std::sqrt(groups / e.degrees * cluster_squares) / n;
  return e;
}

/// The mean with its t interval.
[[gnu::cold]] inline Interval t_interval(std::span<const double> x, double level = 0.95,
                                         const Sampling& sampling = {}) {
  detail::check_level("t_interval", level);
  const Mean e = mean_of(x, sampling);
  if (!e.has_spread()) return {e.value, detail::nan, detail::nan, level};
  const double half = t_critical((1 - level) / 2, e.degrees) * e.error;
  return {e.value, e.value - half, e.value + half, level};
}

/// How `bootstrap_interval` draws.
struct Bootstrap {
  double level = 0.95;
  std::size_t resamples = 9999;
  std::uint64_t seed = 0;
  std::span<const std::size_t> clusters = {};  ///< whole clusters are drawn, as in `Sampling`
};

/// The mean with its BCa bootstrap interval (bias-corrected and accelerated; Efron 1987): no normal distribution is
/// asked for, but many numbers (clusters) are. With less than about 20 it is too narrow; take `t_interval` there. Throws
/// `Error` where `resamples` are too few for the level.
[[gnu::cold]] inline Interval bootstrap_interval(std::span<const double> x, const Bootstrap& options = {}) {
  detail::check_level("bootstrap_interval", options.level);
  const auto clusters = detail::clusters_of("bootstrap_interval", x, options.clusters);
  const double tail = (1 - options.level) / 2;
  const auto draws = static_cast<double>(options.resamples);
  if (tail * (draws + 1) < 1)
    fail("bootstrap_interval: ", options.resamples, " resamples are too few for a level of ", options.level);
  const Mean e = mean_of(x, {.clusters = options.clusters});
  if (!e.has_spread()) return {e.value, detail::nan, detail::nan, options.level};

  Random random(options.seed, Purpose::sample);
  std::vector<double> means(options.resamples);
  double below = 0;
  for (double& mean : means) {
    detail::Cluster drawn;
    for (std::size_t i = 0; i < clusters.size(); ++i) {
      const auto& [sum, count] = clusters[random.below(static_cast<std::uint32_t>(clusters.size()))];
      drawn.sum += sum, drawn.count += count;
    }
    mean = drawn.sum / drawn.count;
    below += mean < e.value ? 1 : mean > e.value ? 0 : 0.5;
  }
  std::sort(means.begin(), means.end());

  // The acceleration, from the means without one cluster each.
  double left_out_mean = 0, squares = 0, cubes = 0;
  const auto groups = static_cast<double>(clusters.size()), n = static_cast<double>(x.size());
  std::vector<double> left_out(clusters.size());
  for (std::size_t g = 0; g < clusters.size(); ++g)
    left_out[g] = (e.value * n - clusters[g].sum) / (n - clusters[g].count);
  for (const double mean : left_out) left_out_mean += mean / groups;
  for (const double mean : left_out) {
    const double d = left_out_mean - mean;
    squares += d * d, cubes += d * d * d;
  }
  const double acceleration = squares > 0 ? cubes / (6 * squares * std::sqrt(squares)) : 0;
  const double bias = -normal_critical(std::clamp(below / draws, 0.5 / draws, 1 - 0.5 / draws));
  const auto bound = [&](double z) {
    const double shifted = bias + (bias + z) / std::max(1 - acceleration * (bias + z), 0.01);
    const double place = std::clamp((1 - normal_upper_tail(shifted)) * (draws + 1) - 1, 0.0, draws - 1);
    const auto index = static_cast<std::size_t>(place);
    const double rest = place - static_cast<double>(index);
    return means[index] + rest * (means[std::min(index + 1, means.size() - 1)] - means[index]);
  };
  const double z = normal_critical(tail);
  return {e.value, bound(-z), bound(z), options.level};
}

namespace detail {

[[gnu::cold]] inline TestResult t_test(const char* name, const Mean& e, double hypothesis, Alternative alternative) {
  TestResult result{.test = name, .count = e.count};
  if (!e.has_spread()) {
    result.smallest_p = 1;
    if (e.count == 1)
      result.note = "no p-value: one number has no spread";
    else if (e.degrees < 1)
      result.note = join("no p-value: all ", e.count, " numbers are of one cluster");
    else if (e.degrees + 1 < static_cast<double>(e.count))
      result.note = join("no p-value: all clusters have the same mean, ", e.value);
    else
      result.note = join("no p-value: all ", e.count, " numbers are ", e.value);
    return result;
  }
  result.statistic = (e.value - hypothesis) / e.error;
  result.p = p_of(alternative, t_upper_tail(result.statistic, e.degrees), t_upper_tail(-result.statistic, e.degrees));
  return result;
}

}  // namespace detail

/// Student's t-test of paired differences: is their mean 0? With `Sampling::test_to_train` Nadeau and Bengio's corrected
/// resampled t-test; with clusters by whole clusters.
[[gnu::cold]] inline TestResult paired_t(std::span<const double> x, Alternative alternative = Alternative::two_sided,
                                         const Sampling& sampling = {}) {
  return detail::t_test(sampling.test_to_train > 0 ? "the corrected t-test" : "the paired t-test", mean_of(x, sampling),
                        0, alternative);
}

/// Is the candidate no worse than the baseline by `margin` or more? A one-sided t-test of differences (positive better)
/// against -margin: a small p says yes. The margin is fixed before the runs. Throws `Error` unless it is above 0.
[[gnu::cold]] inline TestResult non_inferiority(std::span<const double> x, double margin,
                                                const Sampling& sampling = {}) {
  if (!(is_finite(margin) && margin > 0)) fail("non_inferiority: the margin must be above 0, and is ", margin);
  return detail::t_test("the test of being no worse", mean_of(x, sampling), -margin, Alternative::greater);
}

/// Are candidate and baseline the same but for less than `margin`? Two one-sided t-tests (Schuirmann), the larger p: a
/// small one says yes. Throws `Error` unless the margin is above 0.
[[gnu::cold]] inline TestResult equivalence(std::span<const double> x, double margin, const Sampling& sampling = {}) {
  if (!(is_finite(margin) && margin > 0)) fail("equivalence: the margin must be above 0, and is ", margin);
  const Mean e = mean_of(x, sampling);
  const TestResult above = detail::t_test("the test of equivalence", e, -margin, Alternative::greater);
  const TestResult below = detail::t_test("the test of equivalence", e, margin, Alternative::less);
  return above.p > below.p ? above : below;
}

/// The place of each number, 1 for the smallest; equal ones share the mean of their places.
[[gnu::cold]] inline std::vector<double> ranks(std::span<const double> x) {
  if (!x.empty()) detail::check_numbers("ranks", x);
  std::vector<std::size_t> order(x.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return x[a] < x[b]; });
  std::vector<double> result(x.size());
  for (std::size_t first = 0, end = 0; first < order.size(); first = end) {
    while (end < order.size() && x[order[end]] == x[order[first]]) ++end;
    for (std::size_t i = first; i < end; ++i) result[order[i]] = static_cast<double>(first + end + 1) / 2;
  }
  return result;
}

/// What becomes of differences that are 0: left out before ranking (Wilcoxon), or ranked and then left out (Pratt).
enum class Zeros { wilcoxon, pratt };

/// Wilcoxon's signed-rank test of paired differences: do they lie evenly about 0? The statistic is the sum of the positive
/// ones' ranks. Exact for up to 100 differences that are not 0, ties and all; above, the normal approximation with the
/// correction for continuity. With n of them p is at least 2 / 2^n (one-sided 1 / 2^n): 5 can't reach 0.05, 6 can.
/// Numbers tie where they are the same to the last bit.
[[gnu::cold]] inline TestResult wilcoxon_signed_rank(std::span<const double> x,
                                                     Alternative alternative = Alternative::two_sided,
                                                     Zeros zeros = Zeros::wilcoxon) {
  detail::check_numbers("wilcoxon_signed_rank", x);
  std::vector<double> sizes, signs;
  for (const double number : x) {
    if (number == 0 && zeros == Zeros::wilcoxon) continue;
    sizes.push_back(std::abs(number));
    signs.push_back(number > 0 ? 1 : number < 0 ? -1 : 0);
  }
  const std::vector<double> places = ranks(sizes);
  // Twice a rank is a whole number.
  std::vector<std::size_t> doubled;
  double squares = 0;
  std::size_t total = 0, seen = 0;
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (signs[i] == 0) continue;
    doubled.push_back(static_cast<std::size_t>(2 * places[i]));
    total += doubled.back();
    if (signs[i] > 0) seen += doubled.back();
    squares += places[i] * places[i];
  }
  TestResult result{.test = "Wilcoxon's signed-rank test", .count = doubled.size()};
  result.smallest_p = detail::smallest_of_signs(doubled.size(), alternative);
  result.statistic = static_cast<double>(seen) / 2;
  if (doubled.empty()) {
    result.note = join("no p-value: all ", x.size(), " differences are 0");
    return result;
  }
  if (doubled.size() > 100) {
    const double centre = static_cast<double>(total) / 4, deviation = std::sqrt(squares / 4);
    const double z = result.statistic - centre;
    result.p =
        detail::p_of(alternative, normal_upper_tail((z - 0.5) / deviation), normal_upper_tail(-(z + 0.5) / deviation));
    return result;
  }
  // The probability of each doubled sum, signs being coins: one more rank each time.
  std::vector<double> probability(total + 1);
  probability[0] = 1;
  std::size_t reached = 0;
  for (const std::size_t rank : doubled) {
    for (std::size_t sum = reached + rank + 1; sum-- > 0;)
      probability[sum] = (sum <= reached ? probability[sum] : 0) / 2 + (sum >= rank ? probability[sum - rank] / 2 : 0);
    reached += rank;
  }
  double greater = 0, less = 0;
  for (std::size_t sum = 0; sum <= total; ++sum) {
    if (sum >= seen) greater += probability[sum];
    if (sum <= seen) less += probability[sum];
  }
  result.p = detail::p_of(alternative, greater, less);
  return result;
}

/// How `sign_flip` draws where there are too many signs to try them all.
struct SignFlips {
  std::size_t draws = 99999;
  std::uint64_t seed = 0;
};

/// The permutation test of paired differences: without an effect each sign is a coin. p is the share of all sign
/// patterns whose mean is as far from 0 as the one seen: exact for up to 20 differences that are not 0, by drawn patterns
/// above (then (1 + share's count) / (1 + draws)). The statistic is the mean. p is at least 2 / 2^n, as with Wilcoxon's.
/// Means that differ by less than rounding count as equal.
[[gnu::cold]] inline TestResult sign_flip(std::span<const double> x, Alternative alternative = Alternative::two_sided,
                                          const SignFlips& options = {}) {
  detail::check_numbers("sign_flip", x);
  std::vector<double> numbers;
  double seen = 0, sizes = 0;
  for (const double number : x) {
    if (number == 0) continue;
    numbers.push_back(number);
    seen += number, sizes += std::abs(number);
  }
  TestResult result{.test = "the sign-flip test", .count = numbers.size()};
  result.statistic = seen / static_cast<double>(x.size());
  result.smallest_p = detail::smallest_of_signs(numbers.size(), alternative);
  if (numbers.empty()) {
    result.note = join("no p-value: all ", x.size(), " differences are 0");
    return result;
  }
  const double rounding = 1e-12 * sizes;
  const auto as_far = [&](double sum) {
    if (alternative == Alternative::greater) return sum >= seen - rounding;
    if (alternative == Alternative::less) return sum <= seen + rounding;
    return std::abs(sum) >= std::abs(seen) - rounding;
  };
  double count = 0;
  if (numbers.size() <= 20) {
    // Every pattern's sum is one of the first half's and one of the second's.
    const auto sums = [](std::span<const double> part) {
      std::vector<double> all = {0};
      for (const double number : part) {
        const std::size_t before = all.size();
        for (std::size_t i = 0; i < before; ++i) all.push_back(all[i] - number), all[i] += number;
      }
      return all;
    };
    const std::span<const double> all = numbers;
    const auto first = sums(all.first(all.size() / 2)), second = sums(all.subspan(all.size() / 2));
    for (const double a : first)
      for (const double b : second) count += as_far(a + b) ? 1 : 0;
    result.p = count / static_cast<double>(first.size() * second.size());
    return result;
  }
  if (options.draws == 0) fail("sign_flip: draws must be at least 1");
  Random random(options.seed, Purpose::sample);
  for (std::size_t draw = 0; draw < options.draws; ++draw) {
    double sum = 0;
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      bits = i % 32 == 0 ? random.bits() : bits >> 1;
      sum += bits % 2 == 0 ? numbers[i] : -numbers[i];
    }
    count += as_far(sum) ? 1 : 0;
  }
  const auto draws = static_cast<double>(options.draws);
  result.p = (1 + count) / (1 + draws);
  result.smallest_p = std::max(result.smallest_p, 1 / (1 + draws));
  return result;
}

/// Cohen's d of paired differences, mean / standard deviation: how far apart in units of the spread of one run. NaN
/// without spread.
[[gnu::cold]] inline double cohen_d(std::span<const double> x) {
  const Mean e = mean_of(x);
  return e.has_spread() ? e.value / e.deviation : detail::nan;
}

/// Hedges' g: Cohen's d without its upward bias in small samples, d Gamma(f/2) / (sqrt(f/2) Gamma((f-1)/2)) with
/// f = n - 1. NaN without spread; 0 for two numbers, whose d has no mean.
[[gnu::cold]] inline double hedges_g(std::span<const double> x) {
  const double d = cohen_d(x), f = static_cast<double>(x.size()) - 1;
  if (x.size() <= 2 || is_nan(d)) return x.size() == 2 && !is_nan(d) ? 0 : d;
  // log Gamma(f/2) - log Gamma((f-1)/2) by Stirling's formula and its rest.
  const double a = f / 2, b = (f - 1) / 2;
  const double log_ratio = (a - 0.5) * std::log(a) - (b - 0.5) * std::log(b) - 0.5 + mtlx::detail::stirling_rest(a) -
                           mtlx::detail::stirling_rest(b);
  return d * std::exp(log_ratio) / std::sqrt(a);
}

/// How sure a test is to be of finding something.
struct PowerOptions {
  double power = 0.8;   ///< the probability with which an effect is to be found
  double level = 0.05;  ///< of the test
  Alternative alternative = Alternative::two_sided;
  double test_to_train = 0;  ///< as in `Sampling`
};

/// The probability that `paired_t` rejects at the level with so many runs, for a true mean difference `effect` and
/// differences whose standard deviation is `deviation`. For `non_inferiority` with a margin and a true difference of 0:
/// the margin as effect, Alternative::greater. Throws `Error` for less than 2 runs or a deviation of 0.
[[gnu::cold]] inline double paired_t_power(std::size_t runs, double effect, double deviation,
                                           const PowerOptions& options = {}) {
  detail::check_level("PowerOptions::level", options.level);
  check_option("PowerOptions::test_to_train", options.test_to_train);
  if (runs < 2) fail("paired_t_power: at least 2 runs, and not ", runs);
  if (!is_finite(effect)) fail("paired_t_power: the effect is not finite");
  if (!(is_finite(deviation) && deviation > 0))
    fail("paired_t_power: the deviation must be above 0, and is ", deviation);
  const auto n = static_cast<double>(runs);
  const double shift = effect / deviation / std::sqrt(1 / n + options.test_to_train);
  const bool both = options.alternative == Alternative::two_sided;
  const double bound = t_critical(both ? options.level / 2 : options.level, n - 1);
  double power = 0;
  if (options.alternative != Alternative::less) power += noncentral_t_upper_tail(bound, n - 1, shift);
  if (options.alternative != Alternative::greater) power += noncentral_t_upper_tail(bound, n - 1, -shift);
  return power;
}

/// The smallest number of runs (2 or more) with which `paired_t` finds the effect with the power asked for; none if a
/// million are not enough, as with an effect of 0, or one that no number of splits of the same data can show.
[[gnu::cold]] inline std::optional<std::size_t> runs_needed(double effect, double deviation,
                                                            const PowerOptions& options = {}) {
  detail::check_level("PowerOptions::power", options.power);
  const auto enough = [&](std::size_t runs) {
    return paired_t_power(runs, effect, deviation, options) >= options.power;
  };
  if (enough(2)) return 2;
  std::size_t few = 2, many = 4;
  while (!enough(many)) {
    if (many > 1'000'000) return std::nullopt;
    few = many, many *= 2;
  }
  while (many - few > 1) {
    const std::size_t middle = few + (many - few) / 2;
    (enough(middle) ? many : few) = middle;
  }
  return many;
}

/// The smallest effect (above 0) that `paired_t` finds with the power asked for in so many runs: smaller differences such
/// a study can't tell from none. For Alternative::less its negative is meant.
[[gnu::cold]] inline double detectable_effect(std::size_t runs, double deviation, PowerOptions options = {}) {
  detail::check_level("PowerOptions::power", options.power);
  if (options.alternative == Alternative::less) options.alternative = Alternative::greater;
  double low = 0, high = deviation;
  while (paired_t_power(runs, high, deviation, options) < options.power) low = high, high *= 2;
  for (int step = 0; step < 60; ++step) {
    const double middle = low + (high - low) / 2;
    (paired_t_power(runs, middle, deviation, options) < options.power ? low : high) = middle;
  }
  return high;
}

/// The smallest number of runs whose signs can be significant at the level: for Wilcoxon's and the sign-flip test.
[[gnu::cold]] inline std::size_t runs_for_signs(double level = 0.05, Alternative alternative = Alternative::two_sided) {
  detail::check_level("runs_for_signs", level);
  std::size_t runs = 1;
  while (detail::smallest_of_signs(runs, alternative) > level) ++runs;
  return runs;
}

/// What so few differences can't show, in words, such as "with 3 runs Wilcoxon's and the sign-flip test can't reach 0.05:
/// 6 are needed; a difference of 0.5 is easily missed: with the spread found (0.4) 8 are needed (paired t, power 0.8)".
/// Empty where they are enough for both. The spread found in few runs is itself uncertain: take the number as a guide.
[[gnu::cold]] inline std::string too_few(std::span<const double> x, double effect, const PowerOptions& options = {}) {
  const Mean e = mean_of(x);
  const std::string with = join("with ", e.count, e.count == 1 ? " run " : " runs ");
  std::string words;
  const std::size_t signs = runs_for_signs(options.level, options.alternative);
  if (e.count < signs)
    words = join(with, "Wilcoxon's and the sign-flip test can't reach ", options.level, ": ", signs, " are needed");
  const std::string start = words.empty() ? with : words + "; ";
  if (!e.has_spread()) return start + "there is no spread to say more by";
  const auto runs = runs_needed(effect, e.deviation, options);
  if (runs && *runs <= e.count) return words;
  return join(start, "a difference of ", effect, " is easily missed: with the spread found (", e.deviation, ") ",
              runs ? join(*runs, " are needed (paired t, power ", options.power, ")")
                   : std::string("no number of runs on this data is enough"));
}

/// Methods over several data sets (or tasks): Friedman's test, and how far apart mean ranks must be.
struct Ranking {
  std::vector<double> mean_ranks = {};  ///< a method each; 1 is the best
  TestResult friedman = {};             ///< chi squared: for more than about 10 data sets and 5 methods
  TestResult iman_davenport = {};       ///< F: better for fewer (Demsar, section 3.2.2)
  double critical_difference = 0;       ///< Nemenyi: mean ranks at least so far apart differ at the level
  double level = 0.05;
};

/// The mean ranks of `methods` methods, their Friedman test and Nemenyi's critical difference q sqrt(k (k+1) / (6 N)), q
/// the studentised range's over sqrt 2. `scores` : (data sets, methods), row by row. Equal scores share their ranks. Throws
/// `Error` for less than 2 methods or data sets.
[[gnu::cold]] inline Ranking friedman(std::span<const double> scores, std::size_t methods, bool higher_is_better = true,
                                      double level = 0.05) {
  detail::check_numbers("friedman", scores);
  detail::check_level("friedman", level);
  if (methods < 2 || scores.size() % methods != 0 || scores.size() / methods < 2)
    fail("friedman: ", scores.size(), " scores and ", methods,
         " methods: at least 2 methods and 2 whole rows are needed");
  const std::size_t sets = scores.size() / methods;
  const auto k = static_cast<double>(methods), n = static_cast<double>(sets);
  Ranking result{.mean_ranks = std::vector<double>(methods), .level = level};
  double squares = 0;  // of all ranks
  std::vector<double> row(methods);
  for (std::size_t set = 0; set < sets; ++set) {
    for (std::size_t m = 0; m < methods; ++m)
      row[m] = higher_is_better ? -scores[set * methods + m] : scores[set * methods + m];
    const std::vector<double> places = ranks(row);
    for (std::size_t m = 0; m < methods; ++m) {
      result.mean_ranks[m] += places[m] / n;
      squares += places[m] * places[m];
    }
  }
  result.critical_difference = range_critical(level, methods) / std::numbers::sqrt2 * std::sqrt(k * (k + 1) / (6 * n));
  result.friedman = {.test = "Friedman's test", .count = sets};
  result.iman_davenport = {.test = "Iman and Davenport's test", .count = sets};

  // Between methods, and all there is to explain: ties make it less.
  double between = 0;
  for (const double rank : result.mean_ranks) between += n * (rank - (k + 1) / 2) * (rank - (k + 1) / 2);
  const double all = squares - n * k * (k + 1) * (k + 1) / 4;
  if (!(all > 1e-9)) {
    for (TestResult* test : {&result.friedman, &result.iman_davenport}) {
      test->smallest_p = 1;
      test->note = "no p-value: all methods tie on every data set";
    }
    return result;
  }
  // One order of the methods on every data set is the most that can be seen.
  double orders = 1;
  for (std::size_t m = 2; m <= methods; ++m) orders *= static_cast<double>(m);
  const double smallest = std::pow(orders, 1 - n);
  result.friedman.statistic = n * (k - 1) * between / all;
  result.friedman.p = chi_squared_upper_tail(result.friedman.statistic, methods - 1);
  result.friedman.smallest_p = chi_squared_upper_tail(n * (k - 1), methods - 1);
  result.iman_davenport.smallest_p = smallest;
  const double within = all - between;
  if (within <= 1e-12 * all) {
    result.iman_davenport.statistic = std::numeric_limits<double>::max();
    result.iman_davenport.p = smallest;
  } else {
    result.iman_davenport.statistic = (n - 1) * between / within;
    result.iman_davenport.p =
        std::max(smallest, f_upper_tail(result.iman_davenport.statistic, k - 1, (k - 1) * (n - 1)));
  }
  return result;
}

/// Nemenyi's p of a difference between two mean ranks, out of `methods` methods over `data_sets` data sets.
[[gnu::cold]] inline double nemenyi_p(double difference, std::size_t methods, std::size_t data_sets) {
  if (methods < 2 || data_sets < 2) fail("nemenyi_p: at least 2 methods and 2 data sets are needed");
  const auto k = static_cast<double>(methods), n = static_cast<double>(data_sets);
  return range_upper_tail(std::abs(difference) / std::sqrt(k * (k + 1) / (6 * n)) * std::numbers::sqrt2, methods);
}

}  // namespace mtlx::study
