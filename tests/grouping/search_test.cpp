// SPDX-License-Identifier: MIT
#include <mtlx/grouping/clustering.hpp>
#include <mtlx/grouping/search.hpp>

#include <doctest/doctest.h>

#include <Eigen/Core>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <mtlx/core/random.hpp>
#include <vector>

using namespace mtlx;
using grouping::affinity_propagation;
using grouping::best_groups;
using grouping::GroupSearch;
using grouping::SearchOptions;

namespace {

using Table = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

Table five(std::initializer_list<double> numbers) {
  Table table(5, 5);
  std::copy(numbers.begin(), numbers.end(), table.data());
  return table;
}

// Published matrices of five tasks (Apache-2.0, google-research/tag): row the task that is scored, column its partner.
const Table tag =
    five({11.999321423965947,   0.11537429894122785,  0.04891036220837213, 0.00454724706606927,  0.008776140044461892,
          0.41355850961858076,  7.3276368896443556,   0.2914147606289435,  0.01353652075974951,  0.07395688217092156,
          0.13982367687578146,  0.22096194178241185,  1.070989344832557,   0.010493772045577332, 0.07645966827511533,
          0.021098526716001414, 0.013365983131803236, 0.010729013557423,   0.7338844180545812,   0.6897358940641894,
          0.056692022190245474, 0.03668338077695892,  0.03600666458561003, 0.30372134710544996,  5.9661909882444615});
const Table cosine =
    five({9.799051248375491,    0.259569212601681,   0.24237152135772985, 0.054060216676064456, 0.08864023100811838,
          0.259569212601681,    9.799051266535107,   0.9115829230192612,  0.09153054737281137,  0.15646468903944455,
          0.24237152135772985,  0.9115829230192612,  9.799051265833779,   0.14588496629635408,  0.28013964222462745,
          0.054060216676064456, 0.09153054737281137, 0.14588496629635408, 9.79905053927595,     2.9680815659422954,
          0.08864023100811838,  0.15646468903944455, 0.28013964222462745, 2.9680815659422954,   9.79904991291345});
const Table losses =
    five({0.0509, 0.0528, 0.0471, 0.0606, 0.0655, 0.2636, 0.2616, 0.2551, 0.2675, 0.2674, 0.1004, 0.1002, 0.0975,
          0.1082, 0.111,  0.0287, 0.0423, 0.031,  0.0337, 0.0232, 0.0972, 0.1068, 0.0568, 0.0933, 0.091});

TaskSet set(std::initializer_list<std::size_t> tasks) {
  TaskSet made;
  for (const std::size_t task : tasks) made = made.with(task);
  return made;
}

/// All groups of some tasks with their scores, and what they cost.
struct Groups {
  std::size_t tasks;
  bool maximise = true;
  std::vector<std::uint64_t> members{};
  std::vector<std::vector<double>> scores{};  // (tasks), those of members count
  std::vector<std::size_t> costs{};
};

template <class Score>
Groups all_groups(std::size_t tasks, bool maximise, const Score& score) {
  Groups all{tasks, maximise};
  for (std::uint64_t bits = 1; bits < std::uint64_t{1} << tasks; ++bits) {
    const TaskSet group = TaskSet::of_bits(bits);
    std::vector<double> scores(tasks);
    for (std::size_t i = 0; i < tasks; ++i)
      if (group.has(i)) scores[i] = score(i, group);
    all.members.push_back(bits);
    all.scores.push_back(scores);
    all.costs.push_back(0);
  }
  return all;
}

/// The score by pairs, written down again.
auto by_pairs(const Table& table, double alone, bool diagonal = false) {
  return [&table, alone, diagonal](std::size_t task, TaskSet group) {
    const auto i = static_cast<Eigen::Index>(task);
    if (group.count() == 1) return diagonal ? table(i, i) : alone;
    double sum = 0;
    for (Eigen::Index j = 0; j < table.cols(); ++j)
      if (j != i && group.has(static_cast<std::size_t>(j))) sum += table(i, j);
    return sum / static_cast<double>(group.count() - 1);
  };
}

/// The best value by looking at all choices.
class Brute {
 public:
  Brute(const Groups& all, std::size_t most, std::size_t budget) : all_(all) {
    look(0, most, budget, std::vector<double>(all.tasks, worst()));
  }
  bool found() const { return found_; }
  double value() const { return best_ / static_cast<double>(all_.tasks); }

