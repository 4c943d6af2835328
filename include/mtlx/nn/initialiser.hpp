// SPDX-License-Identifier: MIT
// First values of parameters. An initialiser is a function of a random stream and the parameter's fan-in and fan-out
// (the numbers that flow into and out of one unit), called for one value after the other; a user's own is any such
// function:
//
//   double small_positive(Random& random, double fan_in, double) { return random.uniform() / fan_in; }
//   using Layer = nn::Dense<50, small_positive>;
//   using Other = nn::Dense<50, nn::normal<0.02>>;
//
// References: LeCun et al., "Efficient BackProp", 1998, eq. 16; Glorot and Bengio, "Understanding the difficulty of
// training deep feedforward neural networks", AISTATS 2010, eq. 16; He et al., "Delving Deep into Rectifiers", ICCV 2015,
// eq. 10.
#pragma once

#include <cmath>
#include <mtlx/core/random.hpp>
#include <mtlx/core/real.hpp>

namespace mtlx::nn {

/// Draws the next value of a parameter with `fan_in` inputs and `fan_out` outputs a unit.
using Initialiser = double (*)(Random& random, double fan_in, double fan_out);

namespace detail {

/// Uniform in [-bound, bound).
inline double between(Random& random, double bound) { return bound * (2 * random.uniform() - 1); }

}  // namespace detail

/// Normal with variance 2 / fan_in: keeps the variance through layers with Relu.
inline double he_normal(Random& random, double fan_in, double) { return std::sqrt(2 / fan_in) * random.normal(); }
/// Uniform with variance 2 / fan_in.
inline double he_uniform(Random& random, double fan_in, double) {
  return detail::between(random, std::sqrt(6 / fan_in));
}
/// Normal with variance 2 / (fan_in + fan_out): for Tanh and linear layers.
inline double glorot_normal(Random& random, double fan_in, double fan_out) {
  return std::sqrt(2 / (fan_in + fan_out)) * random.normal();
}
/// Uniform with variance 2 / (fan_in + fan_out).
inline double glorot_uniform(Random& random, double fan_in, double fan_out) {
  return detail::between(random, std::sqrt(6 / (fan_in + fan_out)));
}
/// Normal with variance 1 / fan_in: keeps the variance through linear layers.
inline double lecun_normal(Random& random, double fan_in, double) { return std::sqrt(1 / fan_in) * random.normal(); }
/// Uniform with variance 1 / fan_in.
inline double lecun_uniform(Random& random, double fan_in, double) {
  return detail::between(random, std::sqrt(3 / fan_in));
}
/// Uniform with variance 1 / (3 fan_in): the weights of PyTorch's Linear and Conv2d, which it calls
/// kaiming_uniform_ with a = sqrt(5).
inline double pytorch_uniform(Random& random, double fan_in, double) {
  return detail::between(random, std::sqrt(1 / fan_in));
}

/// Normal with this standard deviation, whatever the fans.
template <Real Deviation>
double normal(Random& random, double, double) {
  static_assert(Deviation.value >= 0, "mtlx: normal takes a standard deviation of at least 0");
  return Deviation.value * random.normal();
}
/// The same, drawn anew until it lies within two standard deviations (the deviation of what is left is 0.88 of it).
template <Real Deviation>
double truncated_normal(Random& random, double, double) {
  static_assert(Deviation.value >= 0, "mtlx: truncated_normal takes a standard deviation of at least 0");
  double number = random.normal();
  while (std::abs(number) > 2) number = random.normal();
  return Deviation.value * number;
}
/// Uniform from Low up to, and without, High.
template <Real Low, Real High>
double uniform(Random& random, double, double) {
  static_assert(Low.value <= High.value, "mtlx: uniform takes its lower bound first");
  return Low.value + (High.value - Low.value) * random.uniform();
}
/// This number, whatever the fans.
template <Real Number>
double constant(Random&, double, double) {
  return Number.value;
}
/// 0
inline double zeros(Random&, double, double) { return 0; }
/// 1
inline double ones(Random&, double, double) { return 1; }

}  // namespace mtlx::nn
