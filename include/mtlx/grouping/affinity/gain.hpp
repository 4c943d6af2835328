// SPDX-License-Identifier: MIT
// S[j, i] = 1 - L_j(theta + Delta_i + Delta_j) / L_j(theta + Delta_j),  S[j, j] = 1 - L_j(theta + Delta_j) / L_j(theta)
// What i's step adds to j's own. Heads stay as they are here, where the paper moves them too; for plain gradient steps
// Delta_i + Delta_j is the step of the pair, for an optimizer with a memory it has the memory's part twice.
// Its mean is below 0 for unrelated tasks, as the lookahead's is: own step and partner's step add up in the curvature.
// Reference: "Towards Principled Task Grouping for Multi-Task Learning", equation of the gain S_{i -> j}.
#pragma once

#include <cstddef>
#include <mtlx/core/scalar.hpp>
#include <mtlx/grouping/affinity.hpp>
#include <mtlx/grouping/detail/pairs.hpp>
#include <span>
#include <string_view>
#include <vector>

namespace mtlx::grouping {

/// Affinity measure: the share of a task's loss that a partner's step takes off beside the task's own step. For n tasks it
/// takes n (n + 1) / 2 forward passes, and one more. NaN where a loss is not above 0.
struct Gain {
  static constexpr std::string_view name = "gain";
  std::size_t every = 10;  ///< looks in every so manyeth step; 0: in none

  bool wants(std::size_t step) const { return every != 0 && step % every == 0; }
  void look(Moment& moment, std::span<double> table) const {
    const std::size_t n = moment.tasks();
    const std::vector<double> losses = detail::kept(moment.losses());
    std::vector<double> own(n);
    const auto note = [&](std::size_t affected, std::size_t acting, double before, double after) {
      if (detail::divides(before) && is_finite(after)) table[affected * n + acting] = 1 - after / before;
    };
    const auto after = [&](std::size_t a, std::size_t b) {
      detail::Amounts amounts{};
      amounts[a] = amounts[b] = 1;
      return moment.losses_after(std::span(amounts).first(n));
    };
    detail::for_each_present(moment, [&](std::size_t t) {
      own[t] = after(t, t)[t];
      note(t, t, losses[t], own[t]);
    });
    detail::for_each_present(moment, [&](std::size_t a) {
      detail::for_each_present(moment, [&](std::size_t b) {
        if (b <= a) return;
        const std::span<const double> both = after(a, b);
        note(a, b, own[a], both[a]);
        note(b, a, own[b], both[b]);
      });
    });
  }
};

}  // namespace mtlx::grouping
