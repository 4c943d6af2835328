// SPDX-License-Identifier: MIT
// Against SciPy, scikit-learn and dense formulas (scripts/oracle/grouping_statistics.py), and on generated numbers: do tests
// reject, and intervals cover, as often as they say?
#include <mtlx/grouping/statistics/balanced_subsets.hpp>
#include <mtlx/grouping/statistics/contrasts.hpp>
#include <mtlx/grouping/statistics/group_effects.hpp>
#include <mtlx/grouping/statistics/interactions.hpp>
#include <mtlx/grouping/statistics/intervals.hpp>
#include <mtlx/grouping/statistics/linear_surrogate.hpp>
#include <mtlx/grouping/statistics/sequential.hpp>
#include <mtlx/grouping/statistics/words.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <grouping/statistics_oracle.inc>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

using namespace mtlx;
using namespace mtlx::grouping;

namespace {

constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();
constexpr double infinite = std::numeric_limits<double>::infinity();
constexpr std::string_view names[] = {"a", "b", "c", "d", "e", "f"};

bool near(double found, double expected, double tolerance = 1e-10) {
  return std::abs(found - expected) <= tolerance * std::max(1.0, std::abs(expected));
}
bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }
template <class F>
std::string error_of(const F& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::vector<GroupResult> stored_gains() {
  std::vector<GroupResult> gains;
  for (const auto& row : gain_rows) {
    TaskSet group;
    for (std::size_t t = 0; t < gain_tasks; ++t)
      if (static_cast<unsigned>(row[1]) >> t & 1U) group = group.with(t);
    gains.push_back({static_cast<std::size_t>(row[0]), group, static_cast<std::size_t>(row[2]), row[3]});
  }
  return gains;
}
TaskSet set_of(std::initializer_list<std::size_t> tasks) {
  TaskSet set;
  for (const std::size_t t : tasks) set = set.with(t);
  return set;
}

// A number with the tails of Student's t with 5 degrees of freedom.
double heavy(Random& random) {
  double squares = 0;
  for (int i = 0; i < 5; ++i) {
    const double z = random.normal();
    squares += z * z;
  }
  return random.normal() / std::sqrt(squares / 5);
}
// Tables of runs in which no partner is better than another: an offset in common, rows and columns that each run draws anew
// but for the columns, whose mean over runs is the same for all.
std::vector<double> exchangeable(Random& random, std::size_t runs, std::size_t tasks) {
  std::vector<double> tables;
  for (std::size_t r = 0; r < runs; ++r) {
    std::vector<double> rows(tasks), columns(tasks);
    for (std::size_t t = 0; t < tasks; ++t) rows[t] = random.normal(), columns[t] = random.normal();
    for (std::size_t cell = 0; cell < tasks * tasks; ++cell)
      tables.push_back(-3 + 0.3 * rows[cell / tasks] + 0.5 * columns[cell % tasks] + 0.7 * heavy(random));
  }
  return tables;
}

}  // namespace

TEST_CASE("row contrasts") {
  //                                row 0: its partners give 1, 2, 6
  const std::vector<double> table = {9, 1, 2, 6, 0, 9, nan_value, 4, nan_value, nan_value, 9, 3, 1, 1, 1, nan_value};
  const auto found = row_contrasts(table, 4);
  CHECK(found[1] == -3);
  CHECK(found[2] == -1.5);
  CHECK(found[3] == 4.5);
  CHECK(found[4] == -4);  // one missing: the others are compared with each other
  CHECK(found[7] == 4);
  CHECK(found[12] == 0);
  for (const std::size_t cell : {0U, 5U, 6U, 8U, 9U, 10U, 11U, 15U}) CHECK(is_nan(found[cell]));

  CHECK(has(error_of([] { row_contrasts(std::vector<double>(4), 2); }), "at least 3 tasks"));
  CHECK(has(error_of([] { row_contrasts(std::vector<double>(8), 3); }), "8 cells for a table of 3 tasks"));
  CHECK(has(error_of([] { row_contrasts(std::vector<double>{0, infinite, 1, 0, 0, 0, 0, 0, 0}, 3); }),
            "row 0, column 1"));
}

