// SPDX-License-Identifier: MIT
// L = sum_i w_i l_i with w given.
#pragma once

#include <mtlx/balancing/laws.hpp>
#include <mtlx/balancing/per_task.hpp>
#include <mtlx/core/options.hpp>

namespace mtlx::balancing {

/// Balancer policy: the losses' sum with weights of your own, such as those of a search on validation data. Every task
/// that has labels needs one above 0.
struct FixedWeights {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::nothing;

  PerTask weight{};  ///< above 0; 0 where none is given

  [[gnu::cold]] void validate() const {
    for (const double w : weight) check_option("FixedWeights: weight", w);
  }
  constexpr Laws laws() const { return {.single_task_scale = weight[0], .permutation = Permutation::none}; }

  void weights(const Problem& problem, NoState&, std::span<double> w) const {
    for (std::size_t i = 0; i < w.size(); ++i) {
      const std::size_t task = problem.task(i);
      if (weight[task] == 0) fail("FixedWeights: task ", task, " (the first is 0) has labels and no weight");
      w[i] = weight[task];
    }
  }
};

}  // namespace mtlx::balancing
