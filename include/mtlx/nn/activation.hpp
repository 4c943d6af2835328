// SPDX-License-Identifier: MIT
// Relu: y = max(x, 0), dx = dy where x > 0.   Tanh: y = tanh x, dx = dy (1 - y²).
#pragma once

#include <mtlx/core/scalar.hpp>
#include <mtlx/nn/layer.hpp>

namespace mtlx::nn {

/// y = max(x, 0), elementwise; NaN stays. The derivative at 0 is 0.
struct Relu {
  static constexpr std::string_view name = "Relu";
  static constexpr bool in_place = true;
  static constexpr bool reads_output = true;
  static constexpr Shape output(Shape in) { return in; }

  template <Shape In>
  static void forward_sample(const auto& s) {
    using Number = typename std::remove_cvref_t<decltype(s)>::Number;
    for (std::size_t i = 0; i < In.size(); ++i) {
      const Number x = s.x[i];
      s.y[i] = select(x < Number(0), Number(0), x);
    }
  }
  template <Shape In>
  static void backward_sample(const auto& s) {
    using Number = typename std::remove_cvref_t<decltype(s)>::Number;
    for (std::size_t i = 0; i < In.size(); ++i) s.dx[i] = select(s.y[i] > Number(0), Number(s.dy[i]), Number(0));
  }
};

/// y = tanh(x), elementwise.
struct Tanh {
  static constexpr std::string_view name = "Tanh";
  static constexpr bool in_place = true;
  static constexpr bool reads_output = true;
  static constexpr Shape output(Shape in) { return in; }

  template <Shape In>
  static void forward_sample(const auto& s) {
    using Number = typename std::remove_cvref_t<decltype(s)>::Number;
    for (std::size_t i = 0; i < In.size(); ++i) s.y[i] = hyperbolic_tangent(Number(s.x[i]));
  }
  template <Shape In>
  static void backward_sample(const auto& s) {
    using Number = typename std::remove_cvref_t<decltype(s)>::Number;
    for (std::size_t i = 0; i < In.size(); ++i) {
      const Number y = s.y[i];
      s.dx[i] = s.dy[i] * (Number(1) - y * y);
    }
  }
};

}  // namespace mtlx::nn