TEST_CASE("relations over runs are SciPy's t-tests of contrasts, adjusted by Holm and Benjamini-Hochberg") {
  const Relations found = relations_over_runs(run_tables, 4);
  REQUIRE(found.all.size() == 12);
  std::size_t told = 0;
  for (std::size_t n = 0; n < 12; ++n) {
    const Relation& r = found.all[n];
    const double numbers[] = {r.mean, r.lower, r.upper, r.t, r.p, r.p_holm, r.p_bh};
    for (std::size_t i = 0; i < 7; ++i) CHECK(near(numbers[i], run_relations[n][i]));
    CHECK((r.verdict == Verdict::helps) == (run_relations[n][5] <= 0.05 && run_relations[n][0] > 0));
    CHECK((r.verdict == Verdict::hurts) == (run_relations[n][5] <= 0.05 && run_relations[n][0] < 0));
    told += run_relations[n][5] <= 0.05 ? 1 : 0;
    CHECK(&found.at(r.affected, r.acting) == &r);
  }
  CHECK(found.told() == told);
  CHECK(found.note.empty());
  CHECK(near(found.needed * std::sqrt(5.0), t_critical(0.05 / 24, 4)));

  // Of four tasks a set of two partners is the third one's opposite.
  const GroupQuestion questions[] = {{0, set_of({1, 2})}, {2, set_of({0})}};
  const Relations groups = groups_over_runs(run_tables, 4, questions);
  CHECK(near(groups.all[0].mean, -found.at(0, 3).mean / 2));
  CHECK(near(groups.all[0].p, found.at(0, 3).p));
  CHECK(near(groups.all[1].p, found.at(2, 0).p));
  CHECK(near(groups.all[1].p_holm, std::max(groups.all[1].p, 2 * std::min(groups.all[0].p, groups.all[1].p))));
  const auto ask = [](GroupQuestion q) { return error_of([q] { groups_over_runs(run_tables, 4, std::span(&q, 1)); }); };
  for (const GroupQuestion wrong :
       {GroupQuestion{0, set_of({0, 1})}, GroupQuestion{0, {}}, GroupQuestion{4, set_of({1})},
        GroupQuestion{0, set_of({1, 2, 3})}, GroupQuestion{1, set_of({0, 4})}})
    CHECK(has(ask(wrong), "question 0"));

  // Few runs, missing cells, no spread, values as they are.
  const std::span<const double> all = run_tables;
  const Relations two = relations_over_runs(all.first(32), 4, {.contrasts = false});
  CHECK(has(two.note, "2 runs are few"));
  CHECK(near(two.at(1, 0).mean, (all[4] + all[20]) / 2));
  CHECK(has(error_of([&] { relations_over_runs(all.first(16), 4); }), "no replication"));
  CHECK(has(error_of([&] { relations_over_runs(all.first(17), 4); }), "no whole tables"));
  CHECK(has(error_of([&] { relations_over_runs(all, 4, {.level = 1}); }), "RelationOptions::level"));
  std::vector<double> holes(all.begin(), all.end());
  for (std::size_t r = 0; r < 5; ++r) holes[16 * r + 4] = nan_value;
  holes[1] = nan_value;
  for (std::size_t r = 0; r < 5; ++r) holes[16 * r + 8] = 0, holes[16 * r + 9] = 1, holes[16 * r + 11] = 2;
  const Relations partly = relations_over_runs(holes, 4);
  CHECK(partly.at(0, 1).count == 4);
  CHECK(partly.at(1, 0).count == 0);
  CHECK(is_nan(partly.at(1, 0).mean));
  CHECK(partly.at(1, 0).p == 1);
  CHECK(near(partly.at(2, 0).mean, -1.5));
  CHECK(partly.at(2, 0).p == 1);
  CHECK(is_nan(partly.at(2, 0).lower));
  CHECK(has(relations_csv(partly, std::span(names).first(4)),
            "b,a,over 5 runs,row contrast,0,,,,0.95,0,1,1,1,,,cannot tell\n"));
}

TEST_CASE("of exchangeable tasks no relation is claimed; the values as measured are all 'different from 0'") {
  constexpr std::size_t tasks = 6, repeats = 200;
  Random random(1, Purpose::user);
  std::size_t wrong = 0, naive = 0, found = 0;
  for (std::size_t n = 0; n < repeats; ++n) {
    std::vector<double> tables = exchangeable(random, 5, tasks);
    wrong += relations_over_runs(tables, tasks).told() > 0 ? 1 : 0;
    naive += relations_over_runs(tables, tasks, {.contrasts = false}).told() > 0 ? 1 : 0;
    // And a partner that is better is found.
    for (std::size_t r = 0; r < 5; ++r) tables[36 * r + 1] += 15;
    const Relations shifted = relations_over_runs(tables, tasks);
    found += shifted.at(0, 1).verdict == Verdict::helps ? 1 : 0;
  }
  CHECK(wrong <= 16);
  CHECK(naive >= 180);
  CHECK(found >= 150);
  MESSAGE("of 200: ", wrong, " wrong claims, ", naive, " of values as measured, ", found, " planted relations found");
}

