// SPDX-License-Identifier: MIT
// y[o][h][w] = b[o] + the sum over r s + a - p = h and c s + b - p = w of x[i][r][c] W[i][o][a][b], with stride s and
// padding p: the adjoint of the convolution that takes y's shape to x's. So its forward pass is that convolution's
// gradient of the input, dx that convolution of dy, and dW that convolution's with x and dy in each other's place.
// Reference: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", arXiv 1603.07285, section 4.
#pragma once

#include <mtlx/core/geometry.hpp>
#include <mtlx/nn/layer.hpp>

namespace mtlx::nn {

/// A transposed two-dimensional convolution, which enlarges. x : (channels, height, width, batch) ->
/// y : (Filters, places, places, batch), with places = (extent - 1) Stride - 2 Padding + Kernel + OutputPadding.
/// weight : (channels, Filters, Kernel, Kernel), bias : (Filters).
template <int Filters, int Kernel, int Stride = 1, int Padding = 0, int OutputPadding = 0,
          Initialiser Weight = he_normal>
struct ConvTranspose2d {
  static constexpr std::string_view name = "ConvTranspose2d";

  static constexpr Shape output(Shape in) { return {Filters, places(in.height), places(in.width)}; }

  /// An output pixel collects Kernel² / Stride² taps of each channel, on average.
  static constexpr std::array<Parameter, 2> parameters(Shape in) {
    const double area = Kernel * Kernel, step = Stride * Stride;
    const double fan_in = in.channels * (area > step ? area / step : 1), fan_out = Filters * area;
    return {
        Parameter{"weight", {in.channels, Filters, Kernel, Kernel}, Role::weight, fan_in, fan_out, Weight, false, 1},
        Parameter{"bias", {Filters}, Role::bias, fan_in, fan_out, zeros}};
  }

  static constexpr double multiply_adds(Shape in) {
    return static_cast<double>(mirror(in).weights()) * in.height * in.width;
  }

  template <Shape In>
  static consteval bool check() {
    constexpr bool sound = Filters > 0 && Kernel > 0 && Stride > 0 && Padding >= 0;
    static_assert(sound, "mtlx: ConvTranspose2d needs positive filters, kernel and stride, and no negative padding");
    if constexpr (sound) {
      constexpr bool one = OutputPadding >= 0 && OutputPadding < Stride;
      static_assert(one, "mtlx: the OutputPadding of a ConvTranspose2d must be from 0 to its stride less 1");
      constexpr bool left = output(In).height > 0 && output(In).width > 0;
      static_assert(!one || left, "mtlx: the padding of a ConvTranspose2d takes away all of its output");
      return one && left;
    }
    return false;
  }

  template <Shape In, class Pass>
  static void forward(const Pass& pass) {
    using S = typename Pass::Slice;
    S::template convolution_backward_input<mirror(In)>(pass.parameters, pass.x, pass.y);
    S::for_each_lane([&](const typename S::Lane& lane) {
      const auto y = lane.at(pass.y);
      for (std::size_t o = 0; o < Filters; ++o) {
        const typename S::Number bias(pass.parameters[mirror(In).weights() + o]);
        for (std::size_t i = o * plane<In>; i < (o + 1) * plane<In>; ++i) y[i] += bias;
      }
    });
  }

  template <Shape In, bool NeedInput, class Pass>
  static void backward(const Pass& pass) {
    using S = typename Pass::Slice;
    using Scalar = typename S::Scalar;
    // The mirrored convolution has a bias for each channel of x; this layer has none there.
    Scalar nobody[In.channels] = {};
    S::template convolution_backward_parameters<mirror(In)>(pass.dy, pass.x, pass.dparameters, nobody);
    S::for_each_lane([&](const typename S::Lane& lane) {
      const auto dy = lane.at(pass.dy);
      const backend::GradientView<S> dbias{pass.dparameters + mirror(In).weights()};
      for (std::size_t o = 0; o < Filters; ++o) {
        typename S::Number total(0);
        for (std::size_t i = o * plane<In>; i < (o + 1) * plane<In>; ++i) total += dy[i];
        dbias[o] += total;
      }
    });
    if constexpr (NeedInput) {
      static constexpr Scalar none[In.channels] = {};
      S::template convolution_forward<mirror(In)>(pass.parameters, none, pass.dy, pass.dx);
    }
  }

 private:
  static constexpr int places(int extent) { return (extent - 1) * Stride - 2 * Padding + Kernel + OutputPadding; }
  /// The convolution from y's shape to x's.
  static constexpr Convolution mirror(Shape in) { return {output(in), {Kernel, Stride, Padding}, in.channels}; }
  template <Shape In>
  static constexpr std::size_t plane =
      static_cast<std::size_t>(output(In).height) * static_cast<std::size_t>(output(In).width);
};

}  // namespace mtlx::nn
