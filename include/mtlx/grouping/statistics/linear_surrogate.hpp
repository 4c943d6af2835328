// SPDX-License-Identifier: MIT
// A linear model of what comes of training a task with others, fitted to some trained subsets:
//   f_i(S) = theta_i0 + sum over partners j in S, j != i, of theta_ij.
// The coefficients of each task minimise sum_k (y_k - f_i(S_k))^2 + lambda sum_j theta_ij^2, theta_i0 free. lambda is one for
// all tasks: of a grid, the one with the smallest error on subsets left out, each task's in units of the error of its mean.
// A subset left out is so with all its runs; the errors are exact and cost no second fit: with H the fit's hat matrix,
// (I - H_SS) e_S = y_S - f(S).
// Reference: Li, Nguyen, Zhang, "Identification of Negative Transfers in Multitask Learning Using Surrogate Models", TMLR
// 2023 (least squares there: lambda = 0).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <mtlx/core/error.hpp>
#include <mtlx/core/options.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/core/task_set.hpp>
#include <mtlx/grouping/detail/dense.hpp>
#include <span>
#include <utility>
#include <vector>

namespace mtlx::grouping {

/// One number of one training: how the task fared when the group trained together.
struct GroupResult {
  std::size_t run = 0;  ///< trainings with the same first weights (checkpoint, seed, batches) have the same number
  TaskSet group = {};   ///< holds the task
  std::size_t task = 0;
  double value = 0;  ///< higher is better
};

namespace detail {

/// Throws `Error` unless every result is a finite number of a task that is in its group of tasks of the model.
[[gnu::cold, gnu::noinline]] inline void check_results(const char* of, std::span<const GroupResult> results,
                                                       std::size_t tasks) {
  if (tasks < 2 || tasks > TaskSet::capacity) fail(of, ": from 2 to ", TaskSet::capacity, " tasks, and not ", tasks);
  std::vector<std::size_t> counts(tasks);
  for (std::size_t n = 0; n < results.size(); ++n) {
    const GroupResult& r = results[n];
    if (r.task >= tasks || !((r.group | TaskSet::first(tasks)) == TaskSet::first(tasks)) || !r.group.has(r.task))
      fail(of, ": result ", n, " is of task ", r.task, ", which must be in its group and one of ", tasks);
    if (!is_finite(r.value)) fail(of, ": result ", n, ", of task ", r.task, ", is not finite");
    ++counts[r.task];
  }
  for (std::size_t t = 0; t < tasks; ++t)
    if (counts[t] == 0) fail(of, ": task ", t, " has no result");
}

/// The results of one task, those of a subset one after the other.
[[gnu::cold, gnu::noinline]] inline std::vector<GroupResult> results_of(std::span<const GroupResult> results,
                                                                        std::size_t task) {
  std::vector<GroupResult> found;
  for (const GroupResult& r : results)
    if (r.task == task) found.push_back(r);
  std::stable_sort(found.begin(), found.end(), [](const GroupResult& a, const GroupResult& b) {
    return a.group.bits() != b.group.bits() ? a.group.bits() < b.group.bits() : a.run < b.run;
  });
  return found;
}

/// The place of a partner among a task's partners.
constexpr std::size_t partner_place(std::size_t task, std::size_t partner) {
  return partner - (partner > task ? 1 : 0);
}
/// And the partner at that place.
constexpr std::size_t partner_at(std::size_t task, std::size_t place) { return place + (place >= task ? 1 : 0); }

/// x : (results of a task, partners), 1 where the partner was in the group.
[[gnu::cold, gnu::noinline]] inline Matrix partners_in(std::span<const GroupResult> results, std::size_t tasks) {
  Matrix x(static_cast<Index>(results.size()), static_cast<Index>(tasks - 1));
  for (Index n = 0; n < x.rows(); ++n)
    for (Index p = 0; p < x.cols(); ++p) {
      const GroupResult& r = results[static_cast<std::size_t>(n)];
      x(n, p) = r.group.has(partner_at(r.task, static_cast<std::size_t>(p))) ? 1 : 0;
    }
  return x;
}

}  // namespace detail

/// What a `LinearSurrogate` is fitted with.
struct SurrogateOptions {
  double strength = -1;  ///< lambda; 0: least squares; negative: chosen, from 10^-3 to 10^3 in steps of 10^(1/4)
};

/// The fitted model.
struct LinearSurrogate {
  std::size_t tasks = 0;
  std::vector<double> intercepts = {};  ///< theta_i0, a task each
  std::vector<double> theta = {};       ///< (affected, acting), row by row; 0 on the diagonal
  double strength = 0;                  ///< lambda
  /// 1 - squared errors on subsets left out / those of the mean of the others: above 0, it says more than that mean does. All
  /// tasks together, and each; NaN where a task was measured in only one subset, or lambda is 0 and a coefficient hangs on one.
  double held_out_r2 = 0;
  std::vector<double> task_r2 = {};