TEST_CASE("within one run: batch means, autocorrelation, and what is said of them") {
  const std::vector<double> ten = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  CHECK(batch_means(ten, 5) == std::vector<double>{1.5, 3.5, 5.5, 7.5, 9.5});
  CHECK(batch_means(ten, 3) == std::vector<double>{2, 5, 8.5});
  CHECK(has(error_of([&] { batch_means(ten, 11); }), "11 blocks of 10 numbers"));
  CHECK(autocorrelation_time(std::vector<double>(50, 2.0)) == 1);
  CHECK(autocorrelation_time({}) == 1);

  // Of x_t = phi x_{t-1} + e_t the time is (1 + phi) / (1 - phi).
  Random random(2, Purpose::user);
  const auto series = [&random](std::size_t looks, double phi) {
    std::vector<double> tables, state(9);
    for (double& x : state) x = random.normal() / std::sqrt(1 - phi * phi);
    for (std::size_t n = 0; n < looks; ++n) {
      for (double& x : state) x = phi * x + random.normal();
      tables.insert(tables.end(), state.begin(), state.end());
    }
    return tables;
  };
  for (const double phi : {0.0, 0.5, 0.9}) {
    const Relations r = relations_within_run(series(20000, phi), 3);
    CHECK(near(r.at(0, 1).autocorrelation_time / ((1 + phi) / (1 - phi)), 1, 0.2));
    CHECK_FALSE(r.at(0, 1).blocks_too_short);
    CHECK(r.within_run);
    CHECK(has(r.note, "within this run"));
    CHECK_FALSE(has(r.note, "too short"));
  }
  const Relations short_one = relations_within_run(series(96, 0.97), 3);
  CHECK(has(short_one.note, "too short"));
  CHECK(has(relations_words(short_one, std::span(names).first(3)), "Within this run, "));
  CHECK(has(relations_csv(short_one, std::span(names).first(3)), ",within this run,row contrast,8,"));
  CHECK(has(relations_table(short_one, std::span(names).first(3)).title, "within this run"));

  // By hand: contrasts of (0, 1) are 2 x, in two blocks of means 3 and 7: 5 +- t(1 degree) 2.
  std::vector<double> tables;
  for (const double x : {1.0, 2.0, 3.0, 4.0}) tables.insert(tables.end(), {0, x, -x, 0, 0, 0, 0, 0, 0});
  const Relations two = relations_within_run(tables, 3, {.blocks = 2});
  CHECK(two.at(0, 1).mean == 5);
  CHECK(near(two.at(0, 1).upper, 5 + 2 * 12.706204736174694, 1e-9));
  CHECK(has(error_of([&] { relations_within_run(tables, 3, {.blocks = 3}); }), "4 looks are too few"));
  CHECK(has(error_of([&] { relations_within_run(tables, 3, {.blocks = 1}); }), "RelationOptions::blocks"));
}

