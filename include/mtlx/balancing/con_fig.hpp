// SPDX-License-Identifier: MIT
// With the rows of unit length, U, and b = U⁺ 1: d = (sum_i g_i · b) / |b|² b. All cosines between d and the gradients are
// alike. In the matrix of cosines C = U Uᵀ: z = C⁺ 1, b = Uᵀ z.
// Reference: Liu, Chu and Thuerey, "ConFIG: Towards Conflict-free Training of Physics Informed Neural Networks", ICLR
// 2025, equation 2 and 3 (length: the sum of the projections).
#pragma once

#include <mtlx/balancing/laws.hpp>
#include <mtlx/balancing/per_task.hpp>
#include <mtlx/balancing/solvers.hpp>

namespace mtlx::balancing {

/// Balancer policy: the direction at the same angle to every gradient (ConFIG). Where the gradients depend on each other the
/// angles are as alike as can be; where no direction has their like, as between opposite gradients, it is 0. Rows of zeros
/// are left out. The scale is that of a sum.
struct ConFig {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::gradients;

  constexpr Laws laws() const { return {.never_conflicts = NeverConflicts::independent, .unsolved = Unsolved::other}; }

  void weights(const Problem& problem, NoState&, std::span<double> w) const {
    const std::size_t tasks = w.size();
    const Equilibrated rows(problem.gram, tasks);
    PerTask norms;
    detail::Square cosines;
    for (std::size_t i = 0; i < tasks; ++i) norms[i] = rows.length(i) * std::sqrt(rows(i, i));
    for (std::size_t i = 0; i < tasks; ++i)
      for (std::size_t j = 0; j < tasks; ++j) {
        const bool there = !rows.zero(i) && !rows.zero(j);
        cosines[i * tasks + j] = !there ? 0 : i == j ? 1 : rows(i, j) / std::sqrt(rows(i, i) * rows(j, j));
      }
    const Spectrum spectrum({cosines.data(), tasks * tasks}, tasks);
    std::fill(w.begin(), w.end(), 0.0);
    PerTask ones;
    ones.fill(1);
    double squared = 0, projections = 0, sizes = 0;
    for (std::size_t k = 0; k < spectrum.rank(); ++k) {
      const double along = spectrum.along(k, ones.data()), share = along / spectrum.value(k);
      squared += along * share;
      projections += along * detail::dot(norms.data(), spectrum.vector(k).data(), tasks);
      sizes += std::abs(along) * detail::dot_of_sizes(norms.data(), spectrum.vector(k).data(), tasks);
      for (std::size_t i = 0; i < tasks; ++i) w[i] += share * spectrum.vector(k)[i];
    }
    const double length = std::abs(projections) > 1e-13 * sizes ? projections / squared : 0;
    for (std::size_t i = 0; i < tasks; ++i) w[i] = norms[i] > 0 ? w[i] * length / norms[i] : 0;
  }
};

}  // namespace mtlx::balancing
