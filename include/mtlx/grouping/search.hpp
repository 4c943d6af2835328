// SPDX-License-Identifier: MIT
// Which groups of tasks should train together, by scores that are there already: exact, or with the gap that is left.
//
// Given a score for every task i and group G that has it, choose at most K groups that cover all T tasks. They may overlap:
// a task is served by that one of its groups which does it best, and helps in its others. Looked for is the best of
//   value = 1/T sum_i max over chosen G that have i of score(i | G).
// By a table of pairs, row the task that is AFFECTED, column the task whose step it was (ACTING),
//   score(i | G) = mean_{j in G, j != i} M[i][j],   and a number of its own for a task alone.
// References: Standley et al., "Which Tasks Should Be Learned Together in Multi-task Learning?", ICML 2020, section 5 (costs
// and budget); Fifty et al., "Efficiently Identifying Task Groupings for Multi-Task Learning", NeurIPS 2021, section 4.
//
//   GroupSearch found = best_groups(matrix, 3);                          // a tasks x tasks matrix, such as Eigen's
//   best_groups(table, 3);                                               // a grouping::Table
//   best_groups(table.lower, tasks, 3);                                  // what is sure: lower ends of intervals
//   best_groups([&](std::size_t task, TaskSet group) { return ...; }, tasks, 3);
//   best_groups(candidates(score, tasks, cost), tasks, 3, {.budget = 5});
//
// How: any choice of groups is a cut of the tasks into the sets that each serves, so that a dynamic programme over sets
// (detail/partition.hpp) finds the best one; by pairs, the best helpers of a set are known in closed form
// (detail/pair_score.hpp). Costs go by branch and bound (detail/choice.hpp); tables of more tasks than `work` allows by local
// search under a bound (detail/many_tasks.hpp). Nothing depends on time: the same call has the same answer.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mtlx/core/error.hpp>
#include <mtlx/core/options.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/core/task_set.hpp>
#include <mtlx/grouping/detail/choice.hpp>
#include <mtlx/grouping/detail/many_tasks.hpp>
#include <mtlx/grouping/detail/pair_score.hpp>
#include <mtlx/grouping/detail/partition.hpp>
#include <mtlx/grouping/grouping.hpp>
#include <span>
#include <utility>
#include <vector>

namespace mtlx::grouping {

/// Options of `best_groups`.
struct SearchOptions {
  /// Whether more is better, as with affinities; false for losses.
  bool maximise = true;
  /// By a table of pairs, the score of a task in a group of its own: one number for all tasks, or one each; empty: worse
  /// than anything, 1e6 below 0 (above it, if minimised), as TAG has it.
  std::vector<double> alone = {};
  /// The diagonal is that score instead, as in "higher order" tables of losses.
  bool alone_on_diagonal = false;
  /// By a list of candidates, what all groups may cost together, in the candidates' unit. Nothing else takes one.
  std::size_t budget = std::numeric_limits<std::size_t>::max();
  /// Elementary steps, some 1e9 in a second or a few, after which a search ends with what it has and says so.
  double work = 2e10;
  /// Of the local search, where one is needed.
  std::uint64_t seed = 0;
};

/// A group that may be chosen, with the scores of its members in order of tasks.
struct Candidate {
  TaskSet members;
  std::vector<double> scores;
  /// In any whole unit. Standley et al. count in half networks: 2 for a network of full size, 1 for one of half of it.
  std::size_t cost = 2;
};

/// Groups that were found. A group that serves no task is not among them.
struct GroupSearch {
  double value = 0;                    ///< the mean of the tasks' scores
  double bound = 0;                    ///< no choice has a better value; equal to it where optimal, but for rounding
  bool optimal = false;                ///< whether that is proved
  std::vector<TaskSet> groups;         ///< members, in order of the first task that each serves
  std::vector<std::size_t> served_by;  ///< (tasks): the group that answers for a task
  std::vector<double> scores;          ///< (tasks): in that group
  std::vector<std::size_t> chosen;     ///< of a list of candidates, the place of each group in it; else empty
  std::size_t cost = 0;                ///< of these together

