// SPDX-License-Identifier: MIT
// L = sum_i 1/2 e^(-s_i) l_i + 1/2 s_i with s trained: w_i = 1/2 e^(-s_i), dL/ds_i = 1/2 - 1/2 e^(-s_i) l_i.
// Reference: Kendall, Gal and Cipolla, "Multi-Task Learning Using Uncertainty to Weigh Losses for Scene Geometry and
// Semantics", CVPR 2018, equation 7, with s = log sigma². The paper trains s with the network; public code gives s a
// learning rate of its own (Navon et al., ICML 2022: Adam with 0.025), and so does this.
#pragma once

#include <mtlx/balancing/laws.hpp>
#include <mtlx/balancing/per_task.hpp>
#include <mtlx/core/options.hpp>

namespace mtlx::balancing {

/// Balancer policy: weights from each task's learned noise (uncertainty weighting, UW). s is trained by Adam in each
/// step, with that step's losses, and kept within [-60, 60]. It settles at s = log l. A loss below 0 is an `Error`: no s
/// is best for it.
struct Uncertainty {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::nothing;

  double learning_rate = 0.025;  ///< of s
  double initial = 0;            ///< s at the start; LibMTL: -0.5

  struct State {
    PerTask s{};  ///< minus `initial`
    detail::TaskAdam adam{};
    void reset() { *this = {}; }
  };

  [[gnu::cold]] void validate() const {
    check_option("Uncertainty: learning_rate", learning_rate);
    check_option("Uncertainty: initial", initial, {-60, 60});
  }
  Laws laws() const { return {.single_task_scale = std::exp(-initial) / 2}; }

  void weights(const Problem& problem, State& state, std::span<double> w) const {
    for (std::size_t i = 0; i < w.size(); ++i) w[i] = std::exp(-initial - state.s[problem.task(i)]) / 2;
  }
  void observe(const Problem& problem, State& state) const {
    detail::check_losses(problem, "Uncertainty");
    for (std::size_t i = 0; i < problem.losses.size(); ++i) {
      const std::size_t task = problem.task(i);
      const double s = initial + state.s[task];
      const double gradient = (1 - std::exp(-s) * detail::loss_of(problem, i, "Uncertainty")) / 2;
      state.s[task] = std::clamp(s - state.adam.step(task, gradient, learning_rate), -60.0, 60.0) - initial;
    }
  }
};

}  // namespace mtlx::balancing
