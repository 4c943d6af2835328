// SPDX-License-Identifier: MIT
// Which task gains, and which loses, by which partner. For T tasks a model is trained on each task's labels alone, and on
// those of each two tasks: T + T (T - 1) / 2 trainings a seed, of the same type, from the same first weights where the seed
// is the same. So what differs between task a alone and a with b is what b's labels do, and not the size of the model. Tasks
// with the same inputs see the same batches in the same order too; where tasks have inputs of their own, the order is
// another one, and with it chance. The type shares parameters (sharing::Hard, ...): with sharing::Single and the same inputs
// every difference is 0. Pairs say what two tasks do to each other, not what a third would change: gains do not add up.
// References: Standley et al., "Which Tasks Should Be Learned Together in Multi-task Learning?", ICML 2020, section 4
// (pairs against single tasks); Wu et al., "Understanding and Improving Information Transfer in Multi-Task Learning", ICLR 2020.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <mtlx/core/csv.hpp>
#include <mtlx/core/error.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/core/task_set.hpp>
#include <mtlx/data/data_set.hpp>
#include <mtlx/study/answer.hpp>
#include <mtlx/study/compare.hpp>
#include <mtlx/study/delta_m.hpp>
#include <mtlx/study/document.hpp>
#include <mtlx/study/engine.hpp>
#include <mtlx/study/findings.hpp>
#include <mtlx/study/options.hpp>
#include <mtlx/study/record.hpp>
#include <mtlx/study/text.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mtlx::study {

/// What every task gains by every partner.
struct Partners {
  double level = 0.95;
  /// Row: the task that is AFFECTED; column: the PARTNER that was trained with it. Its primary metric with the partner less
  /// alone, in the metric's own unit, POSITIVE IS BETTER, over pairs of runs with the same seed and split; p after Holm's
  /// correction over all T (T - 1) of them : (tasks, tasks). On the diagonal Verdict::baseline.
  std::vector<Comparison> gains;
  /// One percent of each task's mean metric alone; NaN if that is 0 or not there.
  std::vector<double> units;
  /// All runs. The first T candidates are the tasks alone, in order; then (0, 1), (0, 2), ..., (1, 2), ... together. Tasks
  /// that were not trained have NaN. It is no study to report by itself: its first candidate is no baseline of the others.
  Study study;

  const Comparison& gain(std::size_t affected, std::size_t partner) const {
    return gains.at(affected * study.tasks.size() + partner);
  }
};

namespace detail {

/// The same samples with the labels of some tasks alone, so that nothing but these is learned. With `all` the others have
/// columns too, without a label in them, as a model of all tasks asks for. Streams that have nothing for the tasks are left
/// out.
[[gnu::cold, gnu::noinline]] inline data::DataSet labels_of(const data::DataSet& data,
                                                            const std::vector<std::string>& tasks, bool all) {
  const auto wanted = [&](const std::string& task) {
    for (const std::string& one : tasks)
      if (one == task) return true;
    return false;
  };
  std::vector<std::pair<std::string, std::size_t>> others;  // and their targets' width
  for (const data::Stream& stream : data.streams())
    for (const data::Column& column : stream.columns) {
      const std::pair<std::string, std::size_t> other(column.task, column.targets.width());
      if (all && !wanted(column.task) && std::find(others.begin(), others.end(), other) == others.end())
        others.push_back(other);
    }
  data::DataSet result;
  for (const data::Stream& stream : data.streams()) {
    std::vector<data::Column> columns;
    for (const data::Column& column : stream.columns)
      if (wanted(column.task)) columns.push_back(column);
    if (columns.empty()) continue;
    for (const auto& [task, width] : others) {
      const std::size_t count = stream.inputs.size() * width;
      columns.push_back(
          {task, data::Targets::values(width, std::vector<float>(count), std::vector<std::uint8_t>(count))});
    }
    others.clear();  // once is enough
    result.add(stream.inputs, std::move(columns));
  }
  return result;
}

/// A model that is trained on the labels of one or two tasks.
template <class Listed>
class SubsetEntry final : public Entry {
 public:
  SubsetEntry(const EntryOf<Listed>& model, std::optional<CandidateRecord>& measured, std::vector<std::string> tasks)
      : model_(model), measured_(measured), tasks_(std::move(tasks)) {}