  /// The same for a model: members of each group, and those that it serves.
  std::vector<Group> plan() const {
    std::vector<Group> plan;
    for (const TaskSet group : groups) plan.push_back({group, {}});
    for (std::size_t i = 0; i < served_by.size(); ++i) {
      Group& group = plan.at(served_by[i]);
      group.serves = group.serves.with(i);
    }
    return plan;
  }
};

/// A matrix of tasks x tasks, such as Eigen's expressions are: row affected, column acting.
template <class M>
concept TableMatrix = requires(const M& m) {
  { m.rows() } -> std::convertible_to<long long>;
  { m.cols() } -> std::convertible_to<long long>;
  m.eval();
  { m.eval()(0, 0) } -> std::convertible_to<double>;
};

/// A score of a task in a group that has it.
template <class F>
concept GroupScore = requires(const F& score) {
  { score(std::size_t{}, TaskSet{}) } -> std::convertible_to<double>;
};

namespace detail {

/// Tables of this many tasks at most are cut exactly: memory is 8 bytes for each set of tasks, some times over.
inline constexpr std::size_t most_exact = 24;
inline constexpr double rounding = 1e-12;

[[gnu::cold, gnu::noinline]] inline void check_search(std::size_t tasks, std::size_t max_groups,
                                                      const SearchOptions& options) {
  if (tasks < 1 || tasks > TaskSet::capacity)
    fail("best_groups takes 1 to ", TaskSet::capacity, " tasks, and these are ", tasks,
         "; grouping/clustering.hpp has groups for more");
  if (max_groups < 1) fail("best_groups: max_groups is 0, and every task needs a group");
  check_option("best_groups: work", options.work, {0});
}

[[gnu::cold, gnu::noinline]] inline void check_no_budget(const SearchOptions& options) {
  if (options.budget < std::numeric_limits<std::size_t>::max())
    fail("best_groups: a budget of ", options.budget, ", but these groups have no costs; give a list of candidates");
}

/// The pairs of a table as the search takes them: the more the better.
[[gnu::cold, gnu::noinline]] inline PairScores pair_scores(std::span<const double> table, std::size_t tasks,
                                                           const SearchOptions& options) {
  if (table.size() != tasks * tasks)
    fail("best_groups: ", table.size(), " numbers for ", tasks, " tasks; a table is tasks x tasks");
  if (options.alone_on_diagonal && !options.alone.empty())
    fail("best_groups: alone is given, and alone_on_diagonal too; one of them says what a task alone scores");
  if (options.alone.size() > 1 && options.alone.size() != tasks)
    fail("best_groups: alone has ", options.alone.size(), " numbers; it takes one, or one for each of ", tasks,
         " tasks");
  const double sign = options.maximise ? 1 : -1;
  std::vector<double> numbers, alone;
  for (std::size_t i = 0; i < tasks; ++i) {
    for (std::size_t j = 0; j < tasks; ++j) {
      const double number = table[i * tasks + j];
      if (!is_finite(number) && (i != j || options.alone_on_diagonal))
        fail("best_groups: the table's row ", i, " (affected), column ", j, " (acting) is ",
             is_nan(number) ? "NaN" : "infinite", "; it takes a number");
      numbers.push_back(i == j ? 0 : sign * number);
    }
    double one = -1e6;
    if (options.alone_on_diagonal)
      one = sign * table[i * tasks + i];
    else if (!options.alone.empty())
      one = sign * options.alone[options.alone.size() > 1 ? i : 0];
    if (!is_finite(one)) fail("best_groups: alone is not finite for task ", i);
    alone.push_back(one);
  }
  return {numbers, alone};
}

/// The result for some groups: padding dropped, in order, each task with its best. score(task, place of a group among
/// `members`) is to be as large as can be; of equal ones, the first.
template <class Score>
GroupSearch settle(const std::vector<std::uint64_t>& members, std::size_t tasks, double sign, const Score& score) {
  GroupSearch found;
  std::vector<std::size_t> place(members.size(), members.size());
  double sum = 0;
  for (std::size_t i = 0; i < tasks; ++i) {
    std::size_t best = members.size();
    double most = 0;
    for (std::size_t g = 0; g < members.size(); ++g) {
      if ((members[g] >> i & 1) == 0) continue;
      const double number = score(i, g);
      if (best == members.size() || number > most) most = number, best = g;
    }
    if (place[best] == members.size()) {
      place[best] = found.groups.size();
      found.groups.push_back(TaskSet::of_bits(members[best]));
      found.chosen.push_back(best);
    }
    found.served_by.push_back(place[best]);
    found.scores.push_back(sign * most);
    sum += most;
  }
  found.value = sign * sum / static_cast<double>(tasks);
  found.bound = found.value;
  found.optimal = true;
  return found;
}

/// The bound of a search that was cut short. sum: the most that all tasks' scores can add up to, the more the better; unit:
/// the size of the largest one.
[[gnu::cold, gnu::noinline]] inline void set_bound(GroupSearch& found, double sign, double sum, double unit) {
  const double value = sign * found.value, most = sum / static_cast<double>(found.scores.size());
  found.optimal = most <= value + rounding * (unit + std::abs(value));
  if (!found.optimal) found.bound = sign * most;
}

/// The search by pairs.
[[gnu::cold, gnu::noinline]] inline GroupSearch best_by_pairs(const PairScores& scores, std::size_t max_groups,
                                                              const SearchOptions& options) {
  const std::size_t tasks = scores.tasks(), parts = std::min(max_groups, tasks);
  const double sign = options.maximise ? 1 : -1;
  std::vector<std::uint64_t> sets;
  double bound = 0;
  bool exact = tasks <= most_exact;
  if (exact) {
    const double all = static_cast<double>(std::uint64_t{1} << tasks);
    exact = Cuts::work(tasks, parts) + all * static_cast<double>(4 * tasks) <= options.work;
  }
  if (exact) {
    std::vector<double> values = scores.serve_all();
    values.resize(std::max<std::size_t>(values.size(), 1 << block_tasks), impossible);
    sets = Cuts(std::move(values), tasks, parts).best();
  } else {
    double work = options.work / 2;
    LocalSearch search(scores, parts, options.seed);
    search.run(200, work);
    for (const std::uint64_t set : search.best())
      if (set != 0) sets.push_back(set);
    work = options.work / 2;
    bound = SizeBound(scores, parts).lower(search.value(), 2000, work);
  }
  std::vector<std::uint64_t> members;
  for (const std::uint64_t set : sets) members.push_back(scores.serve(set).members);
  GroupSearch found = settle(members, tasks, sign, [&](std::size_t task, std::size_t place) {
    return scores(task, TaskSet::of_bits(members[place]));
  });
  found.chosen.clear();
  if (!exact) set_bound(found, sign, bound, scores.unit());
  return found;
}

/// The search in a list.
[[gnu::cold, gnu::noinline]] inline GroupSearch best_of(const std::vector<Candidate>& candidates, std::size_t tasks,
                                                        std::size_t max_groups, const SearchOptions& options) {
  check_search(tasks, max_groups, options);
  const double sign = options.maximise ? 1 : -1;
  ListedGroups choices;
  choices.tasks = tasks;
  std::uint64_t covered = 0;
  for (std::size_t k = 0; k < candidates.size(); ++k) {
    const Candidate& candidate = candidates[k];
    if (candidate.members.empty()) fail("best_groups: candidate ", k, " has no members");
    if (!((candidate.members | TaskSet::first(tasks)) == TaskSet::first(tasks)))
      fail("best_groups: candidate ", k, " has a member that is none of the ", tasks, " tasks");
    if (candidate.scores.size() != candidate.members.count())
      fail("best_groups: candidate ", k, " has ", candidate.scores.size(), " scores for ", candidate.members.count(),
           " members");
    for (const double score : candidate.scores) {
      if (!is_finite(score)) fail("best_groups: a score of candidate ", k, " is not finite");
      choices.scores.push_back(sign * score);
    }
    covered |= candidate.members.bits();
    choices.members.push_back(candidate.members.bits());
    choices.costs.push_back(static_cast<double>(candidate.cost));
    choices.begin.push_back(choices.scores.size());
  }
  if (covered != TaskSet::first(tasks).bits())
    fail("best_groups: task ", std::countr_zero(~covered), " is in none of ", candidates.size(), " candidates");
  const bool limited = options.budget < std::numeric_limits<std::size_t>::max();
  const double budget = limited ? static_cast<double>(options.budget) : std::numeric_limits<double>::max();
  const Chosen chosen = choose(choices, std::min(max_groups, tasks), budget, options.work);
  if (chosen.groups.empty())
    fail("best_groups: ", chosen.complete ? "there is" : "within the given work there was found",
         " no choice of at most ", max_groups, " groups that serves every task", limited ? " within the budget" : "");
  std::vector<std::uint64_t> members;
  for (const std::size_t k : chosen.groups) members.push_back(choices.members[k]);
  GroupSearch found = settle(members, tasks, sign, [&](std::size_t task, std::size_t place) {
    double score = 0;
    choices.each_member(chosen.groups[place], [&](std::size_t i, double s) { score = i == task ? s : score; });
    return score;
  });
  for (std::size_t& place : found.chosen) {
    place = chosen.groups[place];
    found.cost += candidates[place].cost;
  }
  if (!chosen.complete) {
    double unit = 0;
    for (const double score : choices.scores) unit = std::max(unit, std::abs(score));
    set_bound(found, sign, chosen.bound, unit);
  }
  return found;
}

/// A group's cost as a whole number.
[[gnu::cold, gnu::noinline]] inline std::size_t whole_cost(double cost, TaskSet group) {
  if (!is_finite(cost) || cost < 0 || cost > 1e15 || std::floor(cost) != cost)
    fail("candidates: the cost of a group of ", group.count(), " is ", cost,
         "; it takes a whole number from 0, in a unit such as half networks");
  return static_cast<std::size_t>(cost);
}

/// Scores of the members of a group in order of tasks, the more the better.
template <class Score>
void score_members(const Score& score, std::uint64_t members, double sign, std::vector<double>& scores) {
  const TaskSet group = TaskSet::of_bits(members);
  scores.clear();
  for (std::uint64_t left = members; left != 0; left &= left - 1) {
    const auto task = static_cast<std::size_t>(std::countr_zero(left));
    const double number = static_cast<double>(score(task, group));
    if (!is_finite(number))
      fail("best_groups: the score of task ", task, " in a group of ", group.count(), " is not finite");
    scores.push_back(sign * number);
  }
}

}  // namespace detail

/// The best groups by a table of pairs, (affected, acting) row by row. Throws `Error` for a table of another size, a number
/// that is not finite (the diagonal only if it is used), more than TaskSet::capacity tasks, and a budget.
[[gnu::cold, gnu::noinline]] inline GroupSearch best_groups(std::span<const double> table, std::size_t tasks,
                                                            std::size_t max_groups, const SearchOptions& options = {}) {
  detail::check_search(tasks, max_groups, options);
  detail::check_no_budget(options);
  return detail::best_by_pairs(detail::pair_scores(table, tasks, options), max_groups, options);
}

/// The same for a named table, by its values.
[[gnu::cold, gnu::noinline]] inline GroupSearch best_groups(const Table& table, std::size_t max_groups,
                                                            const SearchOptions& options = {}) {
  return best_groups(table.values, table.tasks.size(), max_groups, options);
}

/// The same for a matrix of any kind.
template <TableMatrix M>
GroupSearch best_groups(const M& table, std::size_t max_groups, const SearchOptions& options = {}) {
  const auto& plain = table.eval();
  if (plain.rows() != plain.cols())
    fail("best_groups: a table is tasks x tasks, and this one is ", plain.rows(), " x ", plain.cols());
  std::vector<double> numbers;
  for (auto i = 0 * plain.rows(); i < plain.rows(); ++i)
    for (auto j = 0 * plain.cols(); j < plain.cols(); ++j) numbers.push_back(static_cast<double>(plain(i, j)));
  return best_groups(std::span<const double>(numbers), static_cast<std::size_t>(plain.rows()), max_groups, options);
}

/// The best groups by any score(task, group that has it), asked for every task of every group. Exact: 3^tasks steps.
/// Throws `Error` for a score that is not finite, for more tasks than `work` allows, and for a budget.
template <GroupScore F>
GroupSearch best_groups(const F& score, std::size_t tasks, std::size_t max_groups, const SearchOptions& options = {}) {
  detail::check_search(tasks, max_groups, options);
  detail::check_no_budget(options);
  const std::size_t parts = std::min(max_groups, tasks);
  double all = 1;
  for (std::size_t t = 0; t < tasks; ++t) all *= 3;
  if (tasks > detail::most_exact || all + detail::Cuts::work(tasks, parts) > options.work)
    fail("best_groups: all groups of ", tasks, " tasks take more steps than work allows, ", options.work,
         "; give a list of candidates instead of a function");
  const double sign = options.maximise ? 1 : -1;
  detail::BestGroups best(tasks);
  std::vector<double> scores;
  for (std::uint64_t group = 1; group <= TaskSet::first(tasks).bits(); ++group) {
    detail::score_members(score, group, sign, scores);
    best.offer(group, scores.data(), static_cast<std::uint32_t>(group));
  }
  std::vector<std::uint64_t> members;
  for (const std::uint64_t set : detail::Cuts(std::move(best.values), tasks, parts).best())
    members.push_back(best.groups[set]);
  GroupSearch found = detail::settle(members, tasks, sign, [&](std::size_t task, std::size_t place) {
    return sign * static_cast<double>(score(task, TaskSet::of_bits(members[place])));
  });
  found.chosen.clear();
  return found;
}

/// The best choice from a list, of at most `max_groups` groups within `options.budget`. Throws `Error` for candidates that
/// are none, and where no choice serves every task.
[[gnu::cold, gnu::noinline]] inline GroupSearch best_groups(const std::vector<Candidate>& candidates, std::size_t tasks,
                                                            std::size_t max_groups, const SearchOptions& options = {}) {
  return detail::best_of(candidates, tasks, max_groups, options);
}

/// Every group of some tasks, with its scores and what cost(group) says, to choose from within a budget. Throws `Error` for
/// more than 16 tasks (list those that are in question) and for a cost that is no whole number from 0 on.
template <GroupScore F, class Cost>
std::vector<Candidate> candidates(const F& score, std::size_t tasks, const Cost& cost) {
  if (tasks < 1 || tasks > 16) fail("candidates: all groups of ", tasks, " tasks; it takes 1 to 16");
  std::vector<Candidate> list;
  for (std::uint64_t members = 1; members < std::uint64_t{1} << tasks; ++members) {
    Candidate& candidate = list.emplace_back();
    candidate.members = TaskSet::of_bits(members);
    detail::score_members(score, members, 1, candidate.scores);
    candidate.cost = detail::whole_cost(static_cast<double>(cost(candidate.members)), candidate.members);
  }
  return list;
}

/// The score by pairs as a function, for `candidates`: of a table as `best_groups` takes it, in its own sign.
class PairScore {
 public:
  /// table : (affected, acting), row by row. Throws `Error` as `best_groups` does.
  PairScore(std::span<const double> table, std::size_t tasks, const SearchOptions& options = {})
      : scores_(detail::pair_scores(table, tasks, options)), sign_(options.maximise ? 1 : -1) {}

  double operator()(std::size_t task, TaskSet group) const { return sign_ * scores_(task, group); }

 private:
  detail::PairScores scores_;
  double sign_;
};

}  // namespace mtlx::grouping
