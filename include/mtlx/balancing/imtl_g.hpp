// SPDX-License-Identifier: MIT
// v = G⁺ n, n_i = |g_i|: the projections of Jᵀ v on all gradients are alike. The paper divides by sum v; where that is
// negative its direction goes uphill for all tasks at once, and where it nears 0 the direction grows without end. Here
// w = v / max(|sum v|, sum |v| / limit): the paper's where sum v > 0 and nothing cancels, and never uphill for all.
// Reference: Liu et al., "Towards Impartial Multi-task Learning", ICLR 2021, section 3.1 (IMTL-G), in the closed form that
// holds for dependent gradients too.
#pragma once

#include <mtlx/balancing/laws.hpp>
#include <mtlx/balancing/per_task.hpp>
#include <mtlx/balancing/solvers.hpp>
#include <mtlx/core/options.hpp>

namespace mtlx::balancing {

/// Balancer policy: the direction whose projections on the gradients are alike (IMTL-G). The weights sum to 1 (or -1: see
/// the head), and may be negative. Where the gradients depend on each other the projections are as alike as can be;
/// where none has their like, as between opposite gradients, the direction is 0.
struct ImtlG {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::gradients;

  double limit = 100;  ///< the most that sum |w| may be

  [[gnu::cold]] void validate() const { check_option("ImtlG: limit", limit, {1}); }
  constexpr Laws laws() const { return {.never_conflicts = NeverConflicts::independent, .unsolved = Unsolved::other}; }

  void weights(const Problem& problem, NoState&, std::span<double> w) const {
    const std::size_t tasks = w.size();
    const Spectrum spectrum(problem.gram, tasks);
    PerTask norms;
    for (std::size_t i = 0; i < tasks; ++i) norms[i] = std::sqrt(std::max(0.0, problem.g(i, i)));
    std::fill(w.begin(), w.end(), 0.0);
    for (std::size_t k = 0; k < spectrum.rank(); ++k) {
      const double share = spectrum.along(k, norms.data()) / spectrum.value(k);
      for (std::size_t i = 0; i < tasks; ++i) w[i] += share * spectrum.vector(k)[i];
    }
    double sum = 0, sizes = 0;
    for (const double v : w) {
      sum += v;
      sizes += std::abs(v);
    }
    const double divisor = std::max(std::abs(sum), sizes / limit);
    if (divisor > 0)
      for (double& weight : w) weight /= divisor;
  }
};

}  // namespace mtlx::balancing
