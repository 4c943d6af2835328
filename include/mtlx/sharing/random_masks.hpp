// SPDX-License-Identifier: MIT
// m_t : in each weight block of the trunk, round(density * size) weights drawn without replacement
#pragma once

#include <cstddef>
#include <mtlx/sharing/mask_selection.hpp>
#include <span>

namespace mtlx::sharing {

/// Mask rule: random weights of each block, drawn before the first step: what any other rule has to beat. Equal seeds give
/// equal masks.
struct RandomMasks {
  static constexpr std::size_t memory = 0;

  double density = 0.3;  ///< of a block's weights that stay, in [0, 1]
  bool common = false;   ///< one mask for all tasks, not one for each

  [[gnu::cold]] void validate() const { detail::check_density("RandomMasks: density", density); }

  template <class S>
  [[gnu::cold]] void begin(const MaskStep<S>& step) const {
    Random random = step.random;
    for (const MaskBlock& block : step.blocks) {
      detail::Places places = detail::prunable({&block, 1});
      const std::size_t count = detail::share_of(density, places.size());
      for (std::size_t t = 0; t < step.tasks; ++t) {
        if (!step.labelled.has(t)) continue;
        random.shuffle(std::span(places));
        detail::own_first(step.owners, common ? step.labelled : TaskSet::only(t), places, count);
        if (common) break;
      }
    }
    detail::clear_dead(step);
  }
};

}  // namespace mtlx::sharing
