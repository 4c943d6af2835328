// SPDX-License-Identifier: MIT
// y[i][r][c] = max over the window of x[i][r s + a - p][c s + b - p];  dx = dy at the winner, the first of equals.
#pragma once

#include <mtlx/core/geometry.hpp>
#include <mtlx/nn/layer.hpp>
#include <mtlx/nn/pooling.hpp>

namespace mtlx::nn {

/// The largest number in each window. x : (channels, height, width, batch) -> y : (channels, places, places, batch).
/// Padding never wins; NaN does.
template <int Kernel, int Stride = Kernel, int Padding = 0>
struct MaxPool2d {
  static constexpr std::string_view name = "MaxPool2d";
  static constexpr Window window{Kernel, Stride, Padding};

  static constexpr Pooling geometry(Shape in) { return {in, window}; }
  static constexpr Shape output(Shape in) { return geometry(in).out(); }
  static constexpr std::size_t saved(Shape in) { return output(in).size(); }

  template <Shape In>
  static consteval bool check() {
    return detail::check_pooling<window, In>();
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