 private:
  double worst() const { return all_.maximise ? -1e9 : 1e9; }
  void look(std::size_t from, std::size_t most, std::size_t budget, const std::vector<double>& have) {
    double sum = 0;
    bool all = true;
    for (const double h : have) sum += h, all = all && h != worst();
    if (all && (!found_ || (all_.maximise ? sum > best_ : sum < best_))) best_ = sum, found_ = true;
    if (most == 0) return;
    std::vector<double> more;
    for (std::size_t g = from; g < all_.members.size(); ++g) {
      if (all_.costs[g] > budget) continue;
      more = have;
      for (std::size_t i = 0; i < all_.tasks; ++i)
        if ((all_.members[g] >> i & 1) != 0)
          more[i] = all_.maximise ? std::max(more[i], all_.scores[g][i]) : std::min(more[i], all_.scores[g][i]);
      look(g + 1, most - 1, budget - all_.costs[g], more);
    }
  }
  const Groups& all_;
  double best_ = 0;
  bool found_ = false;
};

/// Whether a result is sound: its plan, its numbers, and its value as these say.
template <class Score>
void check_sound(const GroupSearch& found, std::size_t tasks, std::size_t most, bool maximise, const Score& score) {
  const auto plan = found.plan();
  grouping::check_plan(plan, tasks);
  CHECK(found.groups.size() <= most);
  double sum = 0;
  for (std::size_t i = 0; i < tasks; ++i) {
    const double served = score(i, found.groups[found.served_by[i]]);
    CHECK(std::abs(found.scores[i] - served) <= 1e-12 * (1 + std::abs(served)));
    for (const TaskSet group : found.groups)
      if (group.has(i)) CHECK((maximise ? score(i, group) <= served + 1e-12 : score(i, group) >= served - 1e-12));
    sum += served;
  }
  for (const grouping::Group& group : plan) CHECK(!group.serves.empty());
  CHECK(std::abs(found.value - sum / static_cast<double>(tasks)) <= 1e-12 * (1 + std::abs(sum)));
  CHECK((maximise ? found.bound >= found.value : found.bound <= found.value));
}

Table random_table(std::size_t tasks, std::uint64_t seed) {
  Random random(seed, Purpose::user);
  const auto n = static_cast<Eigen::Index>(tasks);
  Table table(n, n);
  // Now and then numbers of few kinds, so that many choices are equal.
  const bool coarse = seed % 4 == 3;
  const double offset = seed % 3 == 0 ? -0.5 : 0;
  for (Eigen::Index i = 0; i < n; ++i)
    for (Eigen::Index j = 0; j < n; ++j)
      table(i, j) = coarse ? random.below(3) : offset + random.normal() + (i % 2 == j % 2 ? 0.7 : 0);
  return table;
}

void check_close(double found, double expected) {
  CHECK(std::abs(found - expected) <= 1e-11 * (1 + std::abs(expected)));
}

/// One generated case against looking at everything, in every way to ask for it.
void check_case(std::size_t tasks, std::size_t most, std::uint64_t seed) {
  CAPTURE(tasks);
  CAPTURE(most);
  CAPTURE(seed);
  const Table table = random_table(tasks, seed);
  const std::span<const double> numbers(table.data(), tasks * tasks);
  Random random(seed, Purpose::user, 1);
  SearchOptions options{.maximise = seed % 2 == 0, .alone = {random.normal()}, .alone_on_diagonal = seed % 5 == 0};
  const auto score = by_pairs(table, options.alone[0], options.alone_on_diagonal);
  if (options.alone_on_diagonal) options.alone.clear();
  Groups all = all_groups(tasks, options.maximise, score);
  const std::size_t any = std::numeric_limits<std::size_t>::max();
  const Brute brute(all, most, any);
  REQUIRE(brute.found());

  const GroupSearch exact = best_groups(table, most, options);
  CHECK(exact.optimal);
  CHECK(exact.bound == exact.value);
  check_close(exact.value, brute.value());
  check_sound(exact, tasks, most, options.maximise, score);

  const GroupSearch by_function = best_groups(score, tasks, most, options);
  check_close(by_function.value, brute.value());
  check_sound(by_function, tasks, most, options.maximise, score);

  // Cut short, the bound holds.
  SearchOptions short_options = options;
  short_options.work = 1000;
  const GroupSearch cut = best_groups(numbers, tasks, most, short_options);
  check_sound(cut, tasks, most, options.maximise, score);
  const double slack = 1e-11 * (1 + std::abs(brute.value()));
  CHECK((options.maximise ? cut.bound >= brute.value() - slack : cut.bound <= brute.value() + slack));
  CHECK((options.maximise ? cut.value <= brute.value() + slack : cut.value >= brute.value() - slack));
  if (cut.optimal) check_close(cut.value, brute.value());
  // The bound as low as it gets.
  const auto pairs = grouping::detail::pair_scores(numbers, tasks, options);
  double work = 1e9;
  const double lowest = grouping::detail::SizeBound(pairs, std::min(most, tasks)).lower(-1e3, 300, work);
  CHECK(lowest >= (options.maximise ? 1 : -1) * brute.value() * static_cast<double>(tasks) - 1e-9);

  // With costs by size and chance, a list, and a budget.
  const auto cost = [&](TaskSet group) { return group.count() / 2 + (group.bits() * 2654435761 >> 7) % 3; };
  for (std::size_t g = 0; g < all.members.size(); ++g) all.costs[g] = cost(TaskSet::of_bits(all.members[g]));
  auto list = grouping::candidates(grouping::PairScore(numbers, tasks, options), tasks, cost);
  options.budget = 1 + seed % 4;
  const Brute limited(all, most, options.budget);
  if (limited.found()) {
    const GroupSearch chosen = best_groups(list, tasks, most, options);
    CHECK(chosen.optimal);
    check_close(chosen.value, limited.value());
    check_sound(chosen, tasks, most, options.maximise, score);
    std::size_t spent = 0;
    for (std::size_t g = 0; g < chosen.groups.size(); ++g) {
      CHECK(list[chosen.chosen[g]].members == chosen.groups[g]);
      spent += list[chosen.chosen[g]].cost;
    }
    CHECK(spent == chosen.cost);
    CHECK(spent <= options.budget);
    // The other way to the same, by cuts alone.
    grouping::detail::ListedGroups choices;
    choices.tasks = tasks;
    for (const auto& candidate : list) {
      choices.members.push_back(candidate.members.bits());
      choices.costs.push_back(static_cast<double>(candidate.cost + 1));  // not 0: budgets grow with the number then
      for (const double one : candidate.scores) choices.scores.push_back(options.maximise ? one : -one);
      choices.begin.push_back(choices.scores.size());
    }
    for (const double budget : {3.0, 5.0, std::numeric_limits<double>::max()}) {
      const auto a = grouping::detail::Choice(choices, most, budget, 1e9).run();
      const auto b = grouping::detail::choose_by_cuts(choices, most, budget);
      CHECK(a.complete);
      CHECK(a.groups.empty() == b.groups.empty());
      if (!a.groups.empty()) check_close(a.value, b.value);
      double cost_of_b = 0;
      for (const std::size_t g : b.groups) cost_of_b += choices.costs[g];
      CHECK(cost_of_b <= budget);
      CHECK(b.groups.size() <= most);
    }
    short_options = options;
    short_options.work = 50 * static_cast<double>(list.size());
    try {
      const GroupSearch part = best_groups(list, tasks, most, short_options);
      CHECK((options.maximise ? part.bound >= limited.value() - slack : part.bound <= limited.value() + slack));
      if (part.optimal) check_close(part.value, limited.value());
    } catch (const Error&) {
      // No choice was found in so few steps.
    }
  } else {
    CHECK_THROWS_AS(best_groups(list, tasks, most, options), Error);
  }
}

#include "clustering_oracle.inc"

// The tables of scripts/oracle/clustering.py.
std::vector<double> similarity(std::size_t items, std::size_t groups) {
  const auto number = [](std::size_t n) { return static_cast<double>(n); };
  const auto x = [&](std::size_t n) { return number(n % groups * 4) + number(n * 37 % 11) / 5; };
  const auto y = [&](std::size_t n) { return number((n % groups) * (n % groups) * 3) + number(n * 53 % 13) / 6; };
  std::vector<double> table;
  for (std::size_t i = 0; i < items; ++i)
    for (std::size_t k = 0; k < items; ++k)
      table.push_back(-(x(i) - x(k)) * (x(i) - x(k)) - (y(i) - y(k)) * (y(i) - y(k)) -
                      number((i * 7 + k * 3) % 5) / 20);
  return table;
}
Eigen::MatrixXd affinity(std::size_t items, std::size_t groups) {
  Eigen::MatrixXd table(items, items);
  for (std::size_t i = 0; i < items; ++i)
    for (std::size_t k = 0; k < items; ++k)
      table(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(k)) =
          (i % groups == k % groups ? 0.7 : 0.1) + static_cast<double>((i * 13 + k * 29) % 17) / 60;
  return table;
}

}  // namespace

