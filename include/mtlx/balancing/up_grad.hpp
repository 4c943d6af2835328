// SPDX-License-Identifier: MIT
// w = 1/m sum_i argmin vᵀ G v over v >= e_i: each gradient is projected on the dual cone {d : J d >= 0}, and the
// projections are averaged.
// Reference: Quinton and Rey, "Jacobian Descent for Multi-Objective Optimization", 2024 (arXiv 2406.16232), section 3.
#pragma once

#include <mtlx/balancing/laws.hpp>
#include <mtlx/balancing/per_task.hpp>
#include <mtlx/balancing/solvers.hpp>
#include <mtlx/core/options.hpp>

namespace mtlx::balancing {

/// Balancer policy: the mean of the gradients' projections on the cone of directions that make no task worse (UPGrad).
/// With two tasks it is half of PcGrad's direction. The scale is that of a mean.
struct UpGrad {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::gradients;

  double regularisation =
      0;  ///< added to G's diagonal, in shares of its trace. TorchJD: 1e-4, and then it may conflict

  [[gnu::cold]] void validate() const { check_option("UpGrad: regularisation", regularisation); }
  constexpr Laws laws() const {
    return {.never_conflicts = regularisation > 0 ? NeverConflicts::no : NeverConflicts::yes};
  }

  void weights(const Problem& problem, NoState&, std::span<double> w) const {
    const std::size_t tasks = w.size();
    const Equilibrated rows(problem.gram, tasks, regularisation);
    PerTask start{}, projected;
    std::fill(w.begin(), w.end(), 0.0);
    for (std::size_t i = 0; i < tasks; ++i) {
      start[i] = 1;
      least_norm_above(rows, {start.data(), tasks}, {projected.data(), tasks});
      for (std::size_t j = 0; j < tasks; ++j) w[j] += projected[j] / static_cast<double>(tasks);
      start[i] = 0;
    }
  }
};

}  // namespace mtlx::balancing
