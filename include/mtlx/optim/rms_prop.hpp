// SPDX-License-Identifier: MIT
// g' = g + weight_decay p;  s <- alpha s + (1 - alpha) g'²;  d = s, centred: c <- alpha c + (1 - alpha) g', d = s - c²
// v <- momentum v + g' / (sqrt(d) + epsilon);  p <- p - learning_rate v                 (as PyTorch's RMSprop)
// Reference: Tieleman and Hinton, "Lecture 6.5: rmsprop", COURSERA, 2012; centred: Graves, "Generating Sequences With
// Recurrent Neural Networks", 2013, equations 38 to 45.
#pragma once

#include <mtlx/core/options.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/optim/optimizer.hpp>

namespace mtlx::optim {

/// Optimizer policy: the gradient over the root of its mean square, with momentum and L2 weight decay; centred, over
/// its deviation, which takes one more number for each parameter. Rounding can make the variance s - c² negative: it
/// then counts as 0, where PyTorch has NaN.
template <bool centred>
struct BasicRmsProp {
  static constexpr auto kind = Kind::optimizer;
  static constexpr std::size_t states = centred ? 3 : 2;

  double learning_rate = 1e-2;
  double alpha = 0.99;
  double epsilon = 1e-8;
  double weight_decay = 0;
  double momentum = 0;

  [[gnu::cold]] void validate() const {
    check_option("RmsProp: learning_rate", learning_rate);
    check_option("RmsProp: alpha", alpha, {.most = 1, .most_too = false});
    check_option("RmsProp: epsilon", epsilon);
    check_option("RmsProp: weight_decay", weight_decay);
    check_option("RmsProp: momentum", momentum);
  }

  auto rule(const Now&) const {
    return [*this](auto& p, auto gradient, auto& state) {
      using Number = decltype(gradient);
      const Number g = gradient + Number(weight_decay) * p;
      auto& square = state[0];
      auto& velocity = state[1];
      square = Number(alpha) * square + Number(1 - alpha) * g * g;
      Number d = square;
      if constexpr (centred) {
        auto& mean = state[2];
        mean += Number(1 - alpha) * (g - mean);
        d = maximum(square - mean * mean, Number(0));
      }
      velocity = Number(momentum) * velocity + g / (square_root(d) + Number(epsilon));
      p -= Number(learning_rate) * velocity;
    };
  }
};

/// PyTorch's RMSprop, plain and with `centered`.
using RmsProp = BasicRmsProp<false>;
using CentredRmsProp = BasicRmsProp<true>;

}  // namespace mtlx::optim