TEST_CASE("the optima of published tables") {
  struct Optimum {
    std::size_t most;
    double tag, cosine, losses;
    std::vector<TaskSet> by_affinity, by_loss;
  };
  const std::vector<Optimum> optima{
      {1, 0.1292923306272447, 0.5198325515538388, 0.108935, {set({0, 1, 2, 3, 4})}, {set({0, 1, 2, 3, 4})}},
      {2,
       0.3216958032394596,
       1.4699373577726527,
       0.10185999999999999,
       {set({0, 1, 2}), set({3, 4})},
       {set({0, 1, 2, 3}), set({2, 4})}},
      {3,
       0.34867039830237195,
       1.603779638104959,
       0.09792,
       {set({0, 1}), set({1, 2}), set({3, 4})},
       {set({0, 1, 2}), set({2, 4}), set({3, 4})}},
      {4,
       0.34867039830237195,
       1.603779638104959,
       0.09648000000000001,
       {},
       {set({0, 2}), set({1, 2}), set({2, 4}), set({3, 4})}}};
  const auto same = [](std::vector<TaskSet> found, std::vector<TaskSet> expected) {
    const auto less = [](TaskSet a, TaskSet b) { return a.bits() < b.bits(); };
    std::sort(found.begin(), found.end(), less);
    std::sort(expected.begin(), expected.end(), less);
    return found == expected;
  };
  for (const Optimum& expected : optima) {
    CAPTURE(expected.most);
    const GroupSearch a = best_groups(tag, expected.most), b = best_groups(cosine, expected.most);
    const GroupSearch c = best_groups(losses, expected.most, {.maximise = false, .alone_on_diagonal = true});
    CHECK(a.value == doctest::Approx(expected.tag).epsilon(1e-14));
    CHECK(b.value == doctest::Approx(expected.cosine).epsilon(1e-14));
    CHECK(c.value == doctest::Approx(expected.losses).epsilon(1e-14));
    for (const GroupSearch* found : {&a, &b, &c}) {
      CHECK(found->optimal);
      CHECK(found->bound == found->value);
    }
    // A fourth group is of no use by affinity: padding is dropped.
    const auto& groups = expected.by_affinity.empty() ? optima[2].by_affinity : expected.by_affinity;
    CHECK(same(a.groups, groups));
    CHECK(same(b.groups, groups));
    CHECK(same(c.groups, expected.by_loss));
  }
  // Who is served by whom: norm (2) by depth and itself, and by nothing else.
  const auto plan = best_groups(tag, 3).plan();
  REQUIRE(plan.size() == 3);
  CHECK(plan[0] == grouping::Group{set({0, 1}), set({0, 1})});
  CHECK(plan[1] == grouping::Group{set({1, 2}), set({2})});
  CHECK(plan[2] == grouping::Group{set({3, 4}), set({3, 4})});
  // A named table, and an expression.
  grouping::Table named{"affinity", {"a", "b", "c", "d", "e"}, {tag.data(), tag.data() + 25}};
  CHECK(best_groups(named, 2).groups == best_groups(tag, 2).groups);
  CHECK(best_groups(2 * tag.transpose().transpose(), 2).value == doctest::Approx(2 * optima[1].tag));
}

