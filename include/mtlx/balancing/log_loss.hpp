// SPDX-License-Identifier: MIT
// L = sum_i log l_i, so that w_i = 1 / l_i: the direction doesn't change when a loss is multiplied by a number.
// Known as scale-invariant weighting (SI), a baseline in Navon et al., "Multi-Task Learning as a Bargaining Game", ICML
// 2022, section 5. Here L = sum_i log max(l_i, 1e-30), for a loss of 0 has no logarithm.
#pragma once

#include <mtlx/balancing/laws.hpp>
#include <mtlx/balancing/per_task.hpp>

namespace mtlx::balancing {

/// Balancer policy: the sum of the losses' logarithms. A loss below 0 is an `Error`; one below 1e-30 has weight 0.
struct LogLoss {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::losses;

  constexpr Laws laws() const { return {}; }

  void weights(const Problem& problem, NoState&, std::span<double> w) const {
    for (std::size_t i = 0; i < w.size(); ++i) {
      const double loss = detail::loss_of(problem, i, "LogLoss");
      w[i] = loss > detail::least_loss ? 1 / loss : 0;
    }
  }
};

}  // namespace mtlx::balancing
