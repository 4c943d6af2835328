// SPDX-License-Identifier: MIT
// Which sets of tasks to train, so that few trainings say something about every pair: a design.
//
// Greedy: each next subset begins with a pair that has occurred least, and takes in the task that makes up for most of what
// is missing; the best of several tries is kept. No subset comes twice.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mtlx/core/error.hpp>
#include <mtlx/core/random.hpp>
#include <mtlx/core/task_set.hpp>
#include <span>
#include <vector>

namespace mtlx::grouping {

/// What a design is to be like.
struct SubsetOptions {
  std::size_t count = 0;                    ///< subsets of two tasks or more; 0: 3 times the tasks
  std::span<const std::size_t> sizes = {};  ///< in turn; none: 2, 3, ..., up to as many as the pairs need
  std::size_t pair = 3;                     ///< how often each pair is to occur at least
  bool alone = true;                        ///< each task alone, too
  std::uint64_t seed = 0;
};

/// Subsets of tasks, and what they achieve.
struct SubsetDesign {
  std::vector<TaskSet> subsets;  ///< each task alone, if so asked, then the others; no two the same
  std::size_t least_pair = 0;  ///< how often the rarest pair occurs: less than asked for where the subsets are too few
  std::size_t most_pair = 0;   ///< and the most frequent one
};

namespace detail {

/// How often pairs occur. counts : (tasks, tasks), symmetric.
class PairCounts {
 public:
  PairCounts(std::size_t tasks, std::size_t wanted) : tasks_(tasks), wanted_(wanted), counts_(tasks * tasks) {}

  std::size_t at(std::size_t a, std::size_t b) const { return counts_[a * tasks_ + b]; }
  /// How many wanted occurrences one more task would bring to a set, and, counting for less, how rare the pairs are.
  std::int64_t worth(TaskSet set, std::size_t task) const {
    // In whole numbers: ties are broken alike with any compiler.
    constexpr std::int64_t wanted = 1 << 20;
    std::int64_t worth = 0;
    for (std::size_t other = 0; other < tasks_; ++other)
      if (set.has(other) && other != task)
        worth += (at(task, other) < wanted_ ? wanted : 0) - static_cast<std::int64_t>(at(task, other));
    return worth;
  }
  void add(TaskSet set) {
    for (std::size_t a = 0; a < tasks_; ++a)
      for (std::size_t b = 0; b < tasks_; ++b)
        if (a != b && set.has(a) && set.has(b)) ++counts_[a * tasks_ + b];
  }

 private:
  std::size_t tasks_, wanted_;
  std::vector<std::size_t> counts_;
};

/// One try at the next subset.
[[gnu::cold]] inline TaskSet next_subset(const PairCounts& counts, std::size_t tasks, std::size_t size, Random& random,
                                         std::int64_t& worth) {
  // The first of equals is taken, in an order that is drawn: each is as likely.
  std::vector<std::size_t> order(tasks);
  for (std::size_t t = 0; t < tasks; ++t) order[t] = t;
  random.shuffle(std::span(order));
  std::size_t first = order[0], second = order[1];
  for (const std::size_t a : order)
    for (const std::size_t b : order)
      if (a != b && counts.at(a, b) < counts.at(first, second)) first = a, second = b;
  TaskSet set = TaskSet::only(first);
  worth = counts.worth(set, second);
  set = set.with(second);
  while (set.count() < size) {
    std::size_t best = tasks;
    std::int64_t most = 0;
    for (const std::size_t t : order) {
      if (set.has(t)) continue;
      const std::int64_t more = counts.worth(set, t);
      if (best == tasks || more > most) best = t, most = more;
    }
    worth += most;
    set = set.with(best);
  }
  return set;
}

}  // namespace detail

/// Subsets in which each pair of tasks occurs often enough. The same options give the same design. Where `count` is too
/// small for that, or there are no more different subsets of those sizes, the result has fewer pairs or subsets than asked
/// for and says so (`least_pair`). Throws `Error` for less than 2 or more than TaskSet::capacity tasks and for a size that
/// is not from 2 to `tasks`.
[[gnu::cold, gnu::noinline]] inline SubsetDesign balanced_subsets(std::size_t tasks,
                                                                  const SubsetOptions& options = {}) {
  if (tasks < 2 || tasks > TaskSet::capacity)
    fail("balanced_subsets: from 2 to ", TaskSet::capacity, " tasks, and not ", tasks);
  for (const std::size_t size : options.sizes)
    if (size < 2 || size > tasks) fail("SubsetOptions::sizes: from 2 to ", tasks, ", and not ", size);
  const std::size_t count = options.count > 0 ? options.count : 3 * tasks, all_pairs = tasks * (tasks - 1) / 2;
  std::vector<std::size_t> sizes(options.sizes.begin(), options.sizes.end());
  if (sizes.empty()) {
    // Greedy sets repeat pairs: a third more than what would do without any repetition. And so many sets must there be.
    std::size_t pairs = 0, sets = 0, of_size = tasks;
    for (std::size_t size = 2; size <= tasks; ++size) {
      sizes.push_back(size);
      pairs += size * (size - 1) / 2;
      if (sets < count) of_size = of_size * (tasks - size + 1) / size, sets += of_size;
      if (size >= 3 && sets >= count && 3 * pairs * count >= 4 * options.pair * all_pairs * sizes.size()) break;
    }
  }

  SubsetDesign design;
  if (options.alone)
    for (std::size_t t = 0; t < tasks; ++t) design.subsets.push_back(TaskSet::only(t));
  detail::PairCounts counts(tasks, options.pair);
  const auto is_new = [&](TaskSet set) {
    return std::find(design.subsets.begin(), design.subsets.end(), set) == design.subsets.end();
  };
  // Tries at one subset: with less the last pairs are missed more often, with more nothing is won.
  constexpr std::size_t tries = 32;
  std::size_t spent = 0, size_index = 0;
  for (std::size_t n = 0; n < count && spent < sizes.size();) {
    const std::size_t size = sizes[size_index++ % sizes.size()];
    Random random(options.seed, Purpose::group, n);
    TaskSet best;
    std::int64_t most = 0;
    for (std::size_t i = 0; i < tries; ++i) {
      std::int64_t worth = 0;
      const TaskSet set = detail::next_subset(counts, tasks, size, random, worth);
      if (is_new(set) && (best.empty() || worth > most)) best = set, most = worth;
    }
    // The rarest pair's sets are all taken: any other one.
    for (std::size_t i = 0; i < 8 * tries && best.empty(); ++i) {
      std::vector<std::size_t> order(tasks);
      for (std::size_t t = 0; t < tasks; ++t) order[t] = t;
      random.shuffle(std::span(order));
      TaskSet set;
      for (std::size_t t = 0; t < size; ++t) set = set.with(order[t]);
      if (is_new(set)) best = set;
    }
    if (best.empty()) {
      ++spent;  // this size has no more
      continue;
    }
    spent = 0;
    ++n;
    counts.add(best);
    design.subsets.push_back(best);
  }

  design.least_pair = std::numeric_limits<std::size_t>::max();
  for (std::size_t a = 0; a < tasks; ++a)
    for (std::size_t b = 0; b < a; ++b) {
      design.least_pair = std::min(design.least_pair, counts.at(a, b));
      design.most_pair = std::max(design.most_pair, counts.at(a, b));
    }
  return design;
}

}  // namespace mtlx::grouping
