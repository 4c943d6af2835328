// SPDX-License-Identifier: MIT
// Relu: y = max(x, 0), dx = dy where x > 0.   LeakyRelu, PRelu: y = x where x > 0, else a x; dx = dy or a dy; da += x dy.
// Tanh: y = tanh x, dx = dy (1 - y²).         Sigmoid: y = 1 / (1 + e^-x), dx = dy y (1 - y).
// Softplus: y = log(1 + e^x), dx = dy (1 - e^-y).
// Reference: He et al., "Delving Deep into Rectifiers", ICCV 2015, eq. 1 (PRelu).
#pragma once

#include <mtlx/core/scalar.hpp>
#include <mtlx/nn/layer.hpp>

namespace mtlx::nn {

namespace detail {

/// y = function(x), elementwise.
template <Shape In>
void apply(const auto& s, auto function) {
  for (std::size_t i = 0; i < In.size(); ++i) s.y[i] = function(s.x[i]);
}

/// dx = dy slope(from), elementwise; `from` is s.x or s.y.
template <Shape In>
void apply_slope(const auto& s, const auto& from, auto slope) {
  for (std::size_t i = 0; i < In.size(); ++i) s.dx[i] = s.dy[i] * slope(from[i]);
}

}  // namespace detail

/// y = max(x, 0), elementwise; NaN stays. The derivative at 0 is 0.
struct Relu {
  static constexpr std::string_view name = "Relu";
  static constexpr bool in_place = true;
  static constexpr bool reads_output = true;
  static constexpr Shape output(Shape in) { return in; }

  template <Shape In>
  static void forward_sample(const auto& s) {
    using Number = typename std::remove_cvref_t<decltype(s)>::Number;
    detail::apply<In>(s, [](Number x) { return select(x < Number(0), Number(0), x); });
  }
  template <Shape In>
  static void backward_sample(const auto& s) {
    using Number = typename std::remove_cvref_t<decltype(s)>::Number;
    for (std::size_t i = 0; i < In.size(); ++i) s.dx[i] = select(s.y[i] > Number(0), Number(s.dy[i]), Number(0));
  }
};

/// y = x where x > 0, else `Percent` / 100 times x, elementwise. The derivative at 0 is the negative side's.
template <int Percent = 1>
struct LeakyRelu {
  static constexpr std::string_view name = "LeakyRelu";
  static constexpr bool in_place = true;
  static constexpr bool reads_output = true;
  static constexpr Shape output(Shape in) { return in; }

  template <Shape In>
  static consteval bool check() {
    // A negative slope could not be told from y.
    static_assert(Percent >= 0 && Percent <= 100, "mtlx: LeakyRelu takes a percentage from 0 to 100");
    return Percent >= 0 && Percent <= 100;
  }

  template <Shape In>
  static void forward_sample(const auto& s) {
    using Number = typename std::remove_cvref_t<decltype(s)>::Number;
    detail::apply<In>(s, [](Number x) { return select(x > Number(0), x, Number(Percent / 100.0) * x); });
  }
  template <Shape In>
  static void backward_sample(const auto& s) {
    using Number = typename std::remove_cvref_t<decltype(s)>::Number;
    detail::apply_slope<In>(s, s.y, [](Number y) { return select(y > Number(0), Number(1), Number(Percent / 100.0)); });
  }
};

/// y = x where x > 0, else x times a slope of the channel's own, which is learnt. The derivative at 0 is the negative
/// side's. weight : (channels), 0.25 at first; its role is that of a norm's scale, because a decay to 0 would turn it
/// into Relu.
struct PRelu {
  static constexpr std::string_view name = "PRelu";
  static constexpr Shape output(Shape in) { return in; }
  static constexpr std::array<Parameter, 1> parameters(Shape in) {
    return {Parameter{"weight", {in.channels}, Role::norm, 1, 1, constant<0.25>}};
  }

  template <Shape In>
  static void forward_sample(const auto& s) {
    using Number = typename std::remove_cvref_t<decltype(s)>::Number;
    constexpr std::size_t channels = In.channels, plane = In.size() / channels;
    for (std::size_t c = 0; c < channels; ++c) {
      const Number slope = s.p[c];
      for (std::size_t i = c * plane; i < (c + 1) * plane; ++i) {
        const Number x = s.x[i];
        s.y[i] = select(x > Number(0), x, slope * x);
      }
    }
  }
  template <Shape In>
  static void backward_sample(const auto& s) {
    using Number = typename std::remove_cvref_t<decltype(s)>::Number;
    constexpr std::size_t channels = In.channels, plane = In.size() / channels;
    for (std::size_t c = 0; c < channels; ++c) {
      const Number slope = s.p[c];
      Number total(0);
      for (std::size_t i = c * plane; i < (c + 1) * plane; ++i) {
        const Number x = s.x[i], dy = s.dy[i];
        s.dx[i] = select(x > Number(0), dy, slope * dy);
        total += select(x > Number(0), Number(0), x * dy);
      }
      s.dp[c] += total;
    }
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
    detail::apply<In>(s, [](auto x) { return hyperbolic_tangent(x); });
  }
  template <Shape In>
  static void backward_sample(const auto& s) {
    detail::apply_slope<In>(s, s.y, [](auto y) { return 1 - y * y; });
  }
};

/// y = 1 / (1 + e^-x), elementwise.
struct Sigmoid {
  static constexpr std::string_view name = "Sigmoid";
  static constexpr bool in_place = true;
  static constexpr bool reads_output = true;
  static constexpr Shape output(Shape in) { return in; }

  template <Shape In>
  static void forward_sample(const auto& s) {
    detail::apply<In>(s, [](auto x) { return sigmoid(x); });
  }
  template <Shape In>
  static void backward_sample(const auto& s) {
    detail::apply_slope<In>(s, s.y, [](auto y) { return y * (1 - y); });
  }
};

/// y = log(1 + e^x), elementwise, without overflow.
struct Softplus {
  static constexpr std::string_view name = "Softplus";
  static constexpr bool in_place = true;
  static constexpr bool reads_output = true;
  static constexpr Shape output(Shape in) { return in; }

  template <Shape In>
  static void forward_sample(const auto& s) {
    detail::apply<In>(s, [](auto x) { return softplus(x); });
  }
  template <Shape In>
  static void backward_sample(const auto& s) {
    // 1 - e^-y = 2 t / (1 + t) with t = tanh(y / 2): where y is small, so that 1 - e^-y would lose it.
    detail::apply_slope<In>(s, s.y, [](auto y) {
      const auto t = hyperbolic_tangent(y / 2);
      return 2 * t / (1 + t);
    });
  }
};

}  // namespace mtlx::nn