  /// What is expected for the task in a group that holds it.
  double operator()(std::size_t task, TaskSet group) const {
    double value = intercepts[task];
    for (std::size_t t = 0; t < tasks; ++t)
      if (group.has(t)) value += theta[task * tasks + t];
    return value;
  }
};

namespace detail {

/// One task's part of a linear surrogate.
class RidgeOfTask {
 public:
  [[gnu::cold, gnu::noinline]] RidgeOfTask(std::vector<GroupResult> results, std::size_t tasks)
      : results_(std::move(results)) {
    const std::size_t n = results_.size();
    x_ = partners_in(results_, tasks);
    y_.resize(x_.rows(), 1);
    for (std::size_t k = 0; k < n; ++k) y_(row(k), 0) = results_[k].value;
    mean_ = centre(y_, 0);
    for (Index p = 0; p < x_.cols(); ++p) means_.push_back(centre(x_, p));
    gram_ = transposed_times(x_, x_);
    products_ = transposed_times(x_, y_);
    for (std::size_t k = 0; k < n; ++k)
      if (k == 0 || !(results_[k].group == results_[k - 1].group)) starts_.push_back(k);
    starts_.push_back(n);
    // Without partners in the model what is left of it is the mean of the other subsets.
    for (std::size_t s = 0; subsets() >= 2 && s < subsets(); ++s) {
      const double others = -sum(y_, s) / static_cast<double>(n - size(s));
      for (std::size_t k = starts_[s]; k < starts_[s + 1]; ++k) {
        const double error = y_(row(k), 0) - others;
        null_ += error * error;
      }
    }
  }

  std::size_t subsets() const { return starts_.size() - 1; }
  double results() const { return static_cast<double>(results_.size()); }
  /// Squared errors of the mean of the other subsets; 0 for less than two of them.
  double null() const { return null_; }

  /// theta for a strength; the squared errors on subsets left out go to `press` (-1: there are none).
  [[gnu::cold, gnu::noinline]] std::vector<double> fit(double strength, double& press) const {
    Matrix system = gram_;
    double trace = 1;
    for (Index p = 0; p < system.rows(); ++p) trace += gram_(p, p);
    // So that a partner that was always there, or never, has a coefficient: 0.
    for (Index p = 0; p < system.rows(); ++p) system(p, p) += std::max(strength, 1e-12 * trace);
    const Root root(system);
    const Matrix theta = root.solve(products_), fitted = times(x_, theta), white = root.whiten(x_.transpose());
    press = 0;
    for (std::size_t s = 0; s < subsets(); ++s) {
      // In a subset all rows of x are the same: (I - h 1 1') e = r.
      double h = 1 / results(), rest = sum(y_, s) - sum(fitted, s);
      for (Index p = 0; p < white.rows(); ++p) h += white(p, row(starts_[s])) * white(p, row(starts_[s]));
      const double left = 1 - h * static_cast<double>(size(s));
      if (left < 1e-9) {
        press = -1;  // without a penalty: a coefficient that only this subset tells
        break;
      }
      for (std::size_t k = starts_[s]; k < starts_[s + 1]; ++k) {
        const double error = y_(row(k), 0) - fitted(row(k), 0) + h * rest / left;
        press += error * error;
      }
    }
    return {theta.data(), theta.data() + theta.size()};
  }

