// SPDX-License-Identifier: MIT
// The vocabulary in which layers and losses of one sample are written, for plain numbers. A backend's own number type
// (a register of samples, a device float) brings the same names, found by argument-dependent lookup.
#pragma once

#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>

namespace mtlx {

/// `yes` where the condition holds, `no` elsewhere: the only branch that code for many samples at once can take.
template <std::floating_point T>
constexpr T select(bool condition, T yes, T no) {
  return condition ? yes : no;
}

template <std::floating_point T>
T exponential(T x) {
  return std::exp(x);
}
template <std::floating_point T>
T logarithm(T x) {
  return std::log(x);
}
template <std::floating_point T>
T square_root(T x) {
  return std::sqrt(x);
}
template <std::floating_point T>
T hyperbolic_tangent(T x) {
  return std::tanh(x);
}

/// The larger of two numbers; NaN in `a` stays.
template <class T>
T maximum(T a, T b) {
  return select(a < b, b, a);
}
/// |x|
template <class T>
T absolute(T x) {
  return select(x < T(0), -x, x);
}
/// log(1 + e^x) without overflow: max(x, 0) + log(1 + e^-|x|).
template <class T>
T softplus(T x) {
  return maximum(x, T(0)) + logarithm(T(1) + exponential(-absolute(x)));
}
/// 1 / (1 + e^-x) without overflow for either sign.
template <class T>
T sigmoid(T x) {
  const T small = exponential(-absolute(x));
  const T positive = T(1) / (T(1) + small);
  return select(x < T(0), small * positive, positive);
}

/// Whether a number is neither infinite nor NaN, by its bits: right under -ffast-math too, where std::isfinite is not.
constexpr bool is_finite(double x) { return (std::bit_cast<std::uint64_t>(x) >> 52 & 0x7FF) != 0x7FF; }
constexpr bool is_finite(float x) { return (std::bit_cast<std::uint32_t>(x) >> 23 & 0xFF) != 0xFF; }
/// Whether a number is NaN, by its bits.
constexpr bool is_nan(float x) { return (std::bit_cast<std::uint32_t>(x) & 0x7FFFFFFF) > 0x7F800000; }
constexpr bool is_nan(double x) { return (std::bit_cast<std::uint64_t>(x) & 0x7FFFFFFFFFFFFFFF) > 0x7FF0000000000000; }

}  // namespace mtlx
