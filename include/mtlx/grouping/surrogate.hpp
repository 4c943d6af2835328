// SPDX-License-Identifier: MIT
// Groups by a linear model of what some trained groups came to. Each task alone and some subsets S are trained; with g_i(S)
// the gain of task i over i alone, in shares of that,
//   f_i(S) = theta_i0 + sum over j in S, j != i, of theta_ij
// is fitted to them by ridge regression (grouping/statistics/linear_surrogate.hpp), and the plan is that of at most `groups`
// sets of tasks, which may overlap, with the largest mean over i of max_{G with i} f_i(G), where f_i({i}) = 0.
// Reference: Li, Nguyen, Zhang, "Identification of Negative Transfers in Multitask Learning Using Surrogate Models", TMLR
// 2023, whose subsets are random ones of one size; here they are balanced, so that each pair of tasks comes together.
#pragma once

#include <mtlx/grouping/detail/trials.hpp>
#include <mtlx/grouping/search.hpp>
#include <mtlx/grouping/statistics/balanced_subsets.hpp>
#include <mtlx/grouping/statistics/linear_surrogate.hpp>

namespace mtlx::grouping {

/// Grouping policy: by a linear model of trained groups. Costs `subsets` + T trainings a run. Throws `Error` for more than
/// `most` tasks.
struct Surrogate {
  static constexpr auto kind = Kind::grouping;
  static constexpr std::size_t most = 20;  ///< tasks: the search takes 3^T steps

  std::size_t groups = 2;   ///< networks, at most
  std::size_t subsets = 0;  ///< to train besides each task alone; 0: three times the tasks
  std::size_t runs = 1;     ///< of each training, with first weights of its own
  std::size_t epochs = 0;   ///< of each; 0: as many as the fit
  JudgedBy judged_by = JudgedBy::metric;
  /// Share of the training samples that judges where there are no validation data; 0: none, and those must be given.
  double held_out = 0.1;

  [[gnu::cold]] void validate() const { detail::check_search_options("Surrogate", groups, runs, held_out); }

  [[gnu::cold]] Plan find(Workshop& workshop) const {
    const std::size_t tasks = workshop.tasks();
    if (tasks == 1) return detail::plan_of_one_task();
    if (tasks > most)
      fail("Surrogate: all groups of ", tasks, " tasks are too many to search; it takes at most ", most, " tasks");
    const SubsetDesign design = balanced_subsets(tasks, {.count = subsets, .seed = workshop.seed()});
    detail::Trials trials(workshop, "Surrogate", judged_by, runs, epochs, held_out);
    std::vector<GroupResult> results;
    std::size_t largest = 1;
    for (const TaskSet group : design.subsets) {
      trials.train(group);
      largest = std::max(largest, group.count());
      for (std::size_t t = 0; t < tasks; ++t) {
        if (!group.has(t)) continue;
        const std::vector<double> gains = trials.gains(t, group);
        for (std::size_t run = 0; run < runs; ++run) results.push_back({run, group, t, gains[run]});
      }
    }
    const LinearSurrogate model = fit_linear_surrogate(results, tasks);
    const auto found = best_groups(
        [&](std::size_t task, TaskSet group) { return group.count() > 1 ? model(task, group) : 0.0; }, tasks, groups);

    Plan plan{found.plan(), {.value = found.value}};
    const auto names = workshop.names();
    plan.evidence.tables.push_back(
        {"What a partner adds to a task's gain (theta)", detail::task_names(names), model.theta});
    plan.evidence.tables.push_back(trials.pairs("Gain in a pair, over the task alone, where the pair was trained"));
    std::string& text = plan.evidence.text;
    text = trials.words();
    text += join("Each pair of tasks came together in ", design.least_pair, " trained groups at least and in ",
                 design.most_pair, " at most. Of the gains in a group that it had not seen the linear model explains ",
                 detail::percent(model.held_out_r2), " (less than 0: a mean says more); by task: ");
    for (std::size_t t = 0; t < tasks; ++t)
      text += join(t > 0 ? ", " : "", names[t], " ", detail::percent(model.task_r2[t]));
    text += join(". It knows no interactions of partners, and groups of more than ", largest,
                 largest == 1 ? " task" : " tasks", " were not trained.\n");
    text += trials.plan_gains(plan.groups) + detail::search_words(found);
    return plan;
  }
};

}  // namespace mtlx::grouping