TEST_CASE("rows are affected, columns act: a transposed table has another answer") {
  // Task 1 is good for all others, and they are bad for it.
  Table table = Table::Zero(4, 4);
  table.col(1).setConstant(4);
  table.row(1).setConstant(-1);
  const GroupSearch found = best_groups(table, 2), transposed = best_groups(table.transpose(), 2);
  // One of the others has task 1 for itself, and gains 4; two share it, and gain (4 + 0) / 2.
  CHECK(found.value == doctest::Approx((4 - 1 + 2 + 2) / 4.0));
  for (const TaskSet group : found.groups) CHECK(group.has(1));
  // Transposed, it gains by any, and costs them 1: one of them is there to help it, and served elsewhere.
  CHECK(transposed.value == doctest::Approx(4 / 4.0));
  CHECK(transposed.groups[transposed.served_by[1]].count() == 2);
  CHECK(!transposed.groups[transposed.served_by[0]].has(1));
  CHECK(!transposed.groups[transposed.served_by[2]].has(1));
}

TEST_CASE("generated tables: the same as looking at everything") {
  for (std::uint64_t seed = 0; seed < 160; ++seed) check_case(4 + seed % 2, 1 + seed % 3, seed);
  for (std::uint64_t seed = 0; seed < 20; ++seed) check_case(6, 2, seed);
  for (std::uint64_t seed = 0; seed < 12; ++seed) check_case(1 + seed % 3, 1 + seed % 4, seed);
}