  double intercept(std::span<const double> theta) const {
    double value = mean_;
    for (std::size_t p = 0; p < theta.size(); ++p) value -= means_[p] * theta[p];
    return value;
  }

 private:
  static Index row(std::size_t n) { return static_cast<Index>(n); }
  std::size_t size(std::size_t subset) const { return starts_[subset + 1] - starts_[subset]; }
  double sum(const Matrix& numbers, std::size_t subset) const {
    double total = 0;
    for (std::size_t k = starts_[subset]; k < starts_[subset + 1]; ++k) total += numbers(row(k), 0);
    return total;
  }
  // Takes a column's mean off it.
  static double centre(Matrix& columns, Index c) {
    double mean = 0;
    for (Index k = 0; k < columns.rows(); ++k) mean += columns(k, c) / static_cast<double>(columns.rows());
    for (Index k = 0; k < columns.rows(); ++k) columns(k, c) -= mean;
    return mean;
  }

  std::vector<GroupResult> results_;
  Matrix x_, y_, gram_, products_;  // centred
  std::vector<double> means_;       // of x
  double mean_ = 0, null_ = 0;
  std::vector<std::size_t> starts_;  // of the subsets, and the end
};

}  // namespace detail

/// Fits the model to results of trained subsets, of all tasks. Groups of the task alone are welcome: they carry theta_i0.
/// Which task helps: theta > 0. Throws `Error` if a task has no result, at a number that is not finite, for a task that isn't
/// in its group, and where lambda is to be chosen but no task was measured in two different subsets.
[[gnu::cold, gnu::noinline]] inline LinearSurrogate fit_linear_surrogate(std::span<const GroupResult> results,
                                                                         std::size_t tasks,
                                                                         const SurrogateOptions& options = {}) {
  detail::check_results("fit_linear_surrogate", results, tasks);
  if (!is_finite(options.strength)) fail("SurrogateOptions::strength is not finite");
  std::vector<detail::RidgeOfTask> parts;
  bool can_choose = false;
  for (std::size_t t = 0; t < tasks; ++t) {
    parts.emplace_back(detail::results_of(results, t), tasks);
    can_choose = can_choose || parts.back().null() > 0;
  }
  // Errors in units of the mean's, averaged over results.
  const auto error = [&](double strength) {
    double total = 0, count = 0;
    for (const detail::RidgeOfTask& part : parts) {
      if (!(part.null() > 0)) continue;
      double press = 0;
      part.fit(strength, press);
      if (press < 0) return -1.0;
      total += part.results() * press / part.null();
      count += part.results();
    }
    return total / count;
  };

  LinearSurrogate model{.tasks = tasks, .strength = options.strength};
  if (options.strength < 0) {
    if (!can_choose)
      fail("fit_linear_surrogate: to choose lambda a task must have different values in different subsets");
    double least = std::numeric_limits<double>::max();
    for (int step = 0; step <= 24; ++step) {
      const double strength = std::pow(10.0, -3 + 0.25 * step), found = error(strength);
      if (found < least) least = found, model.strength = strength;
    }
  }
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  const double left_out = can_choose ? error(model.strength) : -1;
  model.held_out_r2 = left_out < 0 ? nan : 1 - left_out;
  model.theta.resize(tasks * tasks);
  for (std::size_t t = 0; t < tasks; ++t) {
    double press = 0;
    const std::vector<double> theta = parts[t].fit(model.strength, press);
    model.intercepts.push_back(parts[t].intercept(theta));
    model.task_r2.push_back(parts[t].null() > 0 && press >= 0 ? 1 - press / parts[t].null() : nan);
    for (std::size_t p = 0; p + 1 < tasks; ++p) model.theta[t * tasks + detail::partner_at(t, p)] = theta[p];
  }
  return model;
}

}  // namespace mtlx::grouping
