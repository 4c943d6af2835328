// SPDX-License-Identifier: MIT
// z = softmax(s), D_i = l_i - minimum_i + 1e-8, c = sum_j z_j / D_j, w_i = z_i / (D_i c); the w sum to 1.
// After the update the same batch is evaluated again: delta_i = log D_i(before) - log D_i(after), and Adam descends on
// z_i (delta_i - sum_j z_j delta_j) + weight_decay s_i: a task that improved faster than the others loses weight.
// Reference: Liu et al., "FAMO: Fast Adaptive Multitask Optimization", NeurIPS 2023, algorithm 1.
#pragma once

#include <mtlx/balancing/laws.hpp>
#include <mtlx/balancing/per_task.hpp>
#include <mtlx/core/options.hpp>

namespace mtlx::balancing {

/// Balancer policy: all tasks' losses should fall at the same relative rate (FAMO). Costs two more forward passes a step
/// and no gradients of single tasks. A loss below `minimum` is an `Error`: it has no logarithm.
struct Famo {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::losses;

  double learning_rate = 0.025;  ///< of s
  double weight_decay = 1e-3;    ///< gamma of the paper
  PerTask minimum{};             ///< the least that each loss can be

  struct State {
    PerTask s{};
    PerTask log_before{};  // log D of the last step
    detail::TaskAdam adam{};
    void reset() { *this = {}; }
  };

  [[gnu::cold]] void validate() const {
    check_option("Famo: learning_rate", learning_rate);
    check_option("Famo: weight_decay", weight_decay);
    for (const double least : minimum) check_option("Famo: minimum", least, {-Range{}.most});
  }
  Laws laws() const { return {.permutation = minimum == PerTask{} ? Permutation::exact : Permutation::none}; }

  void weights(const Problem& problem, State& state, std::span<double> w) const {
    for (std::size_t i = 0; i < w.size(); ++i) w[i] = log_distance(problem, i);
    for (std::size_t i = 0; i < w.size(); ++i) {
      const std::size_t task = problem.task(i);
      state.log_before[task] = w[i];
      // softmax(s) / D, scaled to sum 1, is the softmax of s - log D.
      w[i] = state.s[task] - state.log_before[task];
    }
    detail::softmax(w);
  }
  void after(const Problem& problem, State& state) const {
    const std::size_t tasks = problem.losses.size();
    PerTask z, delta;
    for (std::size_t i = 0; i < tasks; ++i) {
      z[i] = state.s[problem.task(i)];
      delta[i] = state.log_before[problem.task(i)] - log_distance(problem, i);
    }
    detail::softmax({z.data(), tasks});
    double mean = 0;
    for (std::size_t i = 0; i < tasks; ++i) mean += z[i] * delta[i];
    for (std::size_t i = 0; i < tasks; ++i) {
      double& s = state.s[problem.task(i)];
      s -= state.adam.step(problem.task(i), z[i] * (delta[i] - mean) + weight_decay * s, learning_rate);
    }
  }

 private:
  double log_distance(const Problem& problem, std::size_t i) const {
    const double least = minimum[problem.task(i)];
    return std::log(detail::loss_of(problem, i, "Famo", least) - least + 1e-8);
  }
};

}  // namespace mtlx::balancing
