// SPDX-License-Identifier: MIT
// Two tasks conflict in a step where the cosine between their gradients on the shared parameters is negative: a step
// along one then raises the other's loss, to first order.
// Reference: Yu et al., "Gradient Surgery for Multi-Task Learning", NeurIPS 2020, definition 1.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <mtlx/core/csv.hpp>
#include <mtlx/core/error.hpp>
#include <mtlx/core/file.hpp>
#include <mtlx/training/observer.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace mtlx::training {

/// Means over steps of what the tasks' gradients have to do with each other. Where a step has no Gram matrix, for its
/// balancer needs no gradients, only the weights are known.
class ConflictMeans {
 public:
  explicit ConflictMeans(std::size_t tasks = 0)
      : tasks_(tasks), pairs_(tasks * tasks), lengths_(tasks), weights_(tasks) {}

  void add(const Step& step) {
    const std::size_t n = step.present.count();
    std::size_t i = 0;
    for (std::size_t a = 0; a < tasks_; ++a) {
      if (!step.present.has(a)) continue;
      weights_[a].add(step.weights[a]);
      if (!step.gram.empty()) add_row(step, a, i++, n);
    }
  }
  void clear() { *this = ConflictMeans(tasks_); }

  /// Whether no pair of tasks, and no task with itself, has been seen.
  bool empty() const {
    return std::all_of(pairs_.begin(), pairs_.end(), [](const Pair& pair) { return pair.cosine.count == 0; });
  }
  /// Mean cosine : (tasks, tasks); NaN where the two never had gradients in one step.
  std::vector<double> cosines() const {
    return values(pairs_, [](const Pair& pair) { return pair.cosine.value(); });
  }
  /// The share of steps in which the cosine is negative : (tasks, tasks); NaN as above.
  std::vector<double> conflicts() const {
    return values(pairs_, [](const Pair& pair) { return pair.against.value(); });
  }
  /// Mean length of each task's gradient, NaN where there was none.
  std::vector<double> lengths() const {
    return values(lengths_, [](const Mean& mean) { return mean.value(); });
  }
  /// Mean weight of each task in the steps in which it was present, else NaN.
  std::vector<double> weights() const {
    return values(weights_, [](const Mean& mean) { return mean.value(); });
  }

 private:
  struct Mean {
    double sum = 0, count = 0;
    void add(double x) { sum += x, count += 1; }
    double value() const { return count > 0 ? sum / count : std::numeric_limits<double>::quiet_NaN(); }
  };
  struct Pair {
    Mean cosine, against;
  };

  // Task a, which is the i-th of the n present, with those behind it.
  void add_row(const Step& step, std::size_t a, std::size_t i, std::size_t n) {
    const double length = std::sqrt(step.gram[i * n + i]);
    lengths_[a].add(length);
    std::size_t j = i;
    for (std::size_t b = a; b < tasks_; ++b) {
      if (!step.present.has(b)) continue;
      const double lengths = length * std::sqrt(step.gram[j * n + j]);
      const double product = step.gram[i * n + j++];
      if (!(lengths > 0)) continue;  // a gradient of zero has no direction
      const double cosine = std::clamp(product / lengths, -1.0, 1.0);
      for (Pair* pair : {&pairs_[a * tasks_ + b], &pairs_[b * tasks_ + a]}) {
        pair->cosine.add(cosine);
        pair->against.add(cosine < 0 ? 1 : 0);
        if (a == b) break;
      }
    }
  }
  template <class Item, class Function>
  static std::vector<double> values(const std::vector<Item>& items, Function value) {
    std::vector<double> result;
    for (const Item& item : items) result.push_back(value(item));
    return result;
  }

  std::size_t tasks_;
  std::vector<Pair> pairs_;
  std::vector<Mean> lengths_, weights_;
};

