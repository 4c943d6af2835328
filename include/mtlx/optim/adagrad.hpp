// SPDX-License-Identifier: MIT
// g' = g + weight_decay p;  s <- s + g'², with s = initial_accumulator at first
// p <- p - learning_rate / (1 + (t - 1) learning_rate_decay) g' / (sqrt(s) + epsilon)     (as PyTorch's Adagrad)
// Reference: Duchi, Hazan and Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization",
// JMLR 12, 2011, figure 1 (diagonal).
#pragma once

#include <mtlx/core/options.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/optim/optimizer.hpp>

namespace mtlx::optim {

/// Optimizer policy: Adagrad, with L2 weight decay in the gradient.
struct Adagrad {
  static constexpr auto kind = Kind::optimizer;
  static constexpr std::size_t states = 1;

  double learning_rate = 1e-2;
  double learning_rate_decay = 0;
  double weight_decay = 0;
  double initial_accumulator = 0;
  double epsilon = 1e-10;

  [[gnu::cold]] void validate() const {
    check_option("Adagrad: learning_rate", learning_rate);
    check_option("Adagrad: learning_rate_decay", learning_rate_decay);
    check_option("Adagrad: weight_decay", weight_decay);
    check_option("Adagrad: initial_accumulator", initial_accumulator);
    check_option("Adagrad: epsilon", epsilon);
  }

  auto rule(const Now& now) const {
    const double rate = learning_rate / (1 + static_cast<double>(now.step - 1) * learning_rate_decay);
    const double first = now.step == 1 ? initial_accumulator : 0;  // rows are zero at first
    return [*this, rate, first](auto& p, auto gradient, auto& state) {
      using Number = decltype(gradient);
      const Number g = gradient + Number(weight_decay) * p;
      auto& sum = state[0];
      sum += Number(first) + g * g;
      p -= Number(rate) * g / (square_root(sum) + Number(epsilon));
    };
  }
};

}  // namespace mtlx::optim