TEST_CASE("group effects are the restricted maximum likelihood's") {
  const auto gains = stored_gains();
  const GroupEffects effects = fit_group_effects(gains, gain_tasks, {.affinity = gain_affinity});
  const EffectVariances& v = effects.variances();
  const double deviations[] = {v.tau, v.tau_gamma, v.run, v.residual};
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(near(deviations[i], effect_deviations[i], 1e-5));
    CHECK(near(effects.scales()[i], effect_scales[i]));
    CHECK(near(effects.held_out().task_r2[i], effect_task_r2[i], 1e-5));
  }
  CHECK(near(effects.log_likelihood(), effect_likelihood, 1e-10));
  CHECK(near(effects.offset(), effect_fixed[0], 1e-5));
  CHECK(near(effects.slope(), effect_fixed[1], 1e-5));
  CHECK(near(effects.offset_error(), effect_fixed_errors[0], 1e-5));
  CHECK(near(effects.slope_error(), effect_fixed_errors[1], 1e-5));
  CHECK(near(effects.held_out().r2, effect_r2, 1e-5));
  for (const auto& [task, bits, mean, deviation] : effect_scores) {
    const auto t = static_cast<std::size_t>(task);
    TaskSet group;
    for (std::size_t i = 0; i < gain_tasks; ++i)
      if (static_cast<unsigned>(bits) >> i & 1U) group = group.with(i);
    CHECK(near(effects.score(t, group), mean, 1e-5));
    CHECK(near(effects.error(t, group), deviation, 1e-5));
    CHECK(near(effects.lower(t, group, 0.9), mean - 1.2815515655446004 * deviation, 1e-5));
  }
  // The parts add up; the covariance is of (beta of 1, 2, 3, gamma of 12, 13, 23) for task 0.
  CHECK(near(effects.score(0, set_of({0, 1, 3})), effects.beta(0, 1) + effects.beta(0, 3) + effects.gamma(0, 3, 1)));
  const Eigen::MatrixXd c = effects.covariance(0);
  REQUIRE(c.rows() == 6);
  CHECK(near(std::sqrt(c(0, 0) + c(2, 2) + c(4, 4) + 2 * (c(0, 2) + c(0, 4) + c(2, 4))),
             effects.error(0, set_of({0, 1, 3}))));
  CHECK(effects.score(2, set_of({2})) == 0);
  CHECK(effects.error(2, set_of({2})) == 0);

  // Draws have that mean and spread.
  double sum = 0, squares = 0;
  const TaskSet group = set_of({0, 2, 3});
  for (std::size_t n = 0; n < 4000; ++n) {
    Random random(5, Purpose::group, n);
    const double d = effects.draw(random)(2, group) - effects.score(2, group);
    sum += d, squares += d * d;
  }
  const double error = effects.error(2, group);
  CHECK(std::abs(sum / 4000) < 4 * error / std::sqrt(4000.0));
  CHECK(near(std::sqrt(squares / 4000) / error, 1, 0.05));

  // The search: which partner is the best for task 1?
  const auto search = [](const auto& score) {
    std::size_t best = 0;
    for (const std::size_t t : {2U, 3U})
      if (score(1, set_of({1, t})) > score(1, set_of({1, best}))) best = t;
    return std::vector<TaskSet>{set_of({1, best}), set_of({0}), set_of({1, best})};
  };
  const Choices choices = choice_probability(effects, search, {.draws = 500, .seed = 3});
  double total = 0;
  for (const auto& plan : choices.plans) total += plan.probability;
  CHECK(near(total, 1));
  CHECK(choices.of(set_of({0})) == 1);
  CHECK(choices.of(set_of({2, 3})) == 0);
  CHECK(choices.plans[0].groups.size() == 2);
  CHECK(choices.of(search(effects)[0]) > 0.6);  // what is best in the mean is what is mostly chosen here
  CHECK(choices.plans[0].probability ==
        choice_probability(effects, search, {.draws = 500, .seed = 3}).plans[0].probability);
  const std::string words = effects_words(effects, std::span(names).first(4), &choices);
  CHECK(has(words, "84 results of 11 subsets in 3 runs"));
  CHECK(has(words, "Chosen most often"));
  CHECK(has(words, "no cause"));

  // Units: gains and affinity in other units give the same, in those.
  auto scaled = gains;
  for (GroupResult& r : scaled) r.value *= 1000;
  std::vector<double> affinity(std::begin(gain_affinity), std::end(gain_affinity));
  for (double& z : affinity) z *= 1e-3;
  const GroupEffects other = fit_group_effects(scaled, gain_tasks, {.affinity = affinity});
  CHECK(near(other.score(0, group) / 1000, effects.score(0, group), 1e-6));
  CHECK(near(other.slope() / 1e6, effects.slope(), 1e-5));
}

