// SPDX-License-Identifier: MIT
// Every group of tasks is trained: with g(i | G) the gain of task i in group G over i alone, in shares of that, the plan is
// that of at most `groups` sets, which may overlap, with the largest mean over i of max_{G with i} g(i | G).
// Reference: the optimum that Standley et al., "Which Tasks Should Be Learned Together in Multi-task Learning?", ICML 2020,
// section 5.1, compare with.
#pragma once

#include <mtlx/grouping/detail/trials.hpp>
#include <mtlx/grouping/search.hpp>

namespace mtlx::grouping {

/// Grouping policy: the best of all groups, each of which is trained. Costs 2^T - 1 trainings a run: for few tasks, and as
/// what other rules are measured by. Throws `Error` for more than `most` tasks.
struct Exhaustive {
  static constexpr auto kind = Kind::grouping;
  static constexpr std::size_t most = 12;  ///< tasks: 4095 trainings

  std::size_t groups = 2;  ///< networks, at most
  std::size_t runs = 1;    ///< of each training, with first weights of its own
  std::size_t epochs = 0;  ///< of each; 0: as many as the fit
  JudgedBy judged_by = JudgedBy::metric;
  /// Share of the training samples that judges where there are no validation data; 0: none, and those must be given.
  double held_out = 0.1;

  [[gnu::cold]] void validate() const { detail::check_search_options("Exhaustive", groups, runs, held_out); }

  [[gnu::cold]] Plan find(Workshop& workshop) const {
    const std::size_t tasks = workshop.tasks();
    if (tasks == 1) return detail::plan_of_one_task();
    if (tasks > most)
      fail("Exhaustive: all groups of ", tasks, " tasks are too many to train; it takes at most ", most, " tasks");
    detail::Trials trials(workshop, "Exhaustive", judged_by, runs, epochs, held_out);
    // gains[group.bits() * tasks + task]
    std::vector<double> gains((std::size_t{1} << tasks) * tasks);
    for (std::size_t bits = 1; bits < std::size_t{1} << tasks; ++bits) {
      const TaskSet group = TaskSet::of_bits(bits);
      trials.train(group);
      for (std::size_t t = 0; t < tasks; ++t)
        if (group.has(t)) gains[bits * tasks + t] = trials.gain(t, group);
    }
    const auto found = best_groups(
        [&](std::size_t task, TaskSet group) { return gains[static_cast<std::size_t>(group.bits()) * tasks + task]; },
        tasks, groups);
    Plan plan{found.plan(), {.value = found.value}};
    plan.evidence.tables.push_back(trials.pairs("Gain in a pair, over the task alone"));
    plan.evidence.text = trials.words() + trials.plan_gains(plan.groups) + detail::search_words(found);
    return plan;
  }
};

}  // namespace mtlx::grouping
