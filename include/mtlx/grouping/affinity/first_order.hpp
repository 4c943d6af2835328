// SPDX-License-Identifier: MIT
// F[j, i] = -<grad L_j(theta), Delta_i> / L_j(theta),  Delta_i: the step of task i on the shared parameters
// The lookahead to first order: what is left out is half the curvature of L_j along the step. For plain gradient steps on
// the step's own batch that is learning rate times the tasks' Gram matrix, over the losses.
// Reference: ETAP (ICLR 2026) goes by the same inner product, with the optimizer's velocity; the expansion is Taylor's.
#pragma once

#include <cstddef>
#include <mtlx/grouping/affinity.hpp>
#include <mtlx/grouping/detail/pairs.hpp>
#include <span>
#include <string_view>
#include <vector>

namespace mtlx::grouping {

/// Affinity measure: the lookahead to first order, without trying a step. On the step's own batch, with a balancer that
/// needs gradients, it takes no pass, and no more than a table of numbers if the steps are plain gradient; on held-out
/// samples it takes a forward and a backward pass a task. NaN where a loss is not above 0.
struct FirstOrder {
  static constexpr std::string_view name = "first order";
  std::size_t every = 10;  ///< looks in every so manyeth step; 0: in none

  bool wants(std::size_t step) const { return every != 0 && step % every == 0; }
  void look(Moment& moment, std::span<double> table) const {
    const std::vector<double> losses = detail::kept(moment.losses());
    detail::fill(moment, losses, table, [&](std::size_t affected, std::size_t acting) {
      return moment.fall(affected, acting) / losses[affected];
    });
  }
};

}  // namespace mtlx::grouping
