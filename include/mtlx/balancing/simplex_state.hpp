// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <mtlx/balancing/balancer.hpp>
#include <mtlx/balancing/per_task.hpp>
#include <mtlx/balancing/solvers.hpp>
#include <span>

namespace mtlx::balancing {

/// Weights that are remembered and sum to 1: 1/m each at first. Those of absent tasks stand still, and the others share
/// what is left.
struct SimplexState {
  PerTask odds = [] {
    PerTask ones{};
    ones.fill(1);
    return ones;
  }();

  /// lambda <- P(lambda - step (G lambda + rho lambda)), P the projection onto the simplex; w is the new lambda.
  void descend(const Problem& problem, double step, double rho, std::span<double> w) {
    const std::size_t m = w.size();
    double sum = 0;
    for (std::size_t i = 0; i < m; ++i) sum += odds[problem.task(i)];
    PerTask lambda, moved;
    for (std::size_t i = 0; i < m; ++i) lambda[i] = sum > 0 ? odds[problem.task(i)] / sum : 1 / static_cast<double>(m);
    for (std::size_t i = 0; i < m; ++i) {
      double slope = rho * lambda[i];
      for (std::size_t j = 0; j < m; ++j) slope += problem.g(i, j) * lambda[j];
      moved[i] = lambda[i] - step * slope;
    }
    // The projection doesn't see what is added to all; what is large would lose the 1 that they sum to.
    const double largest = m > 0 ? *std::max_element(moved.begin(), moved.begin() + static_cast<std::ptrdiff_t>(m)) : 0;
    for (std::size_t i = 0; i < m; ++i) moved[i] -= largest;
    project_on_simplex({moved.data(), m}, w);
    for (std::size_t i = 0; i < m; ++i) odds[problem.task(i)] = sum > 0 ? w[i] * sum : w[i];
  }
};

}  // namespace mtlx::balancing
