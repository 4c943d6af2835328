// SPDX-License-Identifier: MIT
// What several strategies reached over several seeds, and which was better, by how much, at what cost.
//
// delta_m of a strategy against single-task learning: for each task 100 (m - b) / b with its metric m and the baseline's b
// of the same seed, with the other sign where a lower metric is better; then the mean over the tasks. In percent,
// POSITIVE IS BETTER. (Papers also print the mean over all metrics with the opposite sign.)
// Reference: Maninis et al., "Attentive Single-Tasking of Multiple Tasks", CVPR 2019, eq. 4.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <mtlx/core/error.hpp>
#include <mtlx/core/file.hpp>
#include <mtlx/core/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace mtlx::study {

/// One task of one run.
struct TaskResult {
  std::string task;
  std::string metric;
  double value = 0;
  bool higher_is_better = true;
};

/// One training run.
struct Result {
  std::string strategy;
  std::uint64_t seed = 0;
  std::vector<TaskResult> tasks;
  std::size_t parameters = 0;
  double seconds = 0;  ///< to train

  /// The mean of the tasks' metrics.
  double mean() const {
    double total = 0;
    for (const TaskResult& task : tasks) total += task.value;
    return total / static_cast<double>(tasks.size());
  }
};

/// Every task's metric, from what a model's `evaluate` returns.
template <class Scores>
std::vector<TaskResult> task_results(const Scores& scores) {
  std::vector<TaskResult> results;
  for (std::size_t t = 0; t < Scores::TaskList::count; ++t)
    results.push_back({std::string(Scores::TaskList::names[t]), std::string(Scores::metric_names[t]),
                       scores.metrics()[t], Scores::higher_is_better[t]});
  return results;
}

/// A strategy's run against the baseline's: per task, then mean, in percent, positive is better. Throws `Error` if the
/// tasks are not the same or a baseline's metric is 0.
inline double delta_m(const Result& run, const Result& baseline) {
  if (run.tasks.size() != baseline.tasks.size() || run.tasks.empty())
    fail("delta_m: ", run.strategy, " has ", run.tasks.size(), " tasks and ", baseline.strategy, " ",
         baseline.tasks.size());
  double total = 0;
  for (std::size_t t = 0; t < run.tasks.size(); ++t) {
    const TaskResult &m = run.tasks[t], &b = baseline.tasks[t];
    if (m.task != b.task || m.metric != b.metric)
      fail("delta_m: ", run.strategy, " has the task \"", m.task, "\" where ", baseline.strategy, " has \"", b.task,
           "\"");
    if (b.value == 0) fail("delta_m: the baseline's ", b.metric, " of the task \"", b.task, "\" is 0");
    total += (m.higher_is_better ? 100 : -100) * (m.value - b.value) / b.value;
  }
  return total / static_cast<double>(run.tasks.size());
}

/// The mean of some numbers and, for two or more, their standard deviation (n - 1).
struct Spread {
  double mean = 0;
  double deviation = 0;

  static Spread of(const std::vector<double>& numbers) {
    Spread s;
    const auto n = static_cast<double>(numbers.size());
    for (const double x : numbers) s.mean += x / n;
    for (const double x : numbers) s.deviation += (x - s.mean) * (x - s.mean);
    s.deviation = numbers.size() > 1 ? std::sqrt(s.deviation / (n - 1)) : 0;
    return s;
  }
};

/// All runs of a comparison. The first strategy added is the baseline, single-task learning.
class Results {
 public:
  void add(Result result) { runs_.push_back(std::move(result)); }
  const std::vector<Result>& runs() const { return runs_; }

  /// delta_m of a run against the baseline's run of the same seed. Throws `Error` if there is none.
  double delta_m(const Result& run) const {
    for (const Result& baseline : runs_)
      if (baseline.strategy == runs_.front().strategy && baseline.seed == run.seed)
        return study::delta_m(run, baseline);
    fail("delta_m: the baseline ", runs_.front().strategy, " has no run with seed ", run.seed);
  }