TEST_CASE("generated tables, thousands of them" * doctest::test_suite("slow")) {
  for (std::uint64_t seed = 1000; seed < 3000; ++seed) check_case(4, 1 + seed % 4, seed);
  for (std::uint64_t seed = 0; seed < 1000; ++seed) check_case(5, 2 + seed % 2, seed);
  for (std::uint64_t seed = 0; seed < 100; ++seed) check_case(6 + seed % 3, 2, seed);
  for (std::uint64_t seed = 0; seed < 6; ++seed) check_case(6, 3, seed);
  for (std::uint64_t seed = 0; seed < 3; ++seed) check_case(10 + seed, 2, seed);
}

TEST_CASE("many parts: the programme agrees with itself in other steps") {
  // Of k parts one is cut off: f_k(all) = max f(A) + f_k-1(rest), by a search that knows nothing of doubling.
  for (std::size_t most = 3; most <= 7; ++most) {
    const std::size_t tasks = 7;
    const Table table = random_table(tasks, most);
    const auto score = by_pairs(table, -0.5);
    const std::vector<double> alone(tasks, -0.5);
    const grouping::detail::PairScores pairs(std::span<const double>(table.data(), tasks * tasks), alone);
    const std::size_t sets = std::size_t{1} << tasks;
    std::vector<double> serve(sets), now(sets);
    for (std::size_t s = 1; s < sets; ++s) serve[s] = pairs.serve(s).value;
    const std::vector<double> all = pairs.serve_all();
    for (std::size_t s = 0; s < sets; ++s) check_close(all[s], serve[s]);
    now = serve;
    for (std::size_t k = 2; k <= most; ++k) {
      std::vector<double> next = now;
      for (std::size_t s = 1; s < sets; ++s)
        for (std::size_t a = s; a > 0; a = (a - 1) & s) next[s] = std::max(next[s], serve[a] + now[s ^ a]);
      now = next;
    }
    const GroupSearch found = best_groups(table, most, {.alone = {-0.5}});
    check_close(found.value, now[sets - 1] / static_cast<double>(tasks));
    check_sound(found, tasks, most, true, score);
  }
}

TEST_CASE("more tasks than can be cut exactly: an answer under a bound, the same every time") {
  // Four planted groups of 10, and 16 of 4: found, and proved where nothing is left to gain.
  for (const std::size_t size : std::initializer_list<std::size_t>{10, 4}) {
    const std::size_t tasks = size == 10 ? 40 : 64, groups = tasks / size;
    Table table(static_cast<Eigen::Index>(tasks), static_cast<Eigen::Index>(tasks));
    for (Eigen::Index i = 0; i < table.rows(); ++i)
      for (Eigen::Index j = 0; j < table.cols(); ++j)
        table(i, j) = i / static_cast<Eigen::Index>(size) == j / static_cast<Eigen::Index>(size) ? 1 : -0.25;
    const GroupSearch found = best_groups(table, groups, {.work = 2e7});
    CHECK(found.value == doctest::Approx(1));
    CHECK(found.bound >= found.value);
    CHECK(found.bound == doctest::Approx(1).epsilon(0.01));
    CHECK(found.groups.size() == groups);
    const GroupSearch again = best_groups(table, groups, {.work = 2e7});
    CHECK(again.value == found.value);
    CHECK(again.bound == found.bound);
    CHECK(again.groups == found.groups);
  }
}

