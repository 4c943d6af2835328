// SPDX-License-Identifier: MIT
// S_i <- S_i + g_i² (per shared parameter),  e_i = sum g_i² / sqrt(S_i + 1e-7), an estimate of how far the task is from
// its best loss;  w_i <- w_i exp(step_size e_i / e_i(0)),  scaled to sum m, the number of tasks.
// Reference: He et al., "Robust Multi-Task Learning with Excess Risks", ICML 2024, equations 4 to 6 and algorithm 1
// (ExcessMTL): a second-order Taylor expansion, with the curvature taken from past squared gradients as in Adagrad.
// Public code doesn't divide by e_i(0) in the very first step; here it is divided by always, so that the scale of a
// gradient never counts.
#pragma once

#include <mtlx/balancing/laws.hpp>
#include <mtlx/balancing/per_task.hpp>
#include <mtlx/core/options.hpp>

namespace mtlx::balancing {

/// Balancer policy: tasks that are farther from convergence weigh more, whatever the noise in their labels (ExcessMTL).
/// Keeps a number for each task and shared parameter. e(0) is a task's first e above 0. S only grows.
struct ExcessRisk {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::gradients;
  static constexpr bool weighs_own = true;

  double step_size = 0.01;  ///< of the weights; TorchJD: 1

  struct State {
    PerTask log_w{}, first{};
    void reset() { *this = {}; }
  };

  [[gnu::cold]] void validate() const { check_option("ExcessRisk: step_size", step_size); }
  constexpr Laws laws() const { return {}; }

  template <class S>
  double absorb(const Problem&, const State&, std::size_t, std::span<const S> gradient, std::span<S> memory) const {
    double sum = 0;
    for (std::size_t k = 0; k < gradient.size(); ++k) {
      const double square = static_cast<double>(gradient[k]) * static_cast<double>(gradient[k]);
      memory[k] += static_cast<S>(square);
      sum += square / std::sqrt(static_cast<double>(memory[k]) + 1e-7);
    }
    return sum;
  }
  void weights(const Problem& problem, State& state, std::span<double> w) const {
    for (std::size_t i = 0; i < w.size(); ++i) {
      const std::size_t task = problem.task(i);
      double& first = state.first[task];
      if (first == 0) first = problem.sums[i];
      if (first > 0) state.log_w[task] += step_size * problem.sums[i] / first;
      w[i] = state.log_w[task];
    }
    detail::softmax(w);
    for (double& number : w) number *= static_cast<double>(w.size());
  }
};

}  // namespace mtlx::balancing
