// SPDX-License-Identifier: MIT
// Z[j, i] = 1 - L_j(theta + Delta_i) / L_j(theta),  Delta_i: the step of task i on the shared parameters
// On the same batch with plain gradient steps that is the paper's; there the mean of Z is below 0 even for tasks that have
// nothing to do with each other, for curvature makes every step too long: what counts is the order within a row.
// Reference: Fifty et al., "Efficiently Identifying Task Groupings for Multi-Task Learning", NeurIPS 2021, section 3 (the
// published code divides by the learning rate, which changes no order).
#pragma once

#include <cstddef>
#include <mtlx/grouping/affinity.hpp>
#include <mtlx/grouping/detail/pairs.hpp>
#include <span>
#include <string_view>

namespace mtlx::grouping {

/// Affinity measure: the share of a task's loss that another task's step takes off, by trying the step. It takes one
/// forward pass a task, and one more. NaN where a loss is not above 0.
struct Lookahead {
  static constexpr std::string_view name = "lookahead";
  std::size_t every = 10;  ///< looks in every so manyeth step; 0: in none

  bool wants(std::size_t step) const { return every != 0 && step % every == 0; }
  void look(Moment& moment, std::span<double> table) const { detail::look_ahead(moment, table); }
};

}  // namespace mtlx::grouping