TEST_CASE("half networks: costs in halves, two sizes of each group") {
  // Two tasks that do best together in a full network. Half of one is enough for either alone.
  using grouping::Candidate;
  const TaskSet a = set({0}), b = set({1}), both = set({0, 1});
  const std::vector<Candidate> list{{a, {5}, 2}, {a, {4}, 1},       {b, {5}, 2},
                                    {b, {3}, 1}, {both, {6, 7}, 2}, {both, {3.5, 3.75}, 1}};
  const auto value = [&](std::size_t budget) { return best_groups(list, 2, 4, {.budget = budget}); };
  CHECK(value(1).value == doctest::Approx((3.5 + 3.75) / 2));
  CHECK(value(1).chosen == std::vector<std::size_t>{5});
  CHECK(value(2).value == doctest::Approx(6.5));
  CHECK(value(2).cost == 2);
  CHECK(value(9).chosen == std::vector<std::size_t>{4});
  const GroupSearch least = best_groups(list, 2, 4, {.maximise = false, .budget = 2});
  CHECK(least.value == doctest::Approx((3.5 + 3) / 2));
  CHECK(least.chosen == std::vector<std::size_t>{5, 3});
  CHECK(least.cost == 2);
  CHECK_THROWS_WITH_AS(
      value(0), "mtlx: best_groups: there is no choice of at most 4 groups that serves every task within the budget",
      Error);
  CHECK_THROWS_WITH_AS(best_groups(std::vector<Candidate>{{a, {5}, 2}}, 2, 1),
                       "mtlx: best_groups: task 1 is in none of 1 candidates", Error);
  CHECK_THROWS_WITH_AS(best_groups(std::vector<Candidate>{{both, {5}, 2}}, 2, 1),
                       "mtlx: best_groups: candidate 0 has 1 scores for 2 members", Error);
  CHECK_THROWS_AS(best_groups(std::vector<Candidate>{{set({0, 2}), {5, 5}, 2}}, 2, 1), Error);
  CHECK_THROWS_AS(best_groups(std::vector<Candidate>{{{}, {}, 2}}, 2, 1), Error);
}

TEST_CASE("scores in any unit: the same choice, however small or large they are") {
  // By powers of two, so that all numbers are exactly so many times as large.
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    CAPTURE(seed);
    const std::size_t tasks = 2 + seed % 6, most = 1 + seed % 3;
    const Table table = random_table(tasks, seed);
    const SearchOptions options{.maximise = seed % 2 == 0, .alone = {0.25}};
    // All of it, cut short, and by local search.
    for (const double work : {2e10, 300.0}) {
      const auto search = [&](double unit) {
        SearchOptions o = options;
        o.alone[0] *= unit;
        o.work = work;
        const Table scaled = unit * table;
        const std::span<const double> numbers(scaled.data(), tasks * tasks);
        const auto list = grouping::candidates(grouping::PairScore(numbers, tasks, o), tasks,
                                               [](TaskSet group) { return 1 + group.bits() % 3; });
        const GroupSearch by_table = best_groups(scaled, most, o);
        o.budget = 6;
        if (work < 2e10) o.work = 20 * static_cast<double>(list.size());
        return std::vector<GroupSearch>{by_table, best_groups(list, tasks, most, o)};
      };
      const auto expected = search(1);
      for (const double unit : {std::ldexp(1.0, -60), std::ldexp(1.0, 60)}) {
        const auto found = search(unit);
        for (std::size_t k = 0; k < 2; ++k) {
          CHECK(found[k].groups == expected[k].groups);
          CHECK(found[k].value == unit * expected[k].value);
          CHECK(found[k].bound == unit * expected[k].bound);
          CHECK(found[k].optimal == expected[k].optimal);
        }
      }
    }
  }
  Eigen::MatrixXd moves = Eigen::MatrixXd::Zero(6, 6);
  moves(2, 3) = 3, moves(0, 1) = moves(2, 0) = moves(1, 2) = 2.5, moves(3, 4) = moves(5, 3) = moves(4, 5) = 2.4;
  CHECK(grouping::greedy_groups(moves * 1e-13, 2, {.alone = -1}) == std::vector<std::size_t>{0, 0, 0, 1, 1, 1});
}

