// SPDX-License-Identifier: MIT
// What the pooling layers share.
#pragma once

#include <mtlx/core/geometry.hpp>

namespace mtlx::nn::detail {

/// Whether a window can slide over an input of shape `In`; if not, one sentence has said why. No window may lie in the
/// padding alone.
template <Window W, Shape In>
consteval bool check_pooling() {
  constexpr bool sound = W.kernel > 0 && W.stride > 0 && W.padding >= 0 && 2 * W.padding <= W.kernel;
  static_assert(sound,
                "mtlx: a pooling layer needs a positive kernel and stride, and padding of at most half the kernel");
  if constexpr (sound) {
    constexpr bool fits = W.places(In.height) > 0 && W.places(In.width) > 0;
    static_assert(fits, "mtlx: the kernel of a pooling layer is larger than its (padded) input");
    return fits;
  }
  return false;
}

}  // namespace mtlx::nn::detail