  /// A line a strategy, mean and standard deviation over its seeds; and what follows from it, in words.
  std::string table() const {
    if (runs_.empty()) return "no runs\n";
    std::string text = line(
        "strategy", [&](std::size_t t) { return join(runs_[0].tasks[t].task, " ", runs_[0].tasks[t].metric); }, "mean",
        "delta_m", "parameters", "seconds");
    for (const std::string& strategy : strategies()) {
      const auto over = [&](auto number) {
        std::vector<double> numbers;
        for (const Result& run : runs_)
          if (run.strategy == strategy) numbers.push_back(number(run));
        return Spread::of(numbers);
      };
      const Spread parameters = over([](const Result& run) { return static_cast<double>(run.parameters); });
      const Spread seconds = over([](const Result& run) { return run.seconds; });
      text += line(
          strategy,
          [&](std::size_t t) { return number(over([t](const Result& run) { return run.tasks[t].value; }), "%.4f"); },
          number(over([](const Result& run) { return run.mean(); }), "%.4f"),
          strategy == runs_[0].strategy ? "0 (baseline)"
                                        : number(over([&](const Result& run) { return delta_m(run); }), "%+.2f"),
          formatted("%.0f", parameters.mean), formatted("%.1f", seconds.mean));
    }
    const std::size_t seeds = runs_of(runs_[0].strategy);
    text += join("delta_m: % against ", runs_[0].strategy, " with the same seed, per task, then mean; positive is ",
                 "better. ", seeds, seeds == 1 ? " seed.\n" : " seeds, mean +- standard deviation.\n");
    for (const std::string& strategy : strategies())
      if (strategy != runs_[0].strategy) text += verdict(strategy);
    return text;
  }

  /// {"results": [{"strategy", "seed", "tasks": {name: {metric: value}}, "mean_<metric>", "delta_m", "parameters",
  /// "seconds"}]}; numbers that are not finite are null.
  std::string json() const {
    std::string text = "{\"results\": [";
    for (std::size_t r = 0; r < runs_.size(); ++r) {
      const Result& run = runs_[r];
      text += join(r == 0 ? "\n" : ",\n", "  {\"strategy\": ", json_text(run.strategy), ", \"seed\": ", run.seed,
                   ", \"tasks\": {");
      for (std::size_t t = 0; t < run.tasks.size(); ++t)
        text += join(t == 0 ? "" : ", ", json_text(run.tasks[t].task), ": {", json_text(run.tasks[t].metric), ": ",
                     json_number(run.tasks[t].value), "}");
      text += join("}, ", json_text("mean_" + run.tasks[0].metric), ": ", json_number(run.mean()),
                   ", \"delta_m\": ", json_number(delta_m(run)), ", \"parameters\": ", run.parameters,
                   ", \"seconds\": ", json_number(run.seconds), "}");
    }
    return text + "\n]}\n";
  }

  /// Writes `json()` to a file. Throws `Error` if that fails.
  void write_json(const std::string& path) const { write_file(path, json()); }

 private:
  static std::string formatted(const char* format, double number) {
    char buffer[48];
    std::snprintf(buffer, sizeof buffer, format, number);
    return buffer;
  }
  static std::string number(const Spread& spread, const char* format) {
    std::string text = formatted(format, spread.mean);
    if (spread.deviation > 0) text += formatted(" +- %.4f", spread.deviation);
    return text;
  }

  template <class Column>
  std::string line(const std::string& first, Column&& column, const std::string& mean, const std::string& delta,
                   const std::string& parameters, const std::string& seconds) const {
    const auto pad = [](std::string text, std::size_t width) {
      text.resize(std::max(width, text.size() + 1), ' ');
      return text;
    };
    std::string text = pad(first, 14);
    for (std::size_t t = 0; t < runs_[0].tasks.size(); ++t) text += pad(column(t), 19);
    return text + pad(mean, 19) + pad(delta, 19) + pad(parameters, 12) + seconds + "\n";
  }

  std::vector<std::string> strategies() const {
    std::vector<std::string> names;
    for (const Result& run : runs_) {
      bool known = false;
      for (const std::string& name : names) known = known || name == run.strategy;
      if (!known) names.push_back(run.strategy);
    }
    return names;
  }

  std::size_t runs_of(const std::string& strategy) const {
    std::size_t count = 0;
    for (const Result& run : runs_) count += run.strategy == strategy;
    return count;
  }

  // What a strategy did, without a claim that the seeds can't bear.
  std::string verdict(const std::string& strategy) const {
    std::vector<double> deltas;
    double parameters = 0, seconds = 0, base_parameters = 0, base_seconds = 0;
    for (const Result& run : runs_) {
      if (run.strategy == strategy) {
        deltas.push_back(delta_m(run));
        parameters += static_cast<double>(run.parameters), seconds += run.seconds;
      } else if (run.strategy == runs_[0].strategy) {
        base_parameters += static_cast<double>(run.parameters), base_seconds += run.seconds;
      }
    }
    const Spread d = Spread::of(deltas);
    std::size_t better = 0;
    for (const double delta : deltas) better += delta > 0;
    return join(strategy, d.mean >= 0 ? " was better than " : " was worse than ", runs_[0].strategy, " by ",
                formatted("%.2f", std::abs(d.mean)), " % in the mean (better with ", better, " of ", deltas.size(),
                " seeds), with ", formatted("%.2f", parameters / base_parameters), " times its parameters and ",
                formatted("%.2f", seconds / base_seconds), " times its training time; ",
                "so few seeds make no test of significance.\n");
  }

  std::vector<Result> runs_;
};

}  // namespace mtlx::study
