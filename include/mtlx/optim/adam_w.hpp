// SPDX-License-Identifier: MIT
// p <- (1 - learning_rate weight_decay) p, then Adam's step without weight decay (adam.hpp)   (as PyTorch's AdamW)
// Reference: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019, algorithm 2; the paper's
// schedule multiplier times its lambda is learning_rate times weight_decay here.
#pragma once

#include <mtlx/core/options.hpp>
#include <mtlx/optim/adam.hpp>

namespace mtlx::optim {

/// Optimizer policy: Adam, with weight decay on the weights themselves.
struct AdamW {
  static constexpr auto kind = Kind::optimizer;
  static constexpr std::size_t states = 2;

  double learning_rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 1e-2;

  [[gnu::cold]] void validate() const {
    check_option("AdamW: learning_rate", learning_rate);
    check_option("AdamW: beta1", beta1, {.most = 1, .most_too = false});
    check_option("AdamW: beta2", beta2, {.most = 1, .most_too = false});
    check_option("AdamW: epsilon", epsilon);
    check_option("AdamW: weight_decay", weight_decay);
  }

  auto rule(const Now& now) const {
    const Adam adam{learning_rate, beta1, beta2, epsilon};
    return [step = adam.rule(now), keep = 1 - learning_rate * weight_decay](auto& p, auto gradient, auto& state) {
      p *= decltype(gradient)(keep);
      step(p, gradient, state);
    };
  }
};

}  // namespace mtlx::optim
