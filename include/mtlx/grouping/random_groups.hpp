// SPDX-License-Identifier: MIT
// A random plan: what any rule must be better than. Of all partitions of n tasks into k groups each is as likely. With
// S(n, k) how many there are (Stirling's numbers of the second kind, S(n, k) = k S(n-1, k) + S(n-1, k-1)), the last task has a
// group to itself with probability S(n-1, k-1) / S(n, k), and goes to one of k groups of the others elsewhere.
#pragma once

#include <mtlx/core/options.hpp>
#include <mtlx/core/random.hpp>
#include <mtlx/grouping/grouping.hpp>

namespace mtlx::grouping {

/// Grouping policy: so many groups by chance, none empty and none overlapping. Throws `Error` where there are fewer tasks.
struct RandomGroups {
  static constexpr auto kind = Kind::grouping;

  std::size_t groups = 2;  ///< networks; at least 1
  std::uint64_t seed = 0;

  [[gnu::cold]] void validate() const {
    check_option("RandomGroups: groups", static_cast<double>(groups), {.least = 1});
  }

  [[gnu::cold]] std::vector<Group> plan(std::size_t tasks) const {
    if (groups < 1 || groups > tasks) fail("RandomGroups: ", groups, " groups of ", tasks, " tasks");
    // partitions[n * (groups + 1) + k] : S(n, k), below 1e64 for 64 tasks.
    const std::size_t width = groups + 1;
    std::vector<double> partitions((tasks + 1) * width);
    partitions[0] = 1;
    for (std::size_t n = 1; n <= tasks; ++n)
      for (std::size_t k = 1; k <= groups; ++k)
        partitions[n * width + k] =
            static_cast<double>(k) * partitions[(n - 1) * width + k] + partitions[(n - 1) * width + k - 1];
    Random random(seed, Purpose::group);
    std::vector<TaskSet> sets(groups);
    std::size_t left = groups;         // that the tasks up to t are to fill
    std::vector<std::size_t> joining;  // tasks that join a group of those before them, and of how many
    std::vector<std::size_t> choices;
    for (std::size_t t = tasks; t-- > 0;) {
      const double alone = left > 0 ? partitions[t * width + left - 1] : 0;
      if (random.uniform() * partitions[(t + 1) * width + left] < alone) {
        sets[--left] = TaskSet::only(t);
      } else {
        joining.push_back(t);
        choices.push_back(left);
      }
    }
    for (std::size_t i = 0; i < joining.size(); ++i) {
      TaskSet& set = sets[random.below(static_cast<std::uint32_t>(choices[i]))];
      set = set.with(joining[i]);
    }
    std::vector<Group> plan;
    for (const TaskSet set : sets) plan.push_back({set, set});
    return plan;
  }
};

}  // namespace mtlx::grouping
