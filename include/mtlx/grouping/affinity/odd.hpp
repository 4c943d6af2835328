// SPDX-License-Identifier: MIT
// O[j, i] = [L_j(theta - Delta_i) - L_j(theta + Delta_i)] / (2 L_j(theta)),  Delta_i: the step of task i
// The odd part of the lookahead along the step: curvature, which lowers TAG's affinity of any two tasks, and every other
// even order cancel. The third order stays.
#pragma once

#include <cstddef>
#include <mtlx/grouping/affinity.hpp>
#include <mtlx/grouping/detail/pairs.hpp>
#include <span>
#include <string_view>
#include <vector>

namespace mtlx::grouping {

/// Affinity measure: half the difference between a step back and the step. It takes two forward passes a task, and one
/// more. NaN where a loss is not above 0.
struct Odd {
  static constexpr std::string_view name = "odd part";
  std::size_t every = 10;  ///< looks in every so manyeth step; 0: in none

  bool wants(std::size_t step) const { return every != 0 && step % every == 0; }
  void look(Moment& moment, std::span<double> table) const {
    const std::vector<double> losses = detail::kept(moment.losses());
    std::vector<double> back, on;
    std::size_t looked = moment.tasks();
    detail::fill(moment, losses, table, [&](std::size_t affected, std::size_t acting) {
      if (looked != acting) {
        detail::Amounts amounts{};
        const std::span<const double> all = std::span(amounts).first(moment.tasks());
        amounts[acting] = -1;
        back = detail::kept(moment.losses_after(all));
        amounts[acting] = 1;
        on = detail::kept(moment.losses_after(all));
        looked = acting;
      }
      return (back[affected] - on[affected]) / (2 * losses[affected]);
    });
  }
};

}  // namespace mtlx::grouping
