// SPDX-License-Identifier: MIT
// C[j, i] = <grad L_j, grad L_i> / (|grad L_j| |grad L_i|)  on the shared parameters and the step's own batch
// Reference: the cosine similarity that Fifty et al. (NeurIPS 2021) compare with; Yu et al. (NeurIPS 2020), definition 1.
#pragma once

#include <cstddef>
#include <mtlx/core/scalar.hpp>
#include <mtlx/grouping/affinity.hpp>
#include <mtlx/grouping/detail/pairs.hpp>
#include <span>
#include <string_view>

namespace mtlx::grouping {

/// Affinity measure: the cosine between the tasks' gradients of a batch, the same in both directions. It says nothing of
/// lengths, of the optimizer or of held-out samples. NaN where a gradient is 0.
struct Cosine {
  static constexpr std::string_view name = "cosine";
  std::size_t every = 10;  ///< looks in every so manyeth step; 0: in none

  bool wants(std::size_t step) const { return every != 0 && step % every == 0; }
  void look(Moment& moment, std::span<double> table) const {
    detail::for_each_present(moment, [&](std::size_t a) {
      detail::for_each_present(moment, [&](std::size_t b) { table[a * moment.tasks() + b] = moment.cosine(a, b); });
    });
  }
};

}  // namespace mtlx::grouping
