// SPDX-License-Identifier: MIT
// A look's table is  F + [this look is chosen] block (A - F),
//   F[j, i] = -<grad L_j(theta), Delta_i> / L_j(theta)  on the step's own batch (cheap),
//   A[j, i] = 1 - L_j(theta + Delta_i) / L_j(theta)     where losses are evaluated (dear), at one look of each block,
// chosen at random. Every look is chosen with a chance of 1 / block, so that the expectation of its table, given the
// training, is A: the mean over a training estimates the mean of the exact lookahead at every look, without bias, in an
// unfinished last block too. The coefficient of F stays 1: fitted to the same looks it would bias. Single looks of it are
// noise; look at means.
// It pays where A is evaluated on the step's own batch. On held-out samples it has no bias either, but F, which knows the batch
// alone, takes hardly any variance off, and first order on held-out samples costs more than the lookahead: take Lookahead
// there (docs/affinity.md has both measured).
// A control variate: Owen, "Monte Carlo theory, methods and examples", 2013, section 8.9.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <mtlx/core/random.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/grouping/affinity.hpp>
#include <mtlx/grouping/detail/pairs.hpp>
#include <span>
#include <string_view>
#include <vector>

namespace mtlx::grouping {

/// Affinity measure: first order at every look, put right by an exact lookahead at one look of each block. NaN where a
/// loss is not above 0.
struct Corrected {
  static constexpr std::string_view name = "corrected";
  std::size_t every = 1;   ///< looks in every so manyeth step; 0: in none
  std::size_t block = 10;  ///< looks of which one is exact, at least 1

  bool wants(std::size_t step) const { return every != 0 && step % every == 0; }
  void look(Moment& moment, std::span<double> table) const {
    const std::size_t looks = moment.step() / every, length = block > 0 ? block : 1;
    Random random(moment.seed(), Purpose::group, std::uint64_t{looks / length});
    const bool chosen = looks % length == random.below(static_cast<std::uint32_t>(length));
    if (chosen) detail::look_ahead(moment, table);
    const std::vector<double> losses = detail::kept(moment.batch_losses());
    detail::for_each_present(moment, [&](std::size_t affected) {
      detail::for_each_present(moment, [&](std::size_t acting) {
        double& cell = table[affected * moment.tasks() + acting];
        if (!detail::divides(losses[affected])) {
          cell = std::numeric_limits<double>::quiet_NaN();
          return;
        }
        const double first = moment.batch_fall(affected, acting) / losses[affected];
        cell = chosen ? first + static_cast<double>(length) * (cell - first) : first;
      });
    });
  }
};

}  // namespace mtlx::grouping
