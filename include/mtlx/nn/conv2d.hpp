// SPDX-License-Identifier: MIT
// y[o][r][c] = b[o] + sum_{i,a,b} x[i][r s + a - p][c s + b - p] W[o][i][a][b] with stride s and padding p of zeros (the
// field's convolution: a correlation);  dx, dW, db are its adjoints: each product's other factor, summed.
#pragma once

#include <mtlx/core/geometry.hpp>
#include <mtlx/nn/layer.hpp>

namespace mtlx::nn {

/// A two-dimensional convolution. x : (channels, height, width, batch) -> y : (Filters, places, places, batch), with
/// places = (extent + 2 Padding - Kernel) / Stride + 1. weight : (Filters, channels, Kernel, Kernel), bias : (Filters).
template <int Filters, int Kernel, int Stride = 1, int Padding = 0, Initialiser Weight = he_normal>
struct Conv2d {
  static constexpr std::string_view name = "Conv2d";
  static constexpr Window window{Kernel, Stride, Padding};

  static constexpr Convolution geometry(Shape in) { return {in, window, Filters}; }
  static constexpr Shape output(Shape in) { return geometry(in).out(); }

  static constexpr std::array<Parameter, 2> parameters(Shape in) {
    const double area = Kernel * Kernel;
    const double fan_in = in.channels * area, fan_out = Filters * area;
    return {Parameter{"weight", {Filters, in.channels, Kernel, Kernel}, Role::weight, fan_in, fan_out, Weight},
            Parameter{"bias", {Filters}, Role::bias, fan_in, fan_out, zeros}};
  }

  static constexpr double multiply_adds(Shape in) {
    return static_cast<double>(geometry(in).weights()) * output(in).height * output(in).width;
  }

  template <Shape In>
  static consteval bool check() {
    constexpr bool sound = Filters > 0 && Kernel > 0 && Stride > 0 && Padding >= 0;
    static_assert(sound, "mtlx: Conv2d needs positive filters, kernel and stride, and no negative padding");
    if constexpr (sound) {
      constexpr bool fits = output(In).height > 0 && output(In).width > 0;
      static_assert(fits, "mtlx: the kernel of a Conv2d is larger than its (padded) input");
      return fits;
    }
    return false;
  }

  template <Shape In, class Pass>
  static void forward(const Pass& pass) {
    constexpr Convolution g = geometry(In);
    Pass::Slice::template convolution_forward<g>(pass.parameters, pass.parameters + g.weights(), pass.x, pass.y);
  }

  template <Shape In, bool NeedInput, class Pass>
  static void backward(const Pass& pass) {
    constexpr Convolution g = geometry(In);
    Pass::Slice::template convolution_backward_parameters<g>(pass.x, pass.dy, pass.dparameters,
                                                             pass.dparameters + g.weights());
    if constexpr (NeedInput) Pass::Slice::template convolution_backward_input<g>(pass.parameters, pass.dy, pass.dx);
  }
};

}  // namespace mtlx::nn
