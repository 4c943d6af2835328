// SPDX-License-Identifier: MIT
// m_t = [|w| is among the largest], one ranking over all weights of the trunk, the same mask for every task
// Reference: Han, Pool, Tran and Dally, "Learning both Weights and Connections for Efficient Neural Networks",
// NeurIPS 2015.
#pragma once

#include <cstddef>
#include <mtlx/sharing/mask_selection.hpp>
#include <span>
#include <vector>

namespace mtlx::sharing {

/// Mask rule: before the first step, the smallest weights of the trunk go, for all tasks. Meant for weights that were
/// trained before (`load_weights` before the first `fit`). Of equal magnitudes the first ones stay.
struct Magnitude {
  static constexpr std::size_t memory = 0;

  double density = 0.3;  ///< of the weights that stay, in [0, 1]

  [[gnu::cold]] void validate() const { detail::check_density("Magnitude: density", density); }

  template <class S>
  [[gnu::cold]] void begin(const MaskStep<S>& step) const {
    detail::Places places = detail::prunable(step.blocks);
    std::vector<double> sizes(step.parameters.size());
    for (const std::size_t i : places) sizes[i] = static_cast<double>(detail::size_of(step.parameters[i]));
    const std::size_t count = detail::share_of(density, places.size());
    detail::highest_first(places, count, sizes);
    detail::own_first(step.owners, step.labelled, places, count);
    detail::clear_dead(step);
  }
};

}  // namespace mtlx::sharing
