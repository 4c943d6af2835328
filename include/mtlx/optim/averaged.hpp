// SPDX-License-Identifier: MIT
// a <- decay a + (1 - decay) p after each step of p; the first time a <- p
//                                             (as PyTorch's AveragedModel with get_ema_multi_avg_fn(decay))
// Reference: Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", SIAM J. Control Optim.,
// 1992, for averages of iterates; exponential ones: Tarvainen and Valpola, "Mean teachers are better role models",
// NeurIPS 2017, section 2.
#pragma once

#include <array>
#include <mtlx/core/options.hpp>
#include <mtlx/optim/optimizer.hpp>

namespace mtlx::optim {

/// Optimizer policy: another optimizer, beside which an average of the weights is kept. Training is as without it; the
/// model's `averaged()` is a copy with the average.
template <class O>
struct Averaged {
  static constexpr auto kind = Kind::optimizer;
  static constexpr std::size_t states = optim::states<O> + 1;
  static constexpr bool needs_norm = optim::needs_norm<O>;
  static constexpr bool averages = true;
  using State = PolicyState<O>;

  O optimizer{};
  double decay = 0.999;  ///< what is kept of the average in a step, in [0, 1)

  static consteval bool check() {
    if constexpr (!optim::check<O>()) {
      return false;
    } else {
      static_assert(!optim::averages<O>, "mtlx: an optimizer is Averaged once, and here it is twice");
      return !optim::averages<O>;
    }
  }
  [[gnu::cold]] void validate() const {
    mtlx::validate(optimizer);
    check_option("Averaged: decay", decay, {.most = 1, .most_too = false});
  }

  void observe(State& state, double loss) const { optim::observe(optimizer, state, loss); }

  auto rule(const Now& now, const State& state) const {
    const double fresh = now.step == 1 ? 1 : 1 - decay;
    return [inner = optim::rule(optimizer, now, state), fresh](auto& p, auto gradient, auto& row) {
      using Number = decltype(gradient);
      auto& average = row[0];
      std::array<Number, optim::states<O>> rest;
      for (std::size_t i = 0; i < rest.size(); ++i) rest[i] = row[i + 1];
      inner(p, gradient, rest);
      for (std::size_t i = 0; i < rest.size(); ++i) row[i + 1] = rest[i];
      average += Number(fresh) * (p - average);
    };
  }
};

}  // namespace mtlx::optim