TEST_CASE("group effects: without an affinity, without interactions, one run, and what is refused") {
  const auto gains = stored_gains();
  const GroupEffects plain = fit_group_effects(gains, gain_tasks, {.interactions = false});
  CHECK(plain.slope() == 0);
  CHECK(plain.variances().tau_gamma == 0);
  CHECK(plain.gamma(0, 1, 2) == 0);
  CHECK(near(plain.score(0, set_of({0, 1, 2})), plain.beta(0, 1) + plain.beta(0, 2)));
  CHECK(plain.log_likelihood() < fit_group_effects(gains, gain_tasks).log_likelihood());

  std::vector<GroupResult> one, pairs;
  for (const GroupResult& r : gains) {
    if (r.run == 0) one.push_back(r);
    if (r.group.count() == 2 && r.run == 0 && !(r.group == set_of({2, 3}))) pairs.push_back(r);
  }
  CHECK(has(fit_group_effects(one, gain_tasks).note(), "one run"));
  const GroupEffects few = fit_group_effects(pairs, gain_tasks);
  CHECK(has(few.note(), "5 subsets are few"));
  CHECK(has(few.note(), "2 of 12 effects"));
  CHECK(few.error(2, set_of({2, 3})) >= few.error(2, set_of({2, 0})));
  const double two_tasks[] = {0.1, 0.2, 0.15, 0.3, 0.12, 0.22, 0.11, 0.25};
  std::vector<GroupResult> both;
  for (std::size_t n = 0; n < 8; ++n) both.push_back({n / 2, set_of({0, 1}), n % 2, two_tasks[n]});
  const GroupEffects pair = fit_group_effects(both, 2);
  CHECK(pair.score(1, set_of({0, 1})) > pair.score(0, set_of({0, 1})));
  CHECK(is_nan(pair.held_out().r2));
  CHECK(has(effects_words(pair, std::span(names).first(2)), "is not known"));

  // Gains that don't vary; gains whose squares are no numbers.
  auto changed = gains;
  for (GroupResult& r : changed) r.value = 0.1;
  CHECK(has(effects_words(fit_group_effects(changed, gain_tasks), std::span(names).first(4)), "or gains don't vary"));
  const TaskSet three = set_of({0, 1, 3});
  const double unscaled = fit_group_effects(gains, gain_tasks).score(0, three);
  for (const double unit : {std::ldexp(1.0, 700), std::ldexp(1.0, -700)}) {
    for (std::size_t n = 0; n < gains.size(); ++n) changed[n].value = unit * gains[n].value;
    CHECK(near(fit_group_effects(changed, gain_tasks).score(0, three) / unit, unscaled));
  }

  // Interactions can only raise the likelihood: the search must not end at a peak of theirs. And gains that are the same
  // in any group are no effects of partners, of which there is a note.
  Random random(9, Purpose::user);
  for (const double level : {0.1, 0.0}) {
    std::vector<GroupResult> same;
    for (std::size_t run = 0; run < 5; ++run) {
      double own[6] = {};
      for (double& u : own) u = level > 0 ? level : 0.1 * random.normal();
      for (const TaskSet s : balanced_subsets(6, {.alone = false}).subsets)
        for (std::size_t t = 0; t < 6; ++t)
          if (s.has(t)) same.push_back({run, s, t, own[t] + 0.01 * random.normal()});
    }
    const GroupEffects with = fit_group_effects(same, 6), without = fit_group_effects(same, 6, {.interactions = false});
    CHECK(with.log_likelihood() >= without.log_likelihood() - 1e-6);
    CHECK(has(with.note(), "no score has it") == (level > 0));
  }
  CHECK_FALSE(has(fit_group_effects(gains, gain_tasks).note(), "no score has it"));

  const auto refused = [&](auto change) {
    auto wrong = gains;
    change(wrong);
    return error_of([&] { fit_group_effects(wrong, gain_tasks); });
  };
  CHECK(has(refused([](auto& g) { g[3].value = nan_value; }), "result 3"));
  CHECK(has(refused([](auto& g) { g[3].group = set_of({g[3].task}); }), "alone"));
  CHECK(has(refused([](auto& g) { g[3].group = TaskSet{}; }), "must be in its group"));
  CHECK(has(refused([](auto& g) { g[3].task = 9; }), "task 9"));
  CHECK(has(refused([](auto& g) { g.resize(5); }), "has no result"));
  CHECK(has(refused([](auto& g) {
              for (auto& r : g) r.value = 0;
            }),
            "all gains of task 0 are 0"));
  CHECK(has(error_of([&] { fit_group_effects(std::span(both).first(4), 2); }), "4 results are too few"));
  const std::vector<double> flat(16, 0.5);
  CHECK(has(error_of([&] { fit_group_effects(gains, 4, {.affinity = flat}); }), "tells no partner from another"));
  CHECK(has(error_of([&] { fit_group_effects(gains, 4, {.affinity = std::span(flat).first(9)}); }), "9 cells"));
}

