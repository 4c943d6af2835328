// SPDX-License-Identifier: MIT
// Groups that are trained to see what they are good for.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <mtlx/core/sample_mean.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/core/significance.hpp>
#include <mtlx/grouping/detail/words.hpp>
#include <mtlx/grouping/grouping.hpp>
#include <mtlx/grouping/workshop.hpp>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mtlx::grouping {

/// What a trained group is judged by: always the gain of each member over that task trained alone in the same run, in
/// shares of what it came to alone. Positive is better.
enum class JudgedBy {
  metric,  ///< the task's primary metric
  loss,
};

namespace detail {

/// Trains groups for a rule and keeps what they came to. Each task alone is trained first.
class Trials {
 public:
  /// `held_out`: share of the training samples that judges where there are no validation data. Throws `Error`, as `train`
  /// does, where a task can't be judged.
  [[gnu::cold]] Trials(Workshop& workshop, std::string_view rule, JudgedBy judged_by, std::size_t runs,
                       std::size_t epochs, double held_out)
      : workshop_(workshop), rule_(rule), judged_by_(judged_by), runs_(runs), epochs_(epochs) {
    workshop.hold_out(workshop.validates() ? 0 : held_out);
    for (std::size_t t = 0; t < tasks(); ++t) train(TaskSet::only(t));
  }

  std::size_t tasks() const { return workshop_.tasks(); }
  std::size_t runs() const { return runs_; }
  /// What was trained, in order.
  std::span<const TaskSet> groups() const { return groups_; }

  /// Trains a group in every run, unless that was done.
  [[gnu::cold, gnu::noinline]] void train(TaskSet group) {
    if (std::find(groups_.begin(), groups_.end(), group) != groups_.end()) return;
    for (std::size_t run = 0; run < runs_; ++run) {
      const Trained trained = workshop_.train({.members = group, .run = run, .epochs = epochs_});
      for (std::size_t t = 0; t < tasks(); ++t) {
        double value = std::numeric_limits<double>::quiet_NaN();
        if (group.has(t)) value = judged_by_ == JudgedBy::metric ? trained.scores.at(t) : -trained.losses.at(t);
        if (group.has(t) && !is_finite(value))
          fail(rule_, ": the task \"", workshop_.names()[t], "\" has no ",
               judged_by_ == JudgedBy::metric ? "metric" : "loss", " on the samples that judge, after training ",
               listed_tasks(group, workshop_.names()));
        values_.push_back(value);
      }
    }
    groups_.push_back(group);
  }

  /// By how much a member gained in each run : (runs). The group was trained.
  [[gnu::cold, gnu::noinline]] std::vector<double> gains(std::size_t task, TaskSet group) const {
    const auto found = std::find(groups_.begin(), groups_.end(), group);
    if (found == groups_.end() || !group.has(task)) fail(rule_, ": a group was asked for that was not trained");
    const auto place = static_cast<std::size_t>(found - groups_.begin());
    std::vector<double> gains(runs_);
    for (std::size_t run = 0; run < runs_; ++run) {
      const double alone = values_[(task * runs_ + run) * tasks() + task];
      const double unit = std::abs(alone);
      gains[run] = (values_[(place * runs_ + run) * tasks() + task] - alone) / (unit > 0 ? unit : 1);
    }
    return gains;
  }
  /// Its mean over runs.
  double gain(std::size_t task, TaskSet group) const { return sample_mean(gains(task, group)).value; }

  /// "1.2 % (-0.3 % to 2.7 %)", the 95 % interval over runs where there are two or more.
  [[gnu::cold, gnu::noinline]] std::string gain_words(std::size_t task, TaskSet group) const {
    const SampleMean mean = sample_mean(gains(task, group));
    const double half = half_width(mean);
    std::string text = percent(mean.value);
    if (!is_nan(half)) text += join(" (", percent(mean.value - half), " to ", percent(mean.value + half), ")");
    return text;
  }
  /// Gains of pairs: row the task that is judged, column the task beside it; 0 alone, NaN where a pair was not trained.
  [[gnu::cold, gnu::noinline]] Table pairs(std::string title) const {
    const std::size_t n = tasks();
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    Table table{std::move(title), task_names(workshop_.names()), std::vector<double>(n * n, nan)};
    table.lower = table.upper = table.values;
    bool intervals = false;
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) {
        const TaskSet pair = TaskSet::only(i).with(j);
        if (std::find(groups_.begin(), groups_.end(), pair) == groups_.end()) continue;
        const SampleMean mean = sample_mean(gains(i, pair));
        const double half = half_width(mean);
        table.values[i * n + j] = mean.value;
        table.lower[i * n + j] = mean.value - half, table.upper[i * n + j] = mean.value + half;
        intervals = intervals || !is_nan(half);
      }
    if (!intervals) table.lower.clear(), table.upper.clear();
    return table;
  }

  /// What was done, how it was judged, and what it cost.
  [[gnu::cold, gnu::noinline]] std::string words() const {
    std::string text =
        join(rule_, ": ", groups_.size(), " groups of tasks trained, ",
             runs_ > 1 ? join("each in ", runs_, " runs with first weights of its own") : "each once",
             ", each task alone among them: ", groups_.size() * runs_, " trainings, ", workshop_.steps(), " steps.\n");
    text += join("Judged by the ", judged_by_ == JudgedBy::metric ? "primary metric" : "loss",
                 workshop_.validates() ? " on validation samples" : " on training samples that were set aside",
                 ": by how much a task gains over its training alone in the same run, in percent of that; positive is "
                 "better. In tables a row is the task that is affected, a column the task that trained beside it.\n");
    return text;
  }
  /// The plan's own numbers, and what they don't say.
  [[gnu::cold, gnu::noinline]] std::string plan_gains(const std::vector<Group>& plan) const {
    std::string text = plan_words(plan, workshop_.names());
    bool all = true;
    for (const Group& group : plan) {
      const bool trained = std::find(groups_.begin(), groups_.end(), group.members) != groups_.end();
      all = all && trained;
      for (std::size_t t = 0; trained && t < tasks(); ++t)
        if (group.serves.has(t))
          text += join(workshop_.names()[t], " with ", listed_tasks(group.members, workshop_.names()), ": ",
                       gain_words(t, group.members), ".\n");
    }
    if (!all) text += "Groups of the plan that are not named with a gain were not trained: their gains are guesses.\n";
    text += runs_ > 1 ? join("Percentages in brackets are 95 % intervals over ", runs_,
                             " runs, for each number by itself. The best of many groups looks better than it is.\n")
                      : std::string(
                            "One run each: what differs between groups may be chance, and nothing here says how "
                            "far. The best of many groups looks better than it is.\n");
    return text + no_cause;
  }

 private:
  // Of the 95 % t interval; NaN where there is none.
  static double half_width(const SampleMean& mean) {
    return mean.has_spread() ? t_critical(0.025, mean.degrees) * mean.error : std::numeric_limits<double>::quiet_NaN();
  }

  Workshop& workshop_;
  std::string_view rule_;
  JudgedBy judged_by_;
  std::size_t runs_, epochs_;
  std::vector<TaskSet> groups_;  // the tasks alone, and then the rest
  std::vector<double> values_;   // (groups, runs, tasks), higher is better
};

}  // namespace detail

}  // namespace mtlx::grouping
