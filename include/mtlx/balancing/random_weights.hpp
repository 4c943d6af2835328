// SPDX-License-Identifier: MIT
// w = softmax(z), z_i ~ N(0, 1), drawn anew in each step.
// Reference: Lin et al., "Reasonable Effectiveness of Random Weighting: A Litmus Test for Multi-Task Learning", TMLR
// 2022, algorithm 1 (loss weighting, normal distribution).
#pragma once

#include <mtlx/balancing/laws.hpp>
#include <mtlx/balancing/per_task.hpp>

namespace mtlx::balancing {

/// Balancer policy: random weights that sum to 1 (RLW). A baseline that a method should beat.
struct RandomWeights {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::nothing;

  constexpr Laws laws() const { return {.permutation = Permutation::in_distribution}; }

  void weights(const Problem& problem, NoState&, std::span<double> w) const {
    Random random = problem.random;
    for (double& number : w) number = random.normal();
    detail::softmax(w);
  }
};

}  // namespace mtlx::balancing
