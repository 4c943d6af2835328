// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <mtlx/sharing/masks.hpp>

namespace mtlx::sharing {

/// Mask rule: the masks that the user gives, `model.set_masks(masks)`, from first step to last. Without any they are full,
/// which is hard sharing.
struct GivenMasks {
  static constexpr std::size_t memory = 0;
  static constexpr bool given = true;
};

}  // namespace mtlx::sharing
