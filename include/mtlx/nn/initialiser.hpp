// SPDX-License-Identifier: MIT
// First values of parameters. An initialiser is a function of a random stream and the parameter's fan-in and fan-out
// (the numbers that flow into and out of one unit).
// References: He et al., "Delving Deep into Rectifiers", ICCV 2015, eq. 10; Glorot and Bengio, "Understanding the
// difficulty of training deep feedforward neural networks", AISTATS 2010, eq. 16.
#pragma once

#include <cmath>
#include <mtlx/core/random.hpp>

namespace mtlx::nn {

/// Draws the next value of a parameter with `fan_in` inputs and `fan_out` outputs a unit.
using Initialiser = double (*)(Random& random, double fan_in, double fan_out);

/// Normal with variance 2 / fan_in: keeps the variance through layers with Relu.
inline double he_normal(Random& random, double fan_in, double) { return std::sqrt(2 / fan_in) * random.normal(); }
/// Uniform with variance 2 / fan_in.
inline double he_uniform(Random& random, double fan_in, double) {
  return std::sqrt(6 / fan_in) * (2 * random.uniform() - 1);
}
/// Normal with variance 2 / (fan_in + fan_out): for Tanh and linear layers.
inline double glorot_normal(Random& random, double fan_in, double fan_out) {
  return std::sqrt(2 / (fan_in + fan_out)) * random.normal();
}
/// Uniform with variance 2 / (fan_in + fan_out).
inline double glorot_uniform(Random& random, double fan_in, double fan_out) {
  return std::sqrt(6 / (fan_in + fan_out)) * (2 * random.uniform() - 1);
}
/// 0
inline double zeros(Random&, double, double) { return 0; }
/// 1
inline double ones(Random&, double, double) { return 1; }

}  // namespace mtlx::nn