TEST_CASE("group effects cover what they estimate, and useless affinities are told" * doctest::test_suite("slow")) {
  // Drawn from the model: 6 tasks, the design's subsets, 4 runs.
  constexpr std::size_t tasks = 6, repeats = 40;
  const SubsetDesign design = balanced_subsets(tasks, {.alone = false, .seed = 1});
  Random random(4, Purpose::user);
  double inside = 0, below = 0, count = 0, held_out = 0, useful = 0, useless = 0;
  for (std::size_t n = 0; n < repeats; ++n) {
    std::vector<double> affinity(tasks * tasks), beta(tasks * tasks), noise(tasks * tasks);
    for (std::size_t cell = 0; cell < beta.size(); ++cell) {
      affinity[cell] = random.normal(), noise[cell] = random.normal();
      beta[cell] = 0.02 + 0.05 * affinity[cell] + 0.05 * random.normal();
    }
    std::vector<double> gamma(tasks * tasks * tasks);
    for (double& g : gamma) g = 0.03 * random.normal();
    const auto truth = [&](std::size_t task, TaskSet group) {
      double value = 0;
      for (std::size_t j = 0; j < tasks; ++j) {
        if (j == task || !group.has(j)) continue;
        value += beta[task * tasks + j];
        for (std::size_t k = j + 1; k < tasks; ++k)
          if (k != task && group.has(k)) value += gamma[(task * tasks + j) * tasks + k];
      }
      return value;
    };
    std::vector<GroupResult> gains;
    for (std::size_t run = 0; run < 4; ++run) {
      double level[tasks];
      for (double& u : level) u = 0.03 * random.normal();
      for (const TaskSet group : design.subsets)
        for (std::size_t t = 0; t < tasks; ++t)
          if (group.has(t)) gains.push_back({run, group, t, truth(t, group) + level[t] + 0.04 * random.normal()});
    }
    const GroupEffects effects = fit_group_effects(gains, tasks, {.affinity = affinity});
    held_out += effects.held_out().r2 / static_cast<double>(repeats);
    for (std::size_t bits = 3; bits < 64; bits += 5) {
      TaskSet group;
      for (std::size_t t = 0; t < tasks; ++t)
        if (bits >> t & 1) group = group.with(t);
      for (std::size_t t = 0; t < tasks; ++t) {
        if (!group.has(t) || group.count() < 2) continue;
        const double value = truth(t, group), gap = std::abs(value - effects.score(t, group));
        inside += gap <= 1.6448536269514722 * effects.error(t, group) ? 1 : 0;
        below += value < effects.lower(t, group, 0.9) ? 1 : 0;
        count += 1;
      }
    }
    const GroupEffects with_noise = fit_group_effects(gains, tasks, {.affinity = noise});
    useless += std::abs(with_noise.slope()) > 2 * with_noise.slope_error() ? 1 : 0;
    useful += effects.slope() > 2 * effects.slope_error() ? 1 : 0;
  }
  MESSAGE("90 % intervals hold ", 100 * inside / count, " %, 90 % bounds miss ", 100 * below / count,
          " %, mean held-out R^2 ", held_out, ", noise taken for affinity in ", useless, " of ", repeats);
  CHECK(inside / count > 0.86);
  CHECK(inside / count < 0.93);
  CHECK(below / count < 0.13);
  CHECK(held_out > 0.5);
  CHECK(useful >= 35);
  CHECK(useless <= 6);
}

TEST_CASE("the linear surrogate is scikit-learn's ridge, every subset left out in turn") {
  const auto gains = stored_gains();
  const LinearSurrogate model = fit_linear_surrogate(gains, gain_tasks);
  CHECK(near(model.strength, surrogate_strength));
  CHECK(near(model.held_out_r2, surrogate_r2));
  const LinearSurrogate plain = fit_linear_surrogate(gains, gain_tasks, {.strength = 0});
  for (std::size_t i = 0; i < 16; ++i) {
    CHECK(near(model.theta[i], surrogate_theta[i]));
    CHECK(near(plain.theta[i], surrogate_least_squares[i]));
  }
  for (std::size_t t = 0; t < 4; ++t) {
    CHECK(near(model.task_r2[t], surrogate_task_r2[t]));
    CHECK(near(model.intercepts[t], surrogate_intercepts[t]));
  }
  CHECK(near(model(1, set_of({0, 1, 3})), model.intercepts[1] + model.theta[4] + model.theta[7]));

  // One subset, equal values, and a coefficient that hangs on one subset.
  const std::vector<GroupResult> one = {
      {0, set_of({0, 1}), 0, 2}, {0, set_of({0, 1}), 1, 3}, {1, set_of({0, 1}), 0, 4}};
  CHECK(has(error_of([&] { fit_linear_surrogate(one, 2); }), "different values in different subsets"));
  const LinearSurrogate given = fit_linear_surrogate(one, 2, {.strength = 1});
  CHECK(given(0, set_of({0, 1})) == 3);
  CHECK(is_nan(given.held_out_r2));
  const std::vector<GroupResult> hangs = {{0, set_of({0}), 0, 1}, {0, set_of({0, 1}), 0, 3}, {0, set_of({0, 1}), 1, 3}};
  CHECK(is_nan(fit_linear_surrogate(hangs, 2, {.strength = 0}).held_out_r2));
  CHECK(near(fit_linear_surrogate(hangs, 2, {.strength = 0}).theta[1], 2));
  CHECK(has(error_of([&] { fit_linear_surrogate(hangs, 3); }), "task 2 has no result"));
}

