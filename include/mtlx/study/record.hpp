// SPDX-License-Identifier: MIT
// What a study knows when it is over: plain data, which the statistics read and the report prints. study::compare
// (compare.hpp) makes it; anything else may too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace mtlx::study {

/// A metric that a task has besides its primary one.
struct MetricRecord {
  std::string name;
  bool higher_is_better = true;
};

/// A task, and what it is judged by.
struct TaskRecord {
  std::string name;
  std::string metric;  ///< the primary one
  bool higher_is_better = true;
  std::vector<MetricRecord> more = {};  ///< further ones, of a task with nn::Metrics<A, B, ...>: B, ...
};

/// One epoch of a run. Entries belong to the tasks; NaN where there is none.
struct EpochRecord {
  std::size_t epoch = 0;  ///< from 1
  std::vector<double> losses, validation_losses, validation_metrics;
  /// Means over the epoch's steps, (tasks, tasks), where the balancer saw gradients; else empty: cosines between the
  /// tasks' gradients on the shared parameters, and the share of steps in which a pair's is negative.
  std::vector<double> cosines, conflicts;
  /// Means over the epoch's steps, a task each: of the balancer's weight (1 if it has none), and of the length of the
  /// task's gradient on the shared parameters, where the balancer saw gradients.
  std::vector<double> weights{}, lengths{};
};

/// One training run, judged once on the test set.
struct RunRecord {
  std::size_t candidate = 0;  ///< in Study::candidates
  std::size_t split = 0;      ///< counts the splits of the data
  std::uint64_t seed = 0;
  std::string error;            ///< why it failed; empty if it did not
  std::vector<double> metrics;  ///< on the test set, a task each: the primary ones
  std::vector<double> losses;   ///< on the test set, a task each
  std::vector<EpochRecord> epochs;
  double train_seconds = 0;  ///< to train; depends on the machine, and is no part of what is compared
  /// Of the trained model on validation samples, a task each; empty without such samples.
  std::vector<double> validation_losses{}, validation_metrics{};
  /// On the test set, the further metrics of all tasks, task after task as in TaskRecord::more; NaN where the run failed,
  /// empty where no task has any. delta_m is over all metrics, in both conventions; tests of a task are of its primary one.
  std::vector<double> more_metrics{};
  /// On each cluster of the test set, where it has any, the primary metrics : (clusters, tasks); NaN where a cluster has no
  /// label of a task.
  std::vector<double> cluster_metrics{};
  /// Where the grouping rule found its groups by training: the tasks of each, such as "left, (right); right" (in
  /// brackets: another group's network predicts it), the steps that finding them took, and how many networks that makes.
  /// Else empty, and 0.
  std::string groups{};
  double grouping_steps = 0;
  std::size_t networks = 0;

  bool failed() const { return !error.empty(); }
};

/// A strategy that was compared. The first of a study is the baseline, single-task learning. Where each run finds its own
/// groups, sizes are those of as many networks as runs have in the mean, and the latency that of this number, rounded.
struct CandidateRecord {
  std::string name;
  std::string type;                                           ///< the model's type, as the compiler writes it
  std::vector<std::pair<std::string, std::string>> settings;  ///< chosen on validation data, or given
  std::size_t tries = 1;            ///< settings tried on validation data, the same number for all candidates
  std::size_t parameters = 0;       ///< over all its networks
  double multiply_adds = 0;         ///< of one sample's forward pass, over all its networks
  std::size_t bytes = 0;            ///< that training keeps: parameters, and the state of optimizer, balancer and masks
  double predict_microseconds = 0;  ///< median latency of one sample; depends on the machine
  std::vector<double>
      try_scores{};  ///< of each try, lower is better, NaN where training failed; empty if there was one
  std::vector<std::vector<std::string>> groups =
      {};  ///< names of tasks that share a network; empty if none were chosen
};

/// A matrix for the report to draw, such as an affinity between tasks or the overlap of masks.
struct MatrixRecord {
  std::string title;
  std::string rows, columns;  ///< what they mean, such as "affected task", "task whose step it was"
  std::vector<std::string> row_names, column_names;
  std::vector<double> values;           ///< (rows, columns); NaN where there is none
  std::vector<std::string> notes = {};  ///< a small line below each number, or none at all
};

/// A picture for the report to show, such as a super-resolved photo.
struct PictureRecord {
  std::string title, caption;
  std::string png;  ///< the bytes of a PNG file
};

/// What each task gains by each of some methods over one method, for the report to draw; gain_figure.hpp draws it alone.
struct GainRecord {
  std::string title;
  std::string unit;      ///< of the gains, such as "dB"
  std::string baseline;  ///< the method that they are over
  std::vector<std::string> tasks, methods;
  std::vector<double> gains;                   ///< (methods, tasks), positive is better; NaN where there is none
  std::vector<double> lower = {}, upper = {};  ///< an interval of each, or none at all
  std::vector<std::string> groups = {};        ///< a name for each task's group, or none at all
};

/// What a report says of pictures that nobody has compared.
inline constexpr const char* no_people =
    "No people have judged: what is said of pictures here rests on metrics, and they follow people only so far.";

/// All of a study.
struct Study {
  std::string title;
  std::string data;  ///< a sentence: what it is, how many samples train, validate and test
  std::vector<TaskRecord> tasks;
  std::vector<CandidateRecord> candidates;
  std::vector<RunRecord> runs;
  /// Test samples over training samples where each run has a random split of its own (then intervals have the
  /// Nadeau-Bengio correction); 0 where all runs share one split.
  double test_to_train = 0;
  std::vector<std::pair<std::string, std::string>> settings;  ///< epochs, batch size, versions, ... in order
  std::vector<MatrixRecord> matrices;
  double seconds =
      0;  ///< of the start that ended the study, on this machine: runs that a folder had took theirs before
  /// Fixed beforehand, in percent of delta_m: a candidate that surely loses less is "no worse". 0: not asked.
  double margin = 0;
  std::vector<PictureRecord> pictures = {};
  std::vector<GainRecord> task_gains = {};
  /// What people said of the pictures, in sentences (words of preference.hpp); without any the report says that none have judged.
  std::vector<std::string> people = {};
};

/// How many metrics a study's tasks have besides their primary ones.
[[gnu::cold]] inline std::size_t further_metrics(const Study& study) {
  std::size_t count = 0;
  for (const TaskRecord& task : study.tasks) count += task.more.size();
  return count;
}

}  // namespace mtlx::study
