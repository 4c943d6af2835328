// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <mtlx/core/csv.hpp>
#include <mtlx/core/error.hpp>
#include <mtlx/core/file.hpp>
#include <mtlx/core/json.hpp>
#include <mtlx/training/observer.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace mtlx::training {

/// Keeps what each epoch ended with, and writes it as CSV.
class History : public Observer {
 public:
  /// One epoch of one network; entries of the vectors belong to the tasks, NaN where a task had no labels.
  struct Row {
    std::size_t network = 0;  ///< counts the groups of tasks
    std::size_t epoch = 0;
    double seconds = 0;
    std::vector<double> losses, validation_losses, validation_metrics;
  };

  void on_begin(const Run& run) override {
    tasks_.assign(run.tasks.begin(), run.tasks.end());
    metrics_.assign(run.metrics.begin(), run.metrics.end());
    network_ = run.network;
  }
  void on_epoch(const Epoch& epoch) override {
    const auto copy = [](std::span<const double> numbers) {
      return std::vector<double>(numbers.begin(), numbers.end());
    };
    rows_.push_back({network_, epoch.epoch, epoch.seconds, copy(epoch.losses), copy(epoch.validation_losses),
                     copy(epoch.validation_metrics)});
  }

  const std::vector<Row>& rows() const { return rows_; }

  /// The rows as CSV with a header: network, epoch (from 1), seconds, then for each task loss, validation loss and
  /// validation metric; empty where there is none.
  std::string csv() const {
    std::string text = "network,epoch,seconds";
    for (std::size_t t = 0; t < tasks_.size(); ++t)
      for (const std::string& what : {std::string("loss"), std::string("validation_loss"), "validation_" + metrics_[t]})
        text += join(",", csv_text(join(tasks_[t], "_", what)));
    text += '\n';
    for (const Row& row : rows_) {
      text += join(row.network, ",", row.epoch + 1, ",", csv_number(row.seconds));
      for (std::size_t t = 0; t < tasks_.size(); ++t)
        for (const auto* numbers : {&row.losses, &row.validation_losses, &row.validation_metrics})
          text += join(",", t < numbers->size() ? csv_number((*numbers)[t]) : "");
      text += '\n';
    }
    return text;
  }

  /// Writes `csv()` to a file. Throws `Error` if that fails.
  void write_csv(const std::string& path) const { write_file(path, csv()); }

 private:
  std::vector<std::string> tasks_, metrics_;
  std::size_t network_ = 0;
  std::vector<Row> rows_;
};

/// Writes each epoch to a file as it ends, one JSON object a line behind what the file has:
///   {"network": 0, "epoch": 1, "seconds": 1.5, "best": true, "stopped": false,
///    "tasks": {"left": {"loss": 0.5, "validation_loss": 0.6, "validation_accuracy": 0.8}}}
/// Epochs count from 1; null where there is none. A run that is killed and resumed may write its last epoch twice.
class JsonLines : public Observer {
 public:
  explicit JsonLines(std::string path) : path_(std::move(path)) {}

  void on_begin(const Run& run) override { run_ = run; }
  [[gnu::cold]] void on_epoch(const Epoch& epoch) override {
    const auto flag = [](bool set) { return set ? "true" : "false"; };
    const auto number = [](std::span<const double> numbers, std::size_t t) {
      return t < numbers.size() ? json_number(numbers[t]) : std::string("null");
    };
    std::string line = join("{\"network\": ", run_.network, ", \"epoch\": ", epoch.epoch + 1,
                            ", \"seconds\": ", json_number(epoch.seconds), ", \"best\": ", flag(epoch.best),
                            ", \"stopped\": ", flag(epoch.stopped), ", \"tasks\": {");
    for (std::size_t t = 0; t < run_.tasks.size(); ++t)
      line += join(t == 0 ? "" : ", ", json_text(run_.tasks[t]), ": {\"loss\": ", number(epoch.losses, t),
                   ", \"validation_loss\": ", number(epoch.validation_losses, t), ", ",
                   json_text(join("validation_", run_.metrics[t])), ": ", number(epoch.validation_metrics, t), "}");
    // A line that an earlier end of power cut short must not swallow this one.
    const bool cut = first_ && file_exists(path_) && !ends_in(path_, '\n');
    first_ = false;
    append_file(path_, (cut ? "\n" : "") + line + "}}\n");
  }

 private:
  std::string path_;
  bool first_ = true;
  Run run_;  // its names are the model's, and outlive the run
};

}  // namespace mtlx::training