/// Keeps how the tasks' gradients get on with each other, epoch by epoch, and writes it as CSV. Cosines, conflicts and
/// lengths are there only with a balancer that needs gradients (balancing::PcGrad, ...); with any other the weights alone
/// are, for nobody computes a gradient for each task. It costs no pass.
class Conflicts : public Observer {
 public:
  /// One epoch's means, or one step. Vectors are as those of ConflictMeans, NaN where there is none.
  struct Row {
    std::size_t network = 0;  ///< counts the groups of tasks
    std::size_t epoch = 0;    ///< from 0
    std::size_t step = 0;     ///< in the epoch, from 0
    bool whole_epoch = true;  ///< and not the step alone
    std::vector<double> cosines, conflicts, lengths, weights;
  };

  /// `every`: keeps every so manyeth step of an epoch, too; 0: none.
  explicit Conflicts(std::size_t every = 0) : every_(every) {}

  [[gnu::cold]] void on_begin(const Run& run) override {
    tasks_.assign(run.tasks.begin(), run.tasks.end());
    network_ = run.network;
    means_ = one_ = ConflictMeans(tasks_.size());
  }
  void on_step(const Step& step) override {
    means_.add(step);
    if (every_ == 0 || step.step % every_ != 0) return;
    one_.clear();
    one_.add(step);
    keep(one_, step.epoch, step.step, false);
  }
  [[gnu::cold]] void on_epoch(const Epoch& epoch) override {
    keep(means_, epoch.epoch, 0, true);
    means_.clear();
  }

  /// In the order in which they ended.
  const std::vector<Row>& rows() const { return rows_; }
  /// The means of an epoch of a network, or nullptr.
  const Row* epoch(std::size_t epoch, std::size_t network = 0) const {
    const auto found = std::find_if(rows_.begin(), rows_.end(), [&](const Row& row) {
      return row.whole_epoch && row.epoch == epoch && row.network == network;
    });
    return found == rows_.end() ? nullptr : &*found;
  }

  /// The rows as CSV with a header: network, epoch and step (from 1; no step where it is the epoch's mean), then each
  /// task's weight and gradient's length, then for each two tasks a and b `a/b_cosine` and `a/b_conflicts`, the share of
  /// steps with a negative cosine; empty where there is none.
  std::string csv() const {
    std::string text = "network,epoch,step";
    for (const std::string& task : tasks_)
      text += join(",", csv_text(task + "_weight"), ",", csv_text(task + "_length"));
    for_each_pair([&](std::size_t a, std::size_t b) {
      const std::string both = join(tasks_[a], "/", tasks_[b]);
      text += join(",", csv_text(both + "_cosine"), ",", csv_text(both + "_conflicts"));
    });
    text += '\n';
    for (const Row& row : rows_) {
      text += join(row.network, ",", row.epoch + 1, ",");
      if (!row.whole_epoch) text += join(row.step + 1);
      for (std::size_t t = 0; t < tasks_.size(); ++t) add(text, row.weights[t]), add(text, row.lengths[t]);
      for_each_pair([&](std::size_t a, std::size_t b) {
        add(text, row.cosines[a * tasks_.size() + b]);
        add(text, row.conflicts[a * tasks_.size() + b]);
      });
      text += '\n';
    }
    return text;
  }

  /// Writes `csv()` to a file. Throws `Error` if that fails.
  void write_csv(const std::string& path) const { write_file(path, csv()); }

 private:
  [[gnu::cold]] void keep(const ConflictMeans& means, std::size_t epoch, std::size_t step, bool whole_epoch) {
    rows_.push_back(
        {network_, epoch, step, whole_epoch, means.cosines(), means.conflicts(), means.lengths(), means.weights()});
  }
  template <class Function>
  void for_each_pair(Function function) const {
    for (std::size_t a = 0; a < tasks_.size(); ++a)
      for (std::size_t b = a + 1; b < tasks_.size(); ++b) function(a, b);
  }
  static void add(std::string& text, double number) { text += join(",", csv_number(number)); }

  std::size_t every_;
  std::vector<std::string> tasks_;
  std::size_t network_ = 0;
  ConflictMeans means_, one_;
  std::vector<Row> rows_;
};

}  // namespace mtlx::training
