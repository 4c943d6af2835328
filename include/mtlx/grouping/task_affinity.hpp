// SPDX-License-Identifier: MIT
// TAG: groups by how the tasks' steps change each other's losses in one joint training.
//
//   Z[j][i]   mean over looks of the affinity of i's step on j's loss: row affected, column acting
//   Z(j | G) = mean over i in G, i != j, of Z[j][i]
//   plan     = at most `groups` sets of tasks, which may overlap, with the largest mean over j of max_{G with j} Z(j | G)
// The search is exact (grouping/search.hpp). A task alone has no partners and so no score: that happens only where nothing
// else is possible.
//
// Pair averages are no measurement of groups: three tasks' effects need not add up. The paper's affinities are measured on
// the step's own batch; here on held-out samples unless asked otherwise.
// Reference: Fifty et al., "Efficiently Identifying Task Groupings for Multi-Task Learning", NeurIPS 2021, sections 3 and 4.
#pragma once

#include <algorithm>
#include <cmath>
#include <mtlx/grouping/affinity/lookahead.hpp>
#include <mtlx/grouping/detail/words.hpp>
#include <mtlx/grouping/search.hpp>
#include <mtlx/grouping/statistics/contrasts.hpp>
#include <mtlx/grouping/statistics/intervals.hpp>
#include <mtlx/grouping/statistics/words.hpp>
#include <mtlx/grouping/workshop.hpp>

namespace mtlx::grouping {

/// What of an affinity table the search goes by.
enum class AffinityScale {
  values,  ///< as measured: tasks whose losses change more count more, as TAG has it
  contrasts,  ///< less the mean of the task's other partners: a value of 0 is a common partner. Groups are as with `values`
  standardised,  ///< contrasts over the standard deviation of the task's row: each task counts the same
};

namespace detail {

/// What `TaskAffinity` saw, and how it is to be read.
struct SeenAffinities {
  std::string_view measure;
  Evaluation evaluation;
  StepKind step_kind;
  AffinityScale scale;
  std::size_t groups;
  double held_out;
  std::vector<double> tables;  // (runs, affected, acting)
  Affinities last;             // of the last run, look for look
};

[[gnu::cold, gnu::noinline]] inline std::vector<double> mean_table(std::span<const double> tables, std::size_t cells) {
  std::vector<double> mean(cells);
  for (std::size_t i = 0; i < tables.size(); ++i)
    mean[i % cells] += tables[i] / static_cast<double>(tables.size() / cells);
  return mean;
}

/// A table's contrasts in units of the row's standard deviation; 0 where all partners are the same but for rounding.
[[gnu::cold, gnu::noinline]] inline std::vector<double> standardised(std::span<const double> table, std::size_t tasks) {
  std::vector<double> contrasts = row_contrasts(table, tasks);
  for (std::size_t j = 0; j < tasks; ++j) {
    double squares = 0, largest = 0;
    for (std::size_t i = 0; i < tasks; ++i) {
      if (i == j) continue;
      squares += contrasts[j * tasks + i] * contrasts[j * tasks + i];
      largest = std::max(largest, std::abs(table[j * tasks + i]));
    }
    const double deviation = std::sqrt(squares / static_cast<double>(tasks - 1));
    for (std::size_t i = 0; i < tasks; ++i)
      if (i != j) contrasts[j * tasks + i] = deviation > 1e-12 * largest ? contrasts[j * tasks + i] / deviation : 0;
  }
  return contrasts;
}

[[gnu::cold, gnu::noinline]] inline Plan plan_by_affinity(const SeenAffinities& seen, const Workshop& workshop) {
  const std::size_t tasks = workshop.tasks(), cells = tasks * tasks, runs = seen.tables.size() / cells;
  const auto names = workshop.names();
  const std::vector<double> mean = mean_table(seen.tables, cells);
  for (std::size_t cell = 0; cell < cells; ++cell)
    if (cell % (tasks + 1) != 0 && !is_finite(mean[cell]))
      fail("TaskAffinity: no look could tell how the step of \"", names[cell % tasks], "\" changes the loss of \"",
           names[cell / tasks], "\": they need labels in the same steps, and losses above 0");
  const std::vector<double> scores = seen.scale == AffinityScale::values      ? mean
                                     : seen.scale == AffinityScale::contrasts ? row_contrasts(mean, tasks)
                                                                              : standardised(mean, tasks);
  const auto found = best_groups(scores, tasks, seen.groups);

  Plan plan{found.plan(), {.value = found.value}};
  std::string& text = plan.evidence.text;
  text = join("TaskAffinity, measured by ", seen.measure, " in ", runs,
              runs > 1 ? " joint trainings" : " joint training", " of all ", tasks, " tasks: ", seen.last.looks(),
              " looks", runs > 1 ? " each" : "", ", ", workshop.steps(), " steps. A task's step is ",
              seen.step_kind == StepKind::optimizer ? "the optimizer's" : "plain gradient's", "; losses are those of ",
              seen.evaluation == Evaluation::held_out
                  ? join("samples that nothing is trained on, ", short_number(100 * seen.held_out),
                         " % of the training samples.\n")
                  : std::string("the step's own batch, which also shows what the network learns by heart.\n"));
  text +=
      "In tables a row is the task that is affected, a column the task whose step it was; positive: the affected "
      "task's loss falls.\n";
  text += plan_words(plan.groups, names);
  text +=
      join("Chosen as the largest mean over tasks of the mean over the task's partners, ", short_number(found.value),
           seen.scale == AffinityScale::values      ? ""
           : seen.scale == AffinityScale::contrasts ? " above the task's other partners"
                                                    : " standard deviations above the task's other partners",
           ".\n");
  text += search_words(found);
  plan.evidence.tables.push_back(
      {join("affinities by ", seen.measure, ", mean over ", runs > 1 ? "runs and looks" : "looks"), task_names(names),
       mean});
  text +=
      "Not known: what the plan gains. None of its groups was trained, and averages of pairs are no measurement of "
      "groups of three and more.\n";
  const RelationOptions options;
  // One training says nothing about others; what can be said within it needs some looks.
  const bool tests = tasks >= 3 && (runs >= 2 || seen.last.looks() >= 2 * options.blocks);
  if (tests) {
    const Relations relations = runs >= 2 ? relations_over_runs(seen.tables, tasks, options)
                                          : relations_within_run(seen.last.values, tasks, options);
    plan.evidence.tables.push_back(relations_table(relations, names));
    text += relations_words(relations, names);
    return plan;
  }
  if (tasks >= 3) {
    plan.evidence.tables.push_back({"row contrasts", task_names(names), row_contrasts(mean, tasks)});
    text += join("Which partners differ can't be said from one training with ", seen.last.looks(), " looks.\n");
  }
  text += no_cause;
  return plan;
}

}  // namespace detail

/// Grouping policy: tasks whose steps help each other train together (TAG). Costs `runs` joint trainings with the measure's
/// looks.
template <AffinityMeasure Measure = Lookahead>
struct TaskAffinity {
  static constexpr auto kind = Kind::grouping;

