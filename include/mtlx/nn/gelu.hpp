// SPDX-License-Identifier: MIT
// x times a share of it that grows from 0 to 1; backward reads x, so that none of them works in place.
// Silu: y = x s(x) with s = Sigmoid, dx = dy s (1 + x (1 - s)).
// Gelu: y = x F(x) with F the standard normal distribution function, dx = dy (F + x F').
// GeluTanh: y = x s(2 u) with u = sqrt(2 / pi) (x + 0.044715 x³), dx = dy (s + 2 x s (1 - s) u').
// Reference: Hendrycks and Gimpel, "Gaussian Error Linear Units", arXiv:1606.08415, section 2.
#pragma once

#include <mtlx/core/scalar.hpp>
#include <mtlx/nn/activation.hpp>

namespace mtlx::nn {

/// y = x / (1 + e^-x), elementwise (Swish).
struct Silu {
  static constexpr std::string_view name = "Silu";
  static constexpr Shape output(Shape in) { return in; }

  template <Shape In>
  static void forward_sample(const auto& s) {
    detail::apply<In>(s, [](auto x) { return x * sigmoid(x); });
  }
  template <Shape In>
  static void backward_sample(const auto& s) {
    detail::apply_slope<In>(s, s.x, [](auto x) {
      const auto share = sigmoid(x);
      return share * (1 + x * (1 - share));
    });
  }
};

/// y = x times the standard normal distribution function of x, elementwise: not the approximation. Small results far to
/// the left are kept (normal_cdf in core/scalar.hpp says how exactly).
struct Gelu {
  static constexpr std::string_view name = "Gelu";
  static constexpr Shape output(Shape in) { return in; }

  template <Shape In>
  static void forward_sample(const auto& s) {
    detail::apply<In>(s, [](auto x) { return x * normal_cdf(x); });
  }
  template <Shape In>
  static void backward_sample(const auto& s) {
    detail::apply_slope<In>(s, s.x, [](auto x) {
      const auto kernel = exponential(-0.5 * x * x);
      // F' = e^(-x²/2) / sqrt(2 pi)
      return mtlx::detail::normal_cdf(x, kernel) + 0.39894228040143268 * x * kernel;
    });
  }
};

/// Gelu's approximation by a hyperbolic tangent, elementwise: at most 0.0005 from Gelu, and cheaper.
struct GeluTanh {
  static constexpr std::string_view name = "GeluTanh";
  static constexpr Shape output(Shape in) { return in; }

  template <Shape In>
  static void forward_sample(const auto& s) {
    detail::apply<In>(s, [](auto x) { return x * sigmoid(x * (slope + cubic * (x * x))); });
  }
  template <Shape In>
  static void backward_sample(const auto& s) {
    detail::apply_slope<In>(s, s.x, [](auto x) {
      // From 30 on the slope is 0 or 1 to the last place; the square of a large x would overflow.
      using Number = decltype(x);
      const Number most(30), bounded = select(x < -most, -most, select(most < x, most, x));
      const Number square = bounded * bounded;
      const Number share = sigmoid(bounded * (slope + cubic * square));
      return share + bounded * share * (1 - share) * (slope + 3 * cubic * square);
    });
  }

 private:
  // 2 u = slope x + cubic x³; (1 + tanh u) / 2 is the sigmoid of 2 u, without the difference that loses small results.
  static constexpr double slope = 1.5957691216057308, cubic = 0.044715 * slope;
};

}  // namespace mtlx::nn
