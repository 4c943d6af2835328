// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdio>
#include <mtlx/core/error.hpp>
#include <mtlx/core/file.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/training/observer.hpp>
#include <string>
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
    if (rows_.empty()) {
      tasks_.assign(run.tasks.begin(), run.tasks.end());
      metrics_.assign(run.metrics.begin(), run.metrics.end());
      network_ = 0;
    } else {
      ++network_;
    }
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
      text += join(",", tasks_[t], "_loss,", tasks_[t], "_validation_loss,", tasks_[t], "_validation_", metrics_[t]);
    text += '\n';
    for (const Row& row : rows_) {
      text += join(row.network, ",", row.epoch + 1);
      add(text, row.seconds);
      for (std::size_t t = 0; t < tasks_.size(); ++t)
        for (const auto* numbers : {&row.losses, &row.validation_losses, &row.validation_metrics})
          if (t < numbers->size() && is_finite((*numbers)[t]))
            add(text, (*numbers)[t]);
          else
            text += ',';
      text += '\n';
    }
    return text;
  }

  /// Writes `csv()` to a file. Throws `Error` if that fails.
  void write_csv(const std::string& path) const { write_file(path, csv()); }

 private:
  static void add(std::string& text, double number) {
    char buffer[40];
    std::snprintf(buffer, sizeof buffer, ",%.9g", number);
    text += buffer;
  }

  std::vector<std::string> tasks_, metrics_;
  std::size_t network_ = 0;
  std::vector<Row> rows_;
};

}  // namespace mtlx::training