TEST_CASE("interactions: F-tests, their permutation, and how often they reject without any") {
  const auto gains = stored_gains();
  const InteractionTest test = interaction_test(gains, gain_tasks, {.draws = 1999});
  for (std::size_t t = 0; t < 5; ++t) {
    const auto& part = t < 4 ? test.tasks[t] : test.all;
    CHECK(near(part.f, interaction_f[t]));
    CHECK(near(part.p, interaction_p[t]));
    CHECK(part.numerator == interaction_freedom[t][0]);
    CHECK(part.denominator == interaction_freedom[t][1]);
    // Two samples of permutations, of 1,999 and of 20,000.
    const double p = interaction_permutation[t];
    CHECK(std::abs(part.p_permutation - p) < 4 * std::sqrt(p * (1 - p) * (1.0 / 1999 + 1.0 / 20000)) + 1.0 / 1999);
  }
  CHECK(has(interaction_words(test, std::span(names).first(4)), "matter beyond each partner"));

  std::vector<GroupResult> pairs;
  for (const GroupResult& r : gains)
    if (r.group.count() == 2) pairs.push_back(r);
  const InteractionTest none = interaction_test(pairs, gain_tasks);
  CHECK(none.all.p == 1);
  CHECK(has(none.tasks[0].note, "no pair of partners"));
  CHECK(has(interaction_words(none, std::span(names).first(4)), "no test"));

  // Additive gains, errors of heavy tails: p is below 10 % in a tenth of the sets.
  Random random(6, Purpose::user);
  double rejected = 0;
  constexpr std::size_t repeats = 150;
  for (std::size_t n = 0; n < repeats; ++n) {
    auto additive = gains;
    for (GroupResult& r : additive) r.value = 0.3 * static_cast<double>(r.group.count()) + heavy(random);
    rejected += interaction_test(additive, gain_tasks, {.draws = 99, .seed = n}).all.p_permutation <= 0.1 ? 1 : 0;
  }
  CHECK(rejected / repeats < 0.1 + 4 * std::sqrt(0.1 * 0.9 / repeats));
  CHECK(rejected / repeats > 0.1 - 4 * std::sqrt(0.1 * 0.9 / repeats));
}

TEST_CASE("balanced subsets") {
  for (const std::size_t tasks : {2U, 3U, 4U, 5U, 6U, 9U, 14U, 24U}) {
    const SubsetDesign design = balanced_subsets(tasks, {.seed = 7});
    std::vector<std::size_t> counts(tasks * tasks);
    bool right = true;
    for (std::size_t n = 0; n < design.subsets.size(); ++n) {
      right = right && (n >= tasks || design.subsets[n] == TaskSet::only(n));
      for (std::size_t m = 0; m < n; ++m) right = right && !(design.subsets[n] == design.subsets[m]);
      right = right && (design.subsets[n] | TaskSet::first(tasks)) == TaskSet::first(tasks);
      for (std::size_t a = 0; a < tasks; ++a)
        for (std::size_t b = 0; b < a; ++b)
          if (design.subsets[n].has(a) && design.subsets[n].has(b)) ++counts[a * tasks + b];
    }
    CHECK(right);
    std::size_t least = 1000, most = 0;
    for (std::size_t a = 0; a < tasks; ++a)
      for (std::size_t b = 0; b < a; ++b)
        least = std::min(least, counts[a * tasks + b]), most = std::max(most, counts[a * tasks + b]);
    CHECK(design.least_pair == least);
    CHECK(design.most_pair == most);
    CHECK(design.least_pair >= (tasks == 2 ? 1U : tasks == 3 ? 2U : 3U));
    // There are 1 and 4 different ones for 2 and 3 tasks.
    CHECK(design.subsets.size() == tasks + (tasks == 2 ? 1 : tasks == 3 ? 4 : tasks == 4 ? 11 : 3 * tasks));
    CHECK(balanced_subsets(tasks, {.seed = 7}).subsets == design.subsets);
    if (tasks > 5) CHECK_FALSE(balanced_subsets(tasks, {.seed = 8}).subsets == design.subsets);
  }
  const std::size_t sizes[] = {3};
  const SubsetDesign triples = balanced_subsets(6, {.count = 5, .sizes = sizes, .alone = false});
  CHECK(triples.subsets.size() == 5);
  for (const TaskSet s : triples.subsets) CHECK(s.count() == 3);
  CHECK(triples.least_pair <= 1);  // 15 places for 15 pairs: at most once
  CHECK(balanced_subsets(64, {.count = 10}).least_pair == 0);
  const std::size_t wrong[] = {1};
  CHECK(has(error_of([&] { balanced_subsets(6, {.sizes = wrong}); }), "SubsetOptions::sizes"));
  CHECK(has(error_of([] { balanced_subsets(1); }), "from 2 to 64 tasks"));
}

