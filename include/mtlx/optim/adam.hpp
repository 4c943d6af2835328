// SPDX-License-Identifier: MIT
// g' = g + weight_decay p;  m <- beta1 m + (1 - beta1) g';  v <- beta2 v + (1 - beta2) g'²
// p <- p - learning_rate / (1 - beta1^t) m / (sqrt(v / (1 - beta2^t)) + epsilon)
// Reference: Kingma and Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, algorithm 1.
#pragma once

#include <cmath>
#include <mtlx/core/options.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/optim/optimizer.hpp>

namespace mtlx::optim {

/// Optimizer policy: Adam, with L2 weight decay in the gradient.
struct Adam {
  static constexpr auto kind = Kind::optimizer;
  static constexpr std::size_t states = 2;

  double learning_rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;

  [[gnu::cold]] void validate() const {
    check_option("Adam: learning_rate", learning_rate);
    check_option("Adam: beta1", beta1, {.most = 1, .most_too = false});
    check_option("Adam: beta2", beta2, {.most = 1, .most_too = false});
    check_option("Adam: epsilon", epsilon);
    check_option("Adam: weight_decay", weight_decay);
  }

  auto rule(const Now& now) const {
    const auto t = static_cast<double>(now.step);
    const double rate = learning_rate / (1 - std::pow(beta1, t));
    const double second = 1 / std::sqrt(1 - std::pow(beta2, t));
    return [*this, rate, second](auto& p, auto gradient, auto& state) {
      using Number = decltype(gradient);
      auto& [m, v] = state;
      const Number g = gradient + Number(weight_decay) * p;
      m = Number(beta1) * m + Number(1 - beta1) * g;
      v = Number(beta2) * v + Number(1 - beta2) * g * g;
      p -= Number(rate) * m / (square_root(v) * Number(second) + Number(epsilon));
    };
  }
};

}  // namespace mtlx::optim
