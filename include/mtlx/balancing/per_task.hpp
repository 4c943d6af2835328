// SPDX-License-Identifier: MIT
// What balancers share: numbers of tasks, the order in which others are visited, softmax, and Adam for what a balancer trains.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <mtlx/balancing/balancer.hpp>
#include <mtlx/core/error.hpp>
#include <mtlx/core/task_set.hpp>
#include <span>
#include <string_view>

namespace mtlx::balancing {

/// A number for each task of the model, by its place in the model's task list.
using PerTask = std::array<double, TaskSet::capacity>;

namespace detail {

// Losses below count as this in a logarithm, and have weight 0: log(max(loss, least_loss)) is flat there. In single
// precision 1 over it is still finite.
inline constexpr double least_loss = 1e-30;

[[noreturn, gnu::cold, gnu::noinline]] inline void refuse_loss(std::string_view method, std::size_t task, double loss,
                                                               double least) {
  fail(method, ": the loss of task ", task, " (the first is 0) is ", loss, ", and must be at least ", least);
}

[[noreturn, gnu::cold, gnu::noinline]] inline void refuse_no_loss(std::string_view method) {
  fail(method, ": it goes by the losses too, and none are given");
}

/// The tasks but `task` of the first `tasks`, in random order; they lie in `order`.
inline std::span<const std::size_t> others_at_random(std::size_t task, std::size_t tasks, Random& random,
                                                     std::array<std::size_t, TaskSet::capacity>& order) {
  std::size_t others = 0;
  for (std::size_t j = 0; j < tasks; ++j)
    if (j != task) order[others++] = j;
  random.shuffle(std::span(order.data(), others));
  return {order.data(), others};
}

// to = (f_i <g_i, g_j> f_j) of some of the problem's rows.
[[gnu::noinline]] inline void scaled_gram(const Problem& problem, std::span<const std::size_t> rows,
                                          const double* factors, double* to) {
  for (std::size_t i = 0; i < rows.size(); ++i)
    for (std::size_t j = 0; j < rows.size(); ++j) *to++ = factors[i] * problem.g(rows[i], rows[j]) * factors[j];
}

/// The loss of the i-th task; throws `Error` if it is below `least`, or not given.
inline double loss_of(const Problem& problem, std::size_t i, std::string_view method, double least = 0) {
  if (i >= problem.losses.size()) refuse_no_loss(method);
  if (problem.losses[i] < least) refuse_loss(method, problem.task(i), problem.losses[i], least);
  return problem.losses[i];
}
/// The same for all of them, before anything changes.
inline void check_losses(const Problem& problem, std::string_view method) {
  for (std::size_t i = 0; i < problem.losses.size(); ++i) loss_of(problem, i, method);
}
/// Its logarithm.
inline double log_loss_of(const Problem& problem, std::size_t i, std::string_view method) {
  return std::log(std::max(loss_of(problem, i, method), least_loss));
}

/// Numbers become their softmax; returns log sum exp. None stay none.
inline double softmax(std::span<double> x) {
  if (x.empty()) return 0;
  const double largest = *std::max_element(x.begin(), x.end());
  double sum = 0;
  for (double& number : x) sum += number = std::exp(number - largest);
  for (double& number : x) number /= sum;
  return largest + std::log(sum);
}

/// Adam for one number a task, with the constants of its paper. A task that is absent stands still.
struct TaskAdam {
  PerTask m{}, v{};
  std::array<std::uint64_t, TaskSet::capacity> steps{};

  /// What is to be subtracted from the task's number.
  double step(std::size_t task, double gradient, double learning_rate) {
    constexpr double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
    const auto t = static_cast<double>(++steps[task]);
    m[task] = beta1 * m[task] + (1 - beta1) * gradient;
    v[task] = beta2 * v[task] + (1 - beta2) * gradient * gradient;
    const double mean = m[task] / (1 - std::pow(beta1, t)), square = v[task] / (1 - std::pow(beta2, t));
    return learning_rate * mean / (std::sqrt(square) + epsilon);
  }
};

}  // namespace detail

}  // namespace mtlx::balancing
