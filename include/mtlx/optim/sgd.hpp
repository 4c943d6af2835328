// SPDX-License-Identifier: MIT
// g' = g + weight_decay p;  v <- momentum v + g';  p <- p - learning_rate v   (as PyTorch's SGD without dampening)
#pragma once

#include <mtlx/optim/optimizer.hpp>

namespace mtlx::optim {

/// Optimizer policy: stochastic gradient descent with momentum and L2 weight decay.
struct Sgd {
  static constexpr auto kind = Kind::optimizer;
  static constexpr std::size_t states = 1;

  double learning_rate = 1e-2;
  double momentum = 0;
  double weight_decay = 0;

  auto rule(std::uint64_t) const {
    return [*this](auto& p, auto gradient, auto& state) {
      using Number = decltype(gradient);
      auto& velocity = state[0];
      velocity = Number(momentum) * velocity + (gradient + Number(weight_decay) * p);
      p -= Number(learning_rate) * velocity;
    };
  }
};

}  // namespace mtlx::optim
