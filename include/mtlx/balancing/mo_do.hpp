// SPDX-License-Identifier: MIT
// lambda <- P(lambda - gamma (G12 lambda + rho lambda)), P the projection onto the simplex; the direction is J3ᵀ lambda.
// J1, J2 and J3 are the tasks' gradients on three batches that know nothing of each other, G12 = J1 J2ᵀ; lambda is 1/m at
// first. The mean of G12 is that of the whole data's, which a single batch's Gram matrix has not.
// Reference: Chen et al., "Three-Way Trade-Off in Multi-Objective Learning: Optimization, Generalization and
// Conflict-Avoidance", NeurIPS 2023, algorithm 1 (MoDo).
#pragma once

#include <mtlx/balancing/balancer.hpp>
#include <mtlx/balancing/laws.hpp>
#include <mtlx/balancing/simplex_state.hpp>
#include <mtlx/core/options.hpp>
#include <span>

namespace mtlx::balancing {

/// Balancer policy: one small step a time towards the weights of the shortest convex combination (MoDo). Each step's batch
/// is cut into three: the shared direction is made of the last third, and a task's own parameters follow the whole batch.
/// The weights sum to 1.
struct MoDo {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::gradients;
  static constexpr std::size_t batches = 3;

  double gamma = 1e-3;  ///< the weights' step size
  double rho = 0.1;     ///< pulls the weights together

  struct State {
    SimplexState lambda{};
    void reset() { *this = {}; }
  };

  [[gnu::cold]] void validate() const {
    check_option("MoDo: gamma", gamma);
    check_option("MoDo: rho", rho);
  }
  constexpr Laws laws() const { return {.scales = gamma <= 0}; }

  void weights(const Problem& problem, State& state, std::span<double> w) const {
    state.lambda.descend(problem, gamma, rho, w);
  }
};

}  // namespace mtlx::balancing
