// SPDX-License-Identifier: MIT
// g' = g + weight_decay p;  v <- momentum v + (1 - dampening) g', the first time v <- g'
// p <- p - learning_rate v, with nesterov p <- p - learning_rate (g' + momentum v)     (as PyTorch's SGD)
#pragma once

#include <mtlx/core/error.hpp>
#include <mtlx/core/options.hpp>
#include <mtlx/optim/optimizer.hpp>

namespace mtlx::optim {

/// Optimizer policy: stochastic gradient descent with momentum and L2 weight decay.
struct Sgd {
  static constexpr auto kind = Kind::optimizer;
  static constexpr std::size_t states = 1;

  double learning_rate = 1e-2;
  double momentum = 0;
  double dampening = 0;  ///< of what is new in the velocity; nothing without momentum
  double weight_decay = 0;
  bool nesterov = false;  ///< looks one step of the velocity ahead; needs a momentum, and no dampening

  [[gnu::cold]] void validate() const {
    check_option("Sgd: learning_rate", learning_rate);
    check_option("Sgd: momentum", momentum);
    check_option("Sgd: dampening", dampening, {.most = 1});
    check_option("Sgd: weight_decay", weight_decay);
    if (nesterov && !(momentum > 0 && dampening == 0))
      fail("Sgd: nesterov needs a momentum and no dampening; the momentum is ", momentum, ", the dampening ",
           dampening);
  }

  auto rule(const Now& now) const {
    const double fresh = momentum > 0 && now.step > 1 ? 1 - dampening : 1;
    return [*this, fresh](auto& p, auto gradient, auto& state) {
      using Number = decltype(gradient);
      auto& velocity = state[0];
      const Number g = gradient + Number(weight_decay) * p;
      velocity = Number(momentum) * velocity + Number(fresh) * g;
      p -= Number(learning_rate) * (nesterov ? g + Number(momentum) * velocity : velocity);
    };
  }
};

}  // namespace mtlx::optim
