// SPDX-License-Identifier: MIT
// The vocabulary in which layers and losses of one sample are written, for plain numbers. A backend's own number type
// (a register of samples, a device float) brings the same names, found by argument-dependent lookup.
#pragma once

#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <utility>

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

namespace detail {

// Coefficients of powers, from Chebyshev expansions: scripts/oracle/approximations.py computes them and says whether they
// stand here. Sums of products and no differences that cancel: right under -ffast-math too.

// atanh(s) / s in powers of s², for s² <= 1/9.
inline constexpr double atanh_coefficients[] = {
    1.0,
    0.3333333333333307,
    0.20000000000094656,
    0.14285714272520955,
    0.11111112052466518,
    0.09090870008906127,
    0.07693315371624586,
    0.06650081100282697,
    0.060558960079100006,
    0.041588104702145766,
    0.08528287251473514,
};

// (1 + 2 z) e^(z²) erfc(z) in powers of t = (z - 3.75) / (z + 3.75), for z >= 0: the form of Shepherd and Laframboise,
// "Chebyshev Approximation of (1 + 2x) exp(x²) erfc x in 0 <= x < infinity", Mathematics of Computation 36 (1981).
inline constexpr double erfcx_coefficients[] = {
    1.2375126308378275,     -0.14024059858554525,    0.0035854154854790257,   0.08227673848999506,
    -0.10880393014244462,   0.09230432116428125,     -0.05869339857664934,    0.02836227737211114,
    -0.009746579683265262,  0.0017556261651970652,   0.000293714378044958,    -0.00029015535246077655,
    5.164652974177416e-05,  2.2387565714911816e-05,  -1.1438048033346894e-05, -9.792625707303523e-07,
    1.7419821586224816e-06, -5.084465378687302e-08,  -2.4857126248016745e-07, 1.879082322370048e-08,
    3.197926671666804e-08,  -1.9551358868985616e-09, -2.623107347133476e-09,
};

/// The polynomial at x, by Horner's rule. Unrolled, so that the coefficients are constants of any number type.
template <auto& Coefficients, class T>
T polynomial(T x) {
  constexpr std::size_t last = sizeof(Coefficients) / sizeof(double) - 1;
  T y = T(Coefficients[last]);
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    ((y = y * x + T(Coefficients[last - 1 - I])), ...);
  }(std::make_index_sequence<last>{});
  return y;
}

/// log(1 + u) for u from 0 to 1, small ones not lost: 2 atanh(u / (2 + u)).
template <class T>
T log_of_one_plus(T u) {
  const T s = u / (T(2) + u);
  return T(2) * s * polynomial<atanh_coefficients>(s * s);
}

/// The standard normal distribution function, for kernel = e^(-x²/2).
template <class T>
T normal_cdf(T x, T kernel) {
  const T z = absolute(x) * T(0.70710678118654752);
  const T t = T(1) - T(7.5) / (z + T(3.75));
  const T tail = T(0.5) * kernel * polynomial<erfcx_coefficients>(t) / (T(1) + z + z);
  return select(x < T(0), tail, T(1) - tail);
}

}  // namespace detail

/// log(1 + e^x) without overflow: max(x, 0) + log(1 + e^-|x|). Small results are right to their own last places.
template <class T>
T softplus(T x) {
  return maximum(x, T(0)) + detail::log_of_one_plus(exponential(-absolute(x)));
}
/// The standard normal distribution function, (1 + erf(x / sqrt 2)) / 2. Right to some last places of the result, but
/// for x²/2 of them far to the left, where the exponential has no more.
template <class T>
T normal_cdf(T x) {
  return detail::normal_cdf(x, exponential(T(-0.5) * x * x));
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