  [[gnu::cold]] CandidateRecord record(const Parts& parts, const Options& options, bool) const override {
    // They are all of one type: what it costs is measured once.
    if (!measured_) measured_ = model_.record(parts, options, false);
    CandidateRecord record = *measured_;
    record.name = tasks_.size() == 1 ? tasks_[0] + " alone" : join(tasks_[0], " + ", tasks_[1]);
    return record;
  }
  [[gnu::cold]] std::string layout() const override {
    std::string text = model_.layout() + "\nlabels of";
    for (const std::string& task : tasks_) text += join(" ", task);
    return text;
  }
  std::size_t tries() const override { return model_.tries(); }
  [[gnu::cold]] Settings settings(std::size_t attempt) const override { return model_.settings(attempt); }
  [[gnu::cold]] void run(const Parts& parts, const Options& options, std::size_t attempt, bool tests, bool alone,
                         RunRecord& run) const override {
    const Parts own{labels_of(parts.train, tasks_, true), labels_of(parts.validation, tasks_, false),
                    labels_of(parts.test, tasks_, false)};
    if (own.train.streams().empty() || own.test.streams().empty())
      fail("partners: there are no samples to train or to test \"", tasks_[0], "\" on");
    model_.run(own, options, attempt, tests, alone, run);
  }

 private:
  const EntryOf<Listed>& model_;
  std::optional<CandidateRecord>& measured_;
  std::vector<std::string> tasks_;
};

// The place of two tasks among the candidates.
inline std::size_t together(std::size_t a, std::size_t b, std::size_t tasks) {
  if (a > b) std::swap(a, b);
  return tasks + a * tasks - a * (a + 1) / 2 + (b - a - 1);
}

[[gnu::cold, gnu::noinline]] inline Partners partners_of(Study study, double level) {
  Partners found;
  found.level = level;
  const std::size_t tasks = study.tasks.size();
  std::vector<Comparison*> family;
  found.gains.resize(tasks * tasks);
  for (std::size_t a = 0; a < tasks; ++a) {
    found.units.push_back(nan);
    for (std::size_t b = 0; b < tasks; ++b) {
      Comparison& gain = found.gains[a * tasks + b];
      if (a == b) {
        gain.verdict = Verdict::baseline;
        continue;
      }
      // The two as a study of one task with its baseline.
      Study two;
      two.tasks = {study.tasks[a]};
      two.tasks[0].more.clear();
      two.candidates.resize(2);
      two.test_to_train = study.test_to_train;
      std::vector<std::pair<std::size_t, double>> alone;
      for (const RunRecord& run : study.runs) {
        if (run.candidate != a && run.candidate != together(a, b, tasks)) continue;
        RunRecord& one = two.runs.emplace_back();
        one.candidate = run.candidate == a ? 0 : 1;
        one.split = run.split, one.seed = run.seed, one.error = run.error, one.metrics = {run.metrics[a]};
        if (run.candidate == a && !run.failed() && is_finite(run.metrics[a]))
          alone.emplace_back(run.split, run.metrics[a]);
      }
      const Sampling sampling = sampling_of(two);
      gain = compare_pairs(metric_gains(two, 1, 0), 0, sampling, level);
      family.push_back(&gain);
      const double mean = estimate(by_split(alone, two.test_to_train > 0), sampling, level).mean;
      if (is_finite(mean) && mean != 0) found.units[a] = std::abs(mean) / 100;
    }
  }
  judge(family, level);
  found.study = std::move(study);
  return found;
}

}  // namespace detail

/// Trains a model's type on each task alone and on each two, over the study's seeds: T (T + 1) / 2 trainings a seed, which
/// the observer is told before the first. Data, splits, jobs, folder and budget are as for `compare`:
///   const study::Partners found = study::partners<Hard>({.train = &train, .test = &test}, {.seeds = 5, .epochs = 20});
///   study.matrices.push_back(study::matrix(found));   // into the report of another study of these tasks
/// Options of the candidate are for all trainings; several are chosen among for each, on validation samples. Clusters of a
/// test set are not looked at. Throws `Error`
/// as `compare` does, and for less than two tasks.
template <class Model>
[[gnu::cold]] Partners partners(const Data& data, const Options& options = {}, const Candidate<Model>& candidate = {},
                                double level = 0.95) {
  if constexpr (detail::check_candidates<Model>()) {
    detail::check_level("partners", level);
    std::vector<TaskRecord> tasks = detail::task_records(typename Model::TaskList());
    if (tasks.size() < 2) fail("partners: there is one task, and no partner for it");
    const detail::EntryOf<Model> model(candidate);
    std::optional<CandidateRecord> measured;
    std::vector<detail::SubsetEntry<Model>> all;
    for (const TaskRecord& task : tasks) all.emplace_back(model, measured, std::vector<std::string>{task.name});
    for (std::size_t a = 0; a < tasks.size(); ++a)
      for (std::size_t b = a + 1; b < tasks.size(); ++b)
        all.emplace_back(model, measured, std::vector<std::string>{tasks[a].name, tasks[b].name});
    std::vector<const detail::Entry*> entries;
    for (const auto& entry : all) entries.push_back(&entry);
    return detail::partners_of(detail::Engine(data, options, entries, std::move(tasks)).run(), level);
  } else {
    return {};
  }
}

