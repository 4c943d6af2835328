// SPDX-License-Identifier: MIT
// y[i][r][c] = max over the window of x[i][r s + a - p][c s + b - p];  dx = dy at the winner, the first of equals.
#pragma once

#include <mtlx/core/geometry.hpp>
#include <mtlx/nn/layer.hpp>

namespace mtlx::nn {

/// The largest number in each window. x : (channels, height, width, batch) -> y : (channels, places, places, batch).
/// Padding never wins; NaN does.
template <int Kernel, int Stride = Kernel, int Padding = 0>
struct MaxPool2d {
  static constexpr std::string_view name = "MaxPool2d";

  static constexpr Pooling geometry(Shape in) { return {in, {Kernel, Stride, Padding}}; }
  static constexpr Shape output(Shape in) { return geometry(in).out(); }
  static constexpr std::size_t saved(Shape in) { return output(in).size(); }

  template <Shape In>
  static consteval bool check() {
    constexpr bool sound = Kernel > 0 && Stride > 0 && Padding >= 0 && 2 * Padding <= Kernel;
    static_assert(sound, "mtlx: MaxPool2d needs a positive kernel and stride, and padding of at most half the kernel");
    if constexpr (sound) {
      constexpr bool fits = output(In).height > 0 && output(In).width > 0;
      static_assert(fits, "mtlx: the kernel of a MaxPool2d is larger than its (padded) input");
      return fits;
    }
    return false;
  }

  template <Shape In, class Pass>
  static void forward(const Pass& pass) {
    Pass::Slice::template max_pool_forward<geometry(In)>(pass.x, pass.y, pass.saved);
  }

  template <Shape In, bool NeedInput, class Pass>
  static void backward(const Pass& pass) {
    if constexpr (NeedInput) Pass::Slice::template max_pool_backward<geometry(In)>(pass.saved, pass.dy, pass.dx);
  }
};

}  // namespace mtlx::nn
