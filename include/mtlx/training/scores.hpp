// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <mtlx/core/error.hpp>
#include <mtlx/core/name.hpp>
#include <mtlx/core/tasks.hpp>
#include <span>
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
  double loss, accuracy, rmse;
};

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

/// What `evaluate` returns: each task's loss and metric. `scores.get<"left">().accuracy`, `scores.get<0>().loss`, or by
/// run-time names `scores.value("left", "accuracy")`. A task without labels has NaN.
template <class TaskList>
class Scores;

template <class... Task>
class Scores<Tasks<Task...>> {
 public:
  using All = std::tuple<typename Task::Score...>;
  using TaskList = Tasks<Task...>;

  /// Each task's metric, and which way it is better.
  static constexpr std::array<std::string_view, TaskList::count> metric_names{Task::Metric::name...};
  static constexpr std::array<bool, TaskList::count> higher_is_better{Task::Metric::higher_is_better...};

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

  /// A task's "loss", or its metric by name. Throws `Error` if there is no such task or metric.
  double value(std::string_view task, std::string_view metric) const {
    const std::size_t t = TaskList::index(task);
    if (t == TaskList::count) fail("the model has no task \"", task, "\"");
    if (metric == "loss") return losses()[t];
    if (metric == metric_names[t]) return metrics()[t];
    fail("the task \"", task, "\" has no metric \"", metric, "\", only \"loss\" and \"", metric_names[t], "\"");
  }

  /// Each task's loss, and each task's metric, in the order of the tasks.
  std::array<double, TaskList::count> losses() const { return part<0>(); }
  std::array<double, TaskList::count> metrics() const { return part<1>(); }

 private:
  template <std::size_t i>
  std::array<double, TaskList::count> part() const {
    const auto one = [](const auto& score) {
      const auto& [loss, metric] = score;
      return i == 0 ? loss : metric;
    };
    return std::apply([&](const auto&... score) { return std::array<double, TaskList::count>{one(score)...}; },
                      scores_);
  }

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
