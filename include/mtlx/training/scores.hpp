// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <mtlx/core/error.hpp>
#include <mtlx/core/name.hpp>
#include <mtlx/core/tasks.hpp>
#include <mtlx/nn/metric.hpp>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

namespace mtlx::training {

namespace detail {

/// Takes part in every expression and says nothing.
struct Anything {
  Anything() = default;
  template <class T>
  operator T() const;  // NOLINT: becomes everything
  template <Name>
  const Anything& get() const;
  template <std::size_t>
  const Anything& get() const;
  double value(auto&&...) const;
  int label(auto&&...) const;
  std::size_t size() const;
  std::span<const float> operator[](std::size_t) const;
  std::span<const float> values() const;
  std::span<const double> losses() const;
  std::span<const double> metrics() const;
  double loss, accuracy, rmse, mae, r2, f1, micro_f1, span_f1, roc_auc, average_precision;
};

template <class>
using Number = double;

// The part of the task of that name, or, after the one sentence that says that there is none, Anything.
template <Name name, class TaskList, class All>
decltype(auto) part_of_task(const All& all) {
  constexpr std::size_t t = TaskList::index(name.view());
  static_assert(t < TaskList::count, "mtlx: the model has no task of that name");
  if constexpr (t < TaskList::count)
    return std::get<t>(all);
  else
    return Anything();
}

}  // namespace detail

/// A task's loss and, from each of its metrics, the member that its Value names: `score.loss`, `score.accuracy`.
struct LossScore {
  double loss = 0;
};
template <class Metrics>
struct ScoreOf;
template <class... M>
struct ScoreOf<nn::Metrics<M...>> : LossScore, M::Value... {
  ScoreOf() = default;
  constexpr ScoreOf(double loss_of_task, detail::Number<M>... values) : LossScore{loss_of_task}, M::Value{values}... {}
};
template <class Task>
using Score = ScoreOf<nn::MetricsOf<typename Task::Metric>>;

namespace detail {

template <class Value>
double number_in(const Value& value) {
  const auto& [number] = value;
  return number;
}
template <class... M>
std::array<double, sizeof...(M)> values_in(const ScoreOf<nn::Metrics<M...>>& score) {
  return {number_in<typename M::Value>(score)...};
}
template <class... M>
ScoreOf<nn::Metrics<M...>> make_score(double loss, const nn::Metrics<M...>& metrics) {
  return [&]<std::size_t... i>(std::index_sequence<i...>, const auto& values) {
    return ScoreOf<nn::Metrics<M...>>(loss, values[i]...);
  }(std::index_sequence_for<M...>(), metrics.values());
}

}  // namespace detail

/// One metric of one task.
struct MetricScore {
  std::string_view task;
  std::string_view metric;
  double value = 0;
  bool higher_is_better = true;
};

/// What `evaluate` returns: each task's loss and metrics. `scores.get<"left">().accuracy`, `scores.get<0>().loss`, or by
/// run-time names `scores.value("left", "accuracy")`. A task without labels has NaN.
template <class TaskList>
class Scores;

template <class... Task>
class Scores<Tasks<Task...>> {
 public:
  using All = std::tuple<Score<Task>...>;
  using TaskList = Tasks<Task...>;

  /// Each task's primary metric, and which way it is better.
  static constexpr std::array<std::string_view, TaskList::count> metric_names{Task::Metric::name...};
  static constexpr std::array<bool, TaskList::count> higher_is_better{Task::Metric::higher_is_better...};

  /// Metrics of all tasks together.
  static constexpr std::size_t metric_count = (0 + ... + nn::MetricsOf<typename Task::Metric>::count);

  explicit Scores(All scores) : scores_(scores) {}

  /// One task's score, by its name.
  template <Name name>
  decltype(auto) get() const {
    return detail::part_of_task<name, TaskList>(scores_);
  }
  /// One task's score, by its position.
  template <std::size_t index>
  const auto& get() const {
    return std::get<index>(scores_);
  }

  /// A task's "loss", or one of its metrics by name. Throws `Error` if there is no such task or metric.
  [[gnu::cold]] double value(std::string_view task, std::string_view metric) const {
    const std::size_t t = TaskList::index(task);
    if (t == TaskList::count) fail("the model has no task \"", task, "\"");
    if (metric == "loss") return losses()[t];
    std::string known = "\"loss\"", last;
    for (const MetricScore& score : all_metrics()) {
      if (score.task != task) continue;
      if (score.metric == metric) return score.value;
      if (!last.empty()) known = join(known, ", ", last);
      last = join("\"", score.metric, "\"");
    }
    fail("the task \"", task, "\" has no metric \"", metric, "\", only ", known, " and ", last);
  }

  /// Each task's loss, and each task's primary metric, in the order of the tasks.
  std::array<double, TaskList::count> losses() const {
    return std::apply([](const auto&... score) { return std::array{score.LossScore::loss...}; }, scores_);
  }
  std::array<double, TaskList::count> metrics() const {
    return std::apply([](const auto&... score) { return std::array{detail::values_in(score)[0]...}; }, scores_);
  }
  /// Every metric of every task, task after task, the primary one first.
  std::array<MetricScore, metric_count> all_metrics() const {
    std::array<MetricScore, metric_count> all;
    std::size_t next = 0;
    const auto add = [&]<class... M>(std::string_view task, const ScoreOf<nn::Metrics<M...>>& score) {
      const auto values = detail::values_in(score);
      for (std::size_t i = 0; i < sizeof...(M); ++i)
        all[next++] = {task, nn::Metrics<M...>::names[i], values[i], nn::Metrics<M...>::directions[i]};
    };
    std::apply([&](const auto&... score) { (add(Task::name.view(), score), ...); }, scores_);
    return all;
  }

 private:
  All scores_;
};

/// What `predict` returns: each task's answers, `answers.get<"left">()`.
template <class TaskList>
class Predictions;

template <class... Task>
class Predictions<Tasks<Task...>> {
 public:
  using All = std::tuple<typename Task::Prediction...>;
  using TaskList = Tasks<Task...>;

  explicit Predictions(All answers) : answers_(std::move(answers)) {}

  /// One task's answers, by its name.
  template <Name name>
  decltype(auto) get() const {
    return detail::part_of_task<name, TaskList>(answers_);
  }
  /// One task's answers, by its position.
  template <std::size_t index>
  const auto& get() const {
    return std::get<index>(answers_);
  }

 private:
  All answers_;
};

}  // namespace mtlx::training