TEST_CASE("the e-process keeps its level at any stopping time, and finds what is there") {
  static_assert(std::is_trivially_copyable_v<EProcess>);
  EProcess by_hand({.bound = 2, .lambda = 0.5, .alpha = 0.5});
  CHECK(by_hand.threshold() == 4);
  CHECK_FALSE(by_hand.add(2));
  CHECK(near(by_hand.value(), 1.5));
  CHECK_FALSE(by_hand.add(-5));  // clipped to -2
  CHECK(near(by_hand.value(), 0.75));
  for (int n = 0; n < 4; ++n) CHECK_FALSE(by_hand.add(2));
  CHECK(near(by_hand.value(), 0.75 * 5.0625));
  CHECK(by_hand.add(0.5));  // 4.27
  by_hand.restart();
  CHECK(by_hand.value() == 1);
  CHECK(by_hand.blocks() == 0);
  CHECK(by_hand.threshold() == 12);
  CHECK(has(error_of([&] { by_hand.add(nan_value); }), "not finite"));
  CHECK(has(error_of([] { EProcess e({.lambda = 0.6}); }), "EProcessOptions::lambda"));
  CHECK(has(error_of([] { EProcess e({.bound = 0}); }), "EProcessOptions::bound"));
  CHECK(has(error_of([] { EProcess e({.alpha = 1}); }), "EProcessOptions::alpha"));

  // Blocks of 16 looks, each 0.7 of the last one and noise (time 5.7): the block means hardly follow from each other.
  Random random(8, Purpose::user);
  const auto alarms = [&random](double mean, std::size_t blocks, bool independent) {
    constexpr std::size_t sequences = 2000;
    std::size_t count = 0;
    for (std::size_t n = 0; n < sequences; ++n) {
      EProcess process({.bound = 1, .lambda = 0.5, .alpha = 0.05});
      double x = 0;
      bool alarm = false;
      for (std::size_t b = 0; b < blocks && !alarm; ++b) {
        double sum = 0;
        for (std::size_t i = 0; i < 16 && !independent; ++i) {
          x = 0.7 * x + 2 * random.uniform() - 1;
          sum += x / 16;
        }
        // Or the worst case: all or nothing.
        alarm = process.add(mean + (independent ? (random.bits() % 2 == 0 ? 1 : -1) : sum));
      }
      count += alarm ? 1 : 0;
    }
    return static_cast<double>(count) / static_cast<double>(sequences);
  };
  const double followed = alarms(0, 60, false), fair = alarms(0, 300, true), better = alarms(0.3, 60, false);
  MESSAGE("false alarms: ", followed, " of series that follow, ", fair, " of coins; found ", better);
  CHECK(followed <= 0.05);
  CHECK(fair <= 0.05);
  CHECK(fair > 0);
  CHECK(better > 0.9);
}

TEST_CASE("what is found is said in words") {
  const std::span<const double> tables = run_tables;  // 5 runs, (affected, acting) of 4 tasks
  const std::span<const std::string_view> four = std::span(names).first(4);

  const Relations relations = relations_over_runs(tables, 4);
  const Relation& first = relations.at(0, 1);                  // what b's steps do for a
  const bool helps = first.verdict == Verdict::helps;          // more than a's other partners do: 1.06, p_holm 0.0001
  const std::string words = relations_words(relations, four);  // all of it, for people
  const std::string lines = relations_csv(relations, four);    // and for programs

  CHECK(helps);
  CHECK(lines.size() > words.size());
  CHECK(has(words, "Over 5 runs, "));
  CHECK(has(words, "b helps a more than its other partners do: 1.0"));
  CHECK(has(words, "d helps a less than its other partners do: -0.5"));
  CHECK(has(lines, ",helps less\n"));
  CHECK(has(words, "Nothing can be said of the rest: that is no evidence that there is no difference"));
  CHECK(has(words, "It is no cause"));
  CHECK(has(relations_words(relations_over_runs(run_tables, 4, {.contrasts = false}), four), "values as measured"));
  const Table table = relations_table(relations_over_runs(run_tables, 4), four);
  CHECK(table.title == "row contrasts, over 5 runs");
  CHECK(near(table.at(0, 1), run_relations[0][0]));
  CHECK(near(table.p[2], run_relations[1][5]));
  CHECK(is_nan(table.at(0, 0)));
  CHECK(has(error_of([&] { relations_words(relations_over_runs(run_tables, 4), names); }), "6 names for 4 tasks"));
  const GroupQuestion question[] = {{0, set_of({1, 2})}};
  CHECK(has(relations_csv(groups_over_runs(run_tables, 4, question), four), "\na,b + c,over 5 runs,row contrast,5,"));

  // Groups.
  const std::vector<GroupResult> gains = stored_gains();
  const GroupEffects effects = fit_group_effects(gains, 4, {.affinity = gain_affinity});
  const TaskSet group = TaskSet::only(0).with(1).with(3);
  const double gain = effects.score(0, group), cautious = effects.lower(0, group);  // of task 0
  const bool predicts = effects.held_out().r2 > 0;                                  // or groups are chosen by chance
  const InteractionTest pairs = interaction_test(gains, 4);                         // do pairs of partners matter?

  CHECK(cautious < gain);
  CHECK(predicts);
  CHECK(pairs.all.p_permutation < 0.05);
}
