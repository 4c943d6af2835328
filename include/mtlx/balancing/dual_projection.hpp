// SPDX-License-Identifier: MIT
// w = argmin vᵀ G v over v >= 1/m: the mean of the gradients is projected on the dual cone {d : J d >= 0}.
// Reference: Lopez-Paz and Ranzato, "Gradient Episodic Memory for Continual Learning", NeurIPS 2017, equations 8 to 12, with
// the mean for the current task's gradient, as in Quinton and Rey (arXiv 2406.16232).
#pragma once

#include <mtlx/balancing/laws.hpp>
#include <mtlx/balancing/per_task.hpp>
#include <mtlx/balancing/solvers.hpp>
#include <mtlx/core/options.hpp>

namespace mtlx::balancing {

/// Balancer policy: the direction nearest to the mean gradient that makes no task worse.
struct DualProjection {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::gradients;

  double regularisation =
      0;  ///< added to G's diagonal, in shares of its trace. TorchJD: 1e-4, and then it may conflict

  [[gnu::cold]] void validate() const { check_option("DualProjection: regularisation", regularisation); }
  constexpr Laws laws() const {
    return {.never_conflicts = regularisation > 0 ? NeverConflicts::no : NeverConflicts::yes};
  }

  void weights(const Problem& problem, NoState&, std::span<double> w) const {
    PerTask start;
    start.fill(1 / static_cast<double>(w.size()));
    least_norm_above(Equilibrated(problem.gram, w.size(), regularisation), {start.data(), w.size()}, w);
  }
};

}  // namespace mtlx::balancing