  std::size_t groups = 2;  ///< networks, at most
  std::size_t runs = 1;    ///< joint trainings, each with first weights of its own; 5 or more say which partners differ
  std::size_t epochs = 0;  ///< of each; 0: as many as the fit
  Measure measure{};
  AffinityScale scale = AffinityScale::values;
  Evaluation evaluation = Evaluation::held_out;
  StepKind step_kind = StepKind::optimizer;
  double held_out = 0.1;  ///< share of the training samples that losses are evaluated on, with `Evaluation::held_out`

  [[gnu::cold]] void validate() const {
    detail::check_search_options("TaskAffinity", groups, runs, held_out);
    if (evaluation == Evaluation::held_out && !(held_out > 0))
      fail("TaskAffinity: held_out is 0, and affinities are to be measured on held-out samples");
    mtlx::validate(measure);
  }

  [[gnu::cold]] Plan find(Workshop& workshop) const {
    const std::size_t tasks = workshop.tasks();
    if (tasks == 1) return detail::plan_of_one_task();
    if (tasks < 3 && scale != AffinityScale::values)
      fail("TaskAffinity: with two tasks there are no other partners: take AffinityScale::values");
    if (evaluation == Evaluation::held_out) workshop.hold_out(held_out);
    detail::SeenAffinities seen{Measure::name, evaluation, step_kind, scale, groups, held_out, {}, {}};
    for (std::size_t run = 0; run < runs; ++run) {
      Watching<Measure> watch(measure, evaluation, step_kind);
      workshop.train({.members = TaskSet::first(tasks), .run = run, .epochs = epochs, .watch = &watch});
      seen.last = watch.seen();
      if (seen.last.looks() == 0) fail("TaskAffinity: the measure did not look once in a whole training");
      const std::vector<double> mean = seen.last.mean();
      seen.tables.insert(seen.tables.end(), mean.begin(), mean.end());
    }
    return detail::plan_by_affinity(seen, workshop);
  }
};

}  // namespace mtlx::grouping
