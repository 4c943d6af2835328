// SPDX-License-Identifier: MIT
// Groups by what pairs came to: each task alone and each pair of tasks is trained,
//   g(i | {i, j})   gain of task i in the pair over i alone, in shares of that
//   g(i | G) = mean over j in G, j != i, of g(i | {i, j});   g(i | {i}) = 0
//   plan     = at most `groups` sets of tasks, which may overlap, with the largest mean over i of max_{G with i} g(i | G)
// Groups of three and more are guessed from pairs ("higher-order approximation").
// Reference: Standley et al., "Which Tasks Should Be Learned Together in Multi-task Learning?", ICML 2020, section 5.3; by
// relative gains instead of losses.
#pragma once

#include <mtlx/grouping/detail/trials.hpp>
#include <mtlx/grouping/search.hpp>

namespace mtlx::grouping {

/// Grouping policy: by the gains of trained pairs. Costs T (T + 1) / 2 trainings a run, of one or two tasks each.
struct HigherOrder {
  static constexpr auto kind = Kind::grouping;

  std::size_t groups = 2;  ///< networks, at most
  std::size_t runs = 1;    ///< of each training, with first weights of its own
  std::size_t epochs = 0;  ///< of each; 0: as many as the fit
  JudgedBy judged_by = JudgedBy::metric;
  /// Share of the training samples that judges where there are no validation data; 0: none, and those must be given.
  double held_out = 0.1;

  [[gnu::cold]] void validate() const { detail::check_search_options("HigherOrder", groups, runs, held_out); }

  [[gnu::cold]] Plan find(Workshop& workshop) const {
    const std::size_t tasks = workshop.tasks();
    if (tasks == 1) return detail::plan_of_one_task();
    detail::Trials trials(workshop, "HigherOrder", judged_by, runs, epochs, held_out);
    for (std::size_t i = 0; i < tasks; ++i)
      for (std::size_t j = i + 1; j < tasks; ++j) trials.train(TaskSet::only(i).with(j));
    Plan plan;
    plan.evidence.tables.push_back(trials.pairs("Gain in a pair, over the task alone"));
    const auto found = best_groups(plan.evidence.tables[0], groups, {.alone_on_diagonal = true});
    plan.groups = found.plan();
    plan.evidence.value = found.value;
    plan.evidence.text = trials.words() + trials.plan_gains(plan.groups);
    plan.evidence.text += detail::search_words(found);
    return plan;
  }
};

}  // namespace mtlx::grouping
