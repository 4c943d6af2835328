// SPDX-License-Identifier: MIT
// For each coordinate, over the tasks' gradients g_i there: P = 1/2 (1 + sum g_i / sum |g_i|), U uniform in [0, 1). If
// U < P the positive g_i are kept, otherwise the negative ones; the direction is
//   sum_i leak g_i + (1 - leak) kept g_i
// Reference: Chen et al., "Just Pick a Sign: Optimizing Deep Multitask Models with Gradient Sign Dropout", NeurIPS 2020,
// algorithm 1, with f(p) = p. The paper takes gradients at a layer's activations: OnRepresentation<GradDrop>.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mtlx/balancing/balancer.hpp>
#include <mtlx/balancing/laws.hpp>
#include <mtlx/core/options.hpp>
#include <mtlx/core/random.hpp>
#include <mtlx/core/scalar.hpp>
#include <span>

namespace mtlx::balancing {

/// Balancer policy: in each coordinate all that is kept of the tasks' gradients pulls the same way, either way with the
/// probability of its part in the pull (GradDrop). Has no weights; those that observers see are 1. Coordinates where all
/// gradients are 0 stay 0.
struct GradDrop {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::gradients;

  double leak = 0;  ///< what passes whatever its sign, in [0, 1]; 1: the plain sum

  [[gnu::cold]] void validate() const { check_option("GradDrop: leak", leak, {.most = 1}); }
  Laws laws() const { return {.never_uphill = false}; }

  template <class S>
  [[gnu::noinline]] void combine(const Problem& problem, const NoState&, std::span<const S* const> rows,
                                 std::size_t first, std::span<S> direction) const {
    const auto passes = static_cast<S>(leak);
    std::array<std::uint32_t, 4> words{};
    for (std::size_t k = 0; k < direction.size(); ++k) {
      const std::size_t at = first + k;
      if (at % 4 == 0 || k == 0) words = problem.random.block(static_cast<std::uint32_t>(at / 4));
      S positive = 0, negative = 0;
      for (const S* const row : rows) (row[k] > 0 ? positive : negative) += row[k];
      // U < P, without dividing: 0 < 0 where there is nothing.
      const S all = positive - negative;
      const S kept = static_cast<S>(unit_float(words[at % 4])) * all < positive ? positive : negative;
      direction[k] = kept + passes * (positive + negative - kept);
    }
  }
};

}  // namespace mtlx::balancing
