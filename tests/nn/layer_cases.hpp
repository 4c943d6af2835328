// SPDX-License-Identifier: MIT
// What the tests of single and of composed layers share: a user's layers, and the check of one line.
#pragma once

#include <mtlx/nn/activation.hpp>
#include <mtlx/nn/conv2d.hpp>
#include <mtlx/nn/dense.hpp>
#include <mtlx/nn/dropout.hpp>
#include <mtlx/nn/max_pool2d.hpp>
#include <mtlx/testing/layer_laws.hpp>

#include <doctest/doctest.h>

namespace layers {

using namespace mtlx;
using namespace mtlx::nn;

/// The smallest layer, from the head of nn/layer.hpp.
struct Twice {
  static constexpr Shape output(Shape in) { return in; }
  template <Shape In>
  static void forward_sample(const auto& s) {
    for (std::size_t i = 0; i < In.size(); ++i) s.y[i] = s.x[i] + s.x[i];
  }
  template <Shape In>
  static void backward_sample(const auto& s) {
    for (std::size_t i = 0; i < In.size(); ++i) s.dx[i] = s.dy[i] + s.dy[i];
  }
};

/// A user's layer with parameters: y = x / (1 + |x|) * scale + shift, a scale and a shift for each channel.
struct Soft {
  static constexpr std::string_view name = "Soft";
  static constexpr Shape output(Shape in) { return in; }
  static constexpr std::array<Parameter, 2> parameters(Shape in) {
    return {Parameter{"scale", {in.channels}, Role::norm, 1, 1, ones},
            Parameter{"shift", {in.channels}, Role::bias, 1, 1, zeros}};
  }
  template <Shape In>
  static void forward_sample(const auto& s) {
    constexpr std::size_t channels = In.channels, plane = In.size() / channels;
    for (std::size_t i = 0; i < In.size(); ++i)
      s.y[i] = s.x[i] / (absolute(s.x[i]) + 1) * s.p[i / plane] + s.p[channels + i / plane];
  }
  template <Shape In>
  static void backward_sample(const auto& s) {
    constexpr std::size_t channels = In.channels, plane = In.size() / channels;
    for (std::size_t i = 0; i < In.size(); ++i) {
      const auto size = absolute(s.x[i]) + 1;
      s.dx[i] = s.dy[i] * s.p[i / plane] / (size * size);
      s.dp[i / plane] += s.dy[i] * s.x[i] / size;
      s.dp[channels + i / plane] += s.dy[i];
    }
  }
};

/// A user's layer with everything optional: y_i = x_i * x_(i+1), saved, by way of scratch.
struct Neighbours {
  static constexpr Shape output(Shape in) { return in; }
  static constexpr std::size_t saved(Shape in) { return in.size(); }
  template <Shape In>
  static void forward_sample(const auto& s) {
    for (std::size_t i = 0; i < In.size(); ++i) s.saved[i] = s.x[(i + 1) % In.size()];
    for (std::size_t i = 0; i < In.size(); ++i) s.y[i] = s.x[i] * s.saved[i];
  }
  template <Shape In>
  static void backward_sample(const auto& s) {
    constexpr std::size_t n = In.size();
    for (std::size_t i = 0; i < n; ++i) {
      const auto before = s.saved[(i + n - 2) % n];
      s.dx[i] = s.dy[i] * s.saved[i] + s.dy[(i + n - 1) % n] * before;
    }
  }
};

/// The laws on Reference and `Backends`: Cpu in float and in double if none are named.
template <Layer L, Shape Input, class... Backends>
struct Case {
  using Type = L;
  static testing::Report check() { return testing::check_layer<L, Input, Backends...>(); }
};

inline constexpr Shape row{7}, image{2, 6, 5};

inline void expect(const testing::Report& report) {
  CHECK_MESSAGE(report.ok(), report.text());
  CHECK(report.checks() > 1000);
}

}  // namespace layers
