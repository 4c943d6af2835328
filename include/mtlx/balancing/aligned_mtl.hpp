// SPDX-License-Identifier: MIT
// With G = V diag(l) Vᵀ over the eigenvalues that are not 0, w = sqrt(s) V diag(l^(-1/2)) Vᵀ p: the principal components of
// the gradients are made as long as one of them, s, and p are the tasks' preferences, 1/m.
// Reference: Senushkin et al., "Independent Component Alignment for Multi-Task Learning", CVPR 2023, algorithm 1.
#pragma once

#include <mtlx/balancing/laws.hpp>
#include <mtlx/balancing/per_task.hpp>
#include <mtlx/balancing/solvers.hpp>

namespace mtlx::balancing {

/// Balancer policy: gradients whose linear system has condition 1, averaged (Aligned-MTL). Weights may be negative. Where
/// all gradients are 0 the weights are 1/m.
struct AlignedMtl {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::gradients;

  /// s: the least of the eigenvalues, the middle one (the lower of two), or their mean (whose root is the components'
  /// root mean square).
  enum class Scale { min, median, rmse };
  Scale scale = Scale::min;

  constexpr Laws laws() const { return {}; }

  void weights(const Problem& problem, NoState& state, std::span<double> w) const {
    PerTask equal;
    equal.fill(1);
    weights(problem, state, {equal.data(), w.size()}, w);
  }
  /// With preferences p_i / m: see Weighted.
  void weights(const Problem& problem, NoState&, std::span<const double> preferences, std::span<double> w) const {
    const std::size_t tasks = w.size();
    const Spectrum spectrum(problem.gram, tasks);
    const std::size_t rank = spectrum.rank();
    PerTask mean, values;
    for (std::size_t i = 0; i < tasks; ++i) mean[i] = preferences[i] / static_cast<double>(tasks);
    if (rank == 0) {
      std::copy_n(mean.begin(), tasks, w.begin());
      return;
    }
    for (std::size_t k = 0; k < rank; ++k) values[k] = spectrum.value(k);
    std::sort(values.begin(), values.begin() + static_cast<long>(rank));
    double common = values[scale == Scale::median ? (rank - 1) / 2 : 0];
    if (scale == Scale::rmse) {
      common = 0;
      for (std::size_t k = 0; k < rank; ++k) common += values[k] / static_cast<double>(rank);
    }
    std::fill(w.begin(), w.end(), 0.0);
    for (std::size_t k = 0; k < rank; ++k) {
      const double factor = spectrum.along(k, mean.data()) * std::sqrt(common / spectrum.value(k));
      for (std::size_t i = 0; i < tasks; ++i) w[i] += factor * spectrum.vector(k)[i];
    }
  }
};

}  // namespace mtlx::balancing