TEST_CASE("what is no table is told so") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  Table table = tag;
  table(3, 1) = nan;
  CHECK_THROWS_WITH_AS(best_groups(table, 2),
                       "mtlx: best_groups: the table's row 3 (affected), column 1 (acting) is NaN; it takes a number",
                       Error);
  table = tag;
  table.diagonal().setConstant(nan);
  CHECK(best_groups(table, 2).groups == best_groups(tag, 2).groups);
  CHECK_THROWS_WITH_AS(best_groups(table, 2, {.alone_on_diagonal = true}),
                       "mtlx: best_groups: the table's row 0 (affected), column 0 (acting) is NaN; it takes a number",
                       Error);
  CHECK_THROWS_AS(best_groups(tag.topRows(4), 2), Error);
  CHECK_THROWS_AS(best_groups(tag, 0), Error);
  CHECK_THROWS_AS(best_groups(tag, 2, {.alone = {1, 2}}), Error);
  CHECK_THROWS_AS(best_groups(tag, 2, {.alone = {nan}}), Error);
  CHECK_THROWS_AS(best_groups(tag, 2, {.alone = {1}, .alone_on_diagonal = true}), Error);
  CHECK_THROWS_AS(best_groups(Table::Zero(65, 65), 2), Error);
  CHECK_THROWS_AS(best_groups(Table::Zero(0, 0), 2), Error);
  const auto score = [&](std::size_t task, TaskSet) { return task == 1 ? nan : 0; };
  CHECK_THROWS_AS(best_groups(score, 2, 1), Error);
  CHECK_THROWS_AS(best_groups([](std::size_t, TaskSet) { return 0.0; }, 30, 1), Error);
  // Costs: not of tables and functions, and whole.
  CHECK_THROWS_WITH_AS(best_groups(tag, 2, {.budget = 4}),
                       "mtlx: best_groups: a budget of 4, but these groups have no costs; give a list of candidates",
                       Error);
  CHECK_THROWS_AS(best_groups([](std::size_t, TaskSet) { return 0.0; }, 3, 1, {.budget = 4}), Error);
  const auto free = [](std::size_t, TaskSet) { return 0.0; };
  CHECK_THROWS_WITH_AS(grouping::candidates(free, 2, [](TaskSet group) { return group.count() == 2 ? 1.5 : 1.0; }),
                       "mtlx: candidates: the cost of a group of 2 is 1.5; it takes a whole number from 0, in a unit "
                       "such as half networks",
                       Error);
  CHECK_THROWS_AS(grouping::candidates(free, 2, [](TaskSet) { return -1; }), Error);
  CHECK(grouping::candidates(free, 2, [](TaskSet) { return 3.0; })[2].cost == 3);
  // One task, one group of all; 64 tasks.
  CHECK(best_groups(Table::Constant(1, 1, 7), 3).value == -1e6);
  CHECK(best_groups(Table::Constant(1, 1, 7), 3, {.alone_on_diagonal = true}).value == 7);
  CHECK(best_groups(tag, 1, {.alone = {9}}).groups.size() == 1);
  CHECK(best_groups(Table::Ones(64, 64), 1, {.work = 1e6}).groups == std::vector<TaskSet>{TaskSet::first(64)});
}

TEST_CASE("affinity propagation finds scikit-learn's exemplars") {
  for (const Found& expected : propagated) {
    CAPTURE(expected.items);
    const std::vector<double> table = similarity(expected.items, expected.groups);
    CHECK(static_cast<double>(expected.factor) * grouping::median_similarity(table) ==
          doctest::Approx(expected.preference).epsilon(1e-12));
    const auto found =
        affinity_propagation(table, expected.items, expected.preference,
                             {.damping = expected.damping, .convergence = expected.convergence, .seed = 5});
    CHECK(found.converged == expected.converged);
    CHECK(found.iterations == expected.iterations);
    CHECK(found.exemplars == expected.exemplars);
    CHECK(found.labels == expected.labels);
  }
}

