// SPDX-License-Identifier: MIT
// G w = w^(-1/alpha) (number by number): the direction that is fairest in the sense of alpha among those of one length.
// 1: Nash-MTL without its clip; to infinity: the gains g_i · d become alike (max-min); towards 0: w >= 1, and more only
// where the gain would be negative, which is m times DualProjection (the sum of the gradients where they don't conflict).
// Reference: Ban and Ji, "Fair Resource Allocation in Multi-Task Learning", ICML 2024, equation 5.
#pragma once

#include <mtlx/balancing/laws.hpp>
#include <mtlx/balancing/nash_mtl.hpp>

namespace mtlx::balancing {

/// Balancer policy: alpha-fair gains (FairGrad). The direction doesn't scale with the gradients but with their power
/// (1 - alpha) / (1 + alpha): with alpha > 1 small gradients give long steps, so mind clipping. Where some convex combination
/// of the unit gradients is 0 there is no solution, and the direction is 0. Rows of zeros are left out. Exact: the public
/// code stops a general solver early, and multiplies by the number of tasks.
struct FairGrad {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::gradients;

  double alpha = 1;  ///< from 0.01 to 10, as far as the solver is tested

  [[gnu::cold]] void validate() const { check_option("FairGrad: alpha", alpha, {0.01, 10}); }
  constexpr Laws laws() const {
    return {.scale_exponent = (1 - alpha) / (1 + alpha),
            .never_conflicts = NeverConflicts::yes,
            .unsolved = Unsolved::zero};
  }

  void weights(const Problem& problem, NoState& state, std::span<double> w) const {
    PerTask equal;
    equal.fill(1);
    weights(problem, state, {equal.data(), w.size()}, w);
  }
  /// With preferences: G w = p w^(-1/alpha); see Weighted.
  void weights(const Problem& problem, NoState&, std::span<const double> preferences, std::span<double> w) const {
    detail::fair_weights_of_rows(problem, preferences, alpha, w);
  }
};

}  // namespace mtlx::balancing
