// SPDX-License-Identifier: MIT
// L = (prod_i l_i)^(1/m), so that w_i = L / (m l_i), with L = exp(mean_i log l_i): a product of many small losses would
// vanish. A loss below 1e-30 counts as that.
// Reference: Chennupati et al., "MultiNet++: Multi-Stream Feature Aggregation and Geometric Loss Strategy for Multi-Task
// Learning", CVPR workshops 2019, equation 3 (geometric loss strategy, GLS).
#pragma once

#include <mtlx/balancing/laws.hpp>
#include <mtlx/balancing/per_task.hpp>

namespace mtlx::balancing {

/// Balancer policy: the geometric mean of the losses (GLS). A loss below 0 is an `Error`; one below 1e-30 has weight 0.
struct GeometricMean {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::losses;

  constexpr Laws laws() const { return {}; }

  void weights(const Problem& problem, NoState&, std::span<double> w) const {
    const auto tasks = static_cast<double>(w.size());
    double mean = 0;
    for (std::size_t i = 0; i < w.size(); ++i) mean += w[i] = detail::log_loss_of(problem, i, "GeometricMean");
    mean /= tasks;
    for (std::size_t i = 0; i < w.size(); ++i)
      w[i] = problem.losses[i] > detail::least_loss ? std::exp(mean - w[i]) / tasks : 0;
  }
};

}  // namespace mtlx::balancing
