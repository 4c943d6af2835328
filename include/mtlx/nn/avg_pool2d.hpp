// SPDX-License-Identifier: MIT
// AvgPool2d: y[i][r][c] = sum over the window of x[i][r s + a - p][c s + b - p] / Kernel², where the padding is 0 and
// counts;  dx = the sum of dy / Kernel² over the windows that the pixel lies in.
// GlobalAvgPool: y[i] = mean of x[i];  dx[i] = dy[i] / (height width).
#pragma once

#include <mtlx/core/geometry.hpp>
#include <mtlx/nn/layer.hpp>
#include <mtlx/nn/pooling.hpp>

#include <algorithm>

namespace mtlx::nn {

/// The mean of each window. x : (channels, height, width, batch) -> y : (channels, places, places, batch). Zeros of the
/// padding count as numbers (PyTorch's count_include_pad = True): always Kernel² of them.
template <int Kernel, int Stride = Kernel, int Padding = 0>
struct AvgPool2d {
  static constexpr std::string_view name = "AvgPool2d";
  static constexpr Window window{Kernel, Stride, Padding};

  static constexpr Pooling geometry(Shape in) { return {in, window}; }
  static constexpr Shape output(Shape in) { return geometry(in).out(); }

  template <Shape In>
  static consteval bool check() {
    return detail::check_pooling<window, In>();
  }

  template <Shape In>
  static void forward_sample(const auto& s) {
    using Number = typename std::remove_cvref_t<decltype(s)>::Number;
    constexpr Shape out = output(In);
    for (int i = 0; i < In.channels; ++i)
      for (int r = 0; r < out.height; ++r)
        for (int c = 0; c < out.width; ++c) {
          const Range rows = pixels(r, In.height), columns = pixels(c, In.width);
          Number total(0);
          for (int h = rows.begin; h < rows.end; ++h)
            for (int w = columns.begin; w < columns.end; ++w) total += s.x[In.at(i, h, w)];
          s.y[out.at(i, r, c)] = total * Number(share);
        }
  }

  template <Shape In>
  static void backward_sample(const auto& s) {
    using Number = typename std::remove_cvref_t<decltype(s)>::Number;
    constexpr Shape out = output(In);
    for (std::size_t i = 0; i < In.size(); ++i) s.dx[i] = Number(0);
    for (int i = 0; i < In.channels; ++i)
      for (int r = 0; r < out.height; ++r)
        for (int c = 0; c < out.width; ++c) {
          const Range rows = pixels(r, In.height), columns = pixels(c, In.width);
          const Number part = s.dy[out.at(i, r, c)] * Number(share);
          for (int h = rows.begin; h < rows.end; ++h)
            for (int w = columns.begin; w < columns.end; ++w) s.dx[In.at(i, h, w)] += part;
        }
  }

 private:
  static constexpr double share = 1.0 / (Kernel * Kernel);

  struct Range {
    int begin, end;
  };
  /// The pixels of the window at a place, of `extent` in all.
  static constexpr Range pixels(int place, int extent) {
    const int first = place * Stride - Padding;
    return {std::max(first, 0), std::min(first + Kernel, extent)};
  }
};

/// The mean of each channel. x : (channels, height, width, batch) -> y : (channels, batch).
struct GlobalAvgPool {
  static constexpr std::string_view name = "GlobalAvgPool";
  static constexpr Shape output(Shape in) { return {in.channels, 1, 1}; }

  template <Shape In>
  static void forward_sample(const auto& s) {
    using Number = typename std::remove_cvref_t<decltype(s)>::Number;
    constexpr std::size_t channels = In.channels, plane = In.size() / channels;
    for (std::size_t c = 0; c < channels; ++c) {
      Number total(0);
      for (std::size_t i = c * plane; i < (c + 1) * plane; ++i) total += s.x[i];
      s.y[c] = total * Number(1.0 / plane);
    }
  }
  template <Shape In>
  static void backward_sample(const auto& s) {
    using Number = typename std::remove_cvref_t<decltype(s)>::Number;
    constexpr std::size_t channels = In.channels, plane = In.size() / channels;
    for (std::size_t c = 0; c < channels; ++c) {
      const Number part = s.dy[c] * Number(1.0 / plane);
      for (std::size_t i = c * plane; i < (c + 1) * plane; ++i) s.dx[i] = part;
    }
  }
};

}  // namespace mtlx::nn
