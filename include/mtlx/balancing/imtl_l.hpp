// SPDX-License-Identifier: MIT
// L = sum_i e^(s_i) l_i - s_i with s trained: w_i = e^(s_i), dL/ds_i = e^(s_i) l_i - 1. At the best s all e^(s_i) l_i
// are 1: every task weighs the same, whatever the scale of its loss.
// Reference: Liu et al., "Towards Impartial Multi-task Learning", ICLR 2021, section 3.2 (loss balance, IMTL-L).
// s has a learning rate of its own; see uncertainty.hpp.
#pragma once

#include <mtlx/balancing/laws.hpp>
#include <mtlx/balancing/per_task.hpp>
#include <mtlx/core/options.hpp>

namespace mtlx::balancing {

/// Balancer policy: learned scales that make all losses alike (IMTL-L). s starts at 0, is trained by Adam in each step,
/// with that step's losses, and is kept within [-60, 60]. A loss below 0 is an `Error`: no s is best for it.
struct ImtlL {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::nothing;

  double learning_rate = 0.025;  ///< of s

  struct State {
    PerTask s{};
    detail::TaskAdam adam{};
    void reset() { *this = {}; }
  };

  [[gnu::cold]] void validate() const { check_option("ImtlL: learning_rate", learning_rate); }
  constexpr Laws laws() const { return {}; }

  void weights(const Problem& problem, State& state, std::span<double> w) const {
    for (std::size_t i = 0; i < w.size(); ++i) w[i] = std::exp(state.s[problem.task(i)]);
  }
  void observe(const Problem& problem, State& state) const {
    detail::check_losses(problem, "ImtlL");
    for (std::size_t i = 0; i < problem.losses.size(); ++i) {
      const std::size_t task = problem.task(i);
      double& s = state.s[task];
      const double gradient = std::exp(s) * detail::loss_of(problem, i, "ImtlL") - 1;
      s = std::clamp(s - state.adam.step(task, gradient, learning_rate), -60.0, 60.0);
    }
  }
};

}  // namespace mtlx::balancing