TEST_CASE("affinity propagation of what cannot be told apart, or is no table") {
  using Labels = std::vector<std::size_t>;
  CHECK(affinity_propagation(std::vector<double>{7}, 1, 0).labels == Labels{0});
  const std::vector<double> equal(9, -1);
  CHECK(affinity_propagation(equal, 3, -2).labels == Labels{0, 0, 0});
  CHECK(affinity_propagation(equal, 3, 0).exemplars == Labels{0, 1, 2});
  // Two alike items with a higher preference; the diagonal is not read.
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<double> pairs{nan, -1, -9, -9, -1.25, nan, -9, -9, -9, -9, nan, -1, -9, -9, -1.5, nan};
  CHECK(affinity_propagation(pairs, 4, -3, {.damping = 0.75}).labels == Labels{0, 0, 1, 1});
  // Cut short, it says so.
  const auto cut = affinity_propagation(similarity(9, 3), 9, -4, {.iterations = 1});
  CHECK(!cut.converged);
  CHECK(cut.iterations == 1);

  CHECK_THROWS_WITH_AS(affinity_propagation(equal, 2, 0),
                       "mtlx: affinity propagation: 9 similarities for 2 items; it takes items x items", Error);
  CHECK_THROWS_WITH_AS(affinity_propagation(std::vector<double>{0, 1, nan, 0}, 2, 0),
                       "mtlx: affinity propagation: the similarity (1, 0) is not finite", Error);
  CHECK_THROWS_AS(affinity_propagation(equal, 3, nan), Error);
  CHECK_THROWS_AS(affinity_propagation(equal, 3, 0, {.damping = 1}), Error);
  CHECK_THROWS_AS(affinity_propagation(equal, 3, 0, {.iterations = 0}), Error);
  CHECK_THROWS_AS(grouping::median_similarity({}), Error);
  CHECK_THROWS_AS(grouping::median_similarity(pairs), Error);
}

TEST_CASE("spectral groups are scikit-learn's, greedy groups those that were planted") {
  for (const Parted& expected : spectral) {
    CAPTURE(expected.items);
    Eigen::MatrixXd table = affinity(expected.items, expected.groups);
    CHECK(grouping::spectral_groups(table, expected.groups) == expected.labels);
    CHECK(grouping::greedy_groups(table, expected.groups) == expected.labels);
    // A common offset, below 0 too, and the diagonal change nothing.
    table.array() -= 5;
    table.diagonal().setConstant(std::numeric_limits<double>::quiet_NaN());
    CHECK(grouping::spectral_groups(table, expected.groups, {.seed = 3}) == expected.labels);
    CHECK(grouping::greedy_groups(table, expected.groups) == expected.labels);
  }
  using Labels = std::vector<std::size_t>;
  // As many groups as tasks, one group, one task, no affinity at all.
  const Eigen::MatrixXd five = affinity(5, 2);
  CHECK(grouping::spectral_groups(five, 5) == Labels{0, 1, 2, 3, 4});
  CHECK(grouping::spectral_groups(five, 1) == Labels{0, 0, 0, 0, 0});
  CHECK(grouping::greedy_groups(five, 1) == Labels{0, 0, 0, 0, 0});
  CHECK(grouping::greedy_groups(five, 5, {.alone = 9}) == Labels{0, 1, 2, 3, 4});
  CHECK(grouping::spectral_groups(Eigen::MatrixXd::Zero(1, 1), 1) == Labels{0});
  CHECK(grouping::spectral_groups(Eigen::MatrixXd::Zero(3, 3), 2).size() == 3);
  // Joining two by two begins with 2 and 3 and ends in {0, 1, 2, 3}, {4, 5}; then 3 moves.
  Eigen::MatrixXd moves = Eigen::MatrixXd::Zero(6, 6);
  moves(2, 3) = 3, moves(0, 1) = moves(2, 0) = moves(1, 2) = 2.5, moves(3, 4) = moves(5, 3) = moves(4, 5) = 2.4;
  CHECK(grouping::greedy_groups(moves, 2, {.sweeps = 0}) == Labels{0, 0, 0, 0, 1, 1});
  CHECK(grouping::greedy_groups(moves, 2) == Labels{0, 0, 0, 1, 1, 1});

  CHECK_THROWS_WITH_AS(grouping::spectral_groups(Eigen::MatrixXd::Zero(2, 3), 1),
                       "mtlx: grouping: a table is tasks x tasks, and this one is 2 x 3", Error);
  CHECK_THROWS_WITH_AS(grouping::greedy_groups(five, 6), "mtlx: grouping: 6 groups of 5 tasks; it takes 1 to 5", Error);
  Eigen::MatrixXd missing = five;
  missing(3, 1) = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_WITH_AS(grouping::greedy_groups(missing, 2),
                       "mtlx: grouping: the table's row 3 (affected), column 1 (acting) is not finite", Error);
}