/// The gains in percent of each task's metric alone, POSITIVE IS BETTER, for a report's `Study::matrices`; below each number
/// its interval and verdict.
[[gnu::cold, gnu::noinline]] inline MatrixRecord matrix(const Partners& found) {
  const std::size_t tasks = found.study.tasks.size();
  MatrixRecord matrix;
  matrix.title = "Gain or loss of each task by partner, in % of its metric when trained alone; positive is better";
  matrix.rows = "affected task", matrix.columns = "by partner";
  for (const TaskRecord& task : found.study.tasks) matrix.row_names.push_back(task.name);
  matrix.column_names = matrix.row_names;
  for (std::size_t i = 0; i < tasks * tasks; ++i) {
    const Comparison& gain = found.gains[i];
    const double unit = found.units[i / tasks];
    matrix.values.push_back(gain.difference.mean / unit);
    std::string& note = matrix.notes.emplace_back();
    if (gain.verdict == Verdict::baseline) continue;
    if (gain.difference.has_interval() && is_finite(unit))
      note = join(detail::fixed(gain.difference.lower / unit, 2), " to ",
                  detail::fixed(gain.difference.upper / unit, 2), ", ");
    note += words(gain.verdict);
  }
  return matrix;
}

/// The answer in plain words: which tasks lose by which partner, and which gain.
[[gnu::cold, gnu::noinline]] inline std::string answer(const Partners& found) {
  const std::size_t tasks = found.study.tasks.size();
  std::vector<std::string> losses, gains;
  std::size_t open = 0, untested = 0;
  for (std::size_t i = 0; i < tasks * tasks; ++i) {
    const Comparison& gain = found.gains[i];
    const TaskRecord& affected = found.study.tasks[i / tasks];
    const bool sure = gain.verdict == Verdict::better || gain.verdict == Verdict::worse;
    open += gain.verdict == Verdict::cannot_tell, untested += gain.verdict == Verdict::no_test;
    if (!sure) continue;
    const int decimals = std::max(detail::decimals_for(gain.difference.mean) - 1, 0);
    (gain.verdict == Verdict::worse ? losses : gains)
        .push_back(join(affected.name, " by ", found.study.tasks[i % tasks].name, " (", affected.metric, " ",
                        detail::fixed(std::abs(gain.difference.mean), decimals),
                        gain.verdict == Verdict::worse ? " worse, " : " better, ", detail::p_is(gain.adjusted_p), ")"));
  }
  std::string text = join("Of ", tasks * (tasks - 1), " effects of a partner on a task, ", losses.size(),
                          losses.size() == 1 ? " is a loss" : " are losses");
  if (!losses.empty()) text += join(": ", detail::listed(losses), "; ");
  text += join(losses.empty() ? ", " : "", gains.size(), gains.size() == 1 ? " is a gain" : " are gains");
  if (!gains.empty()) text += join(": ", detail::listed(gains), "; ");
  text += join(gains.empty() ? ", " : "", "of ", open, " these runs cannot tell");
  return text + (untested > 0 ? join("; ", untested, " could not be tested.") : ".");
}

/// A row an affected task and partner. Gains have the metric's own unit; positive is better.
[[gnu::cold, gnu::noinline]] inline std::string csv(const Partners& found) {
  std::string out =
      "affected_task,partner,metric,higher_is_better,pairs,gain_positive_is_better,gain_lower,gain_upper,gain_percent,"
      "p,"
      "p_holm,missing_pairs,verdict\n";
  const std::size_t tasks = found.study.tasks.size();
  for (std::size_t i = 0; i < tasks * tasks; ++i) {
    const Comparison& gain = found.gains[i];
    if (gain.verdict == Verdict::baseline) continue;
    const TaskRecord& affected = found.study.tasks[i / tasks];
    out += join(detail::csv_name(affected.name), ",", detail::csv_name(found.study.tasks[i % tasks].name), ",",
                detail::csv_name(affected.metric), affected.higher_is_better ? ",1," : ",0,", gain.difference.count,
                ",", csv_number(gain.difference.mean), ",", csv_number(gain.difference.lower), ",",
                csv_number(gain.difference.upper), ",", csv_number(gain.difference.mean / found.units[i / tasks]), ",",
                csv_number(gain.p), ",", csv_number(gain.adjusted_p), ",", gain.missing.size(), ",",
                words(gain.verdict), "\n");
  }
  return out;
}

}  // namespace mtlx::study
