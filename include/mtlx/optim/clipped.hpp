// SPDX-License-Identifier: MIT
// g' = min(1, norm / (|g| + 1e-6)) g, with |g| the length of the whole direction; then each number of g' is kept within
// [-value, value]     (as PyTorch's clip_grad_norm_, then clip_grad_value_)
// Reference: Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", ICML 2013,
// algorithm 1.
#pragma once

#include <mtlx/core/options.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/optim/optimizer.hpp>

namespace mtlx::optim {

/// Optimizer policy: another optimizer, which sees the direction clipped. The length is that of all segments that the
/// step moves.
template <class O>
struct Clipped {
  static constexpr auto kind = Kind::optimizer;
  static constexpr std::size_t states = optim::states<O>;
  static constexpr bool needs_norm = true;
  static constexpr bool averages = optim::averages<O>;
  using State = PolicyState<O>;

  O optimizer{};
  double norm = 0;   ///< the longest that the direction may be; 0: any
  double value = 0;  ///< the largest that one of its numbers may be; 0: any

  static consteval bool check() {
    if constexpr (!optim::check<O>()) {
      return false;
    } else {
      constexpr bool once = !detail::contains<optim::Clipped, O>();
      static_assert(once, "mtlx: an optimizer is Clipped once, and here it is twice");
      return once;
    }
  }
  [[gnu::cold]] void validate() const {
    mtlx::validate(optimizer);
    check_option("Clipped: norm", norm);
    check_option("Clipped: value", value);
  }

  void observe(State& state, double loss) const { optim::observe(optimizer, state, loss); }

  auto rule(const Now& now, const State& state) const {
    const double ratio = norm / (now.gradient_norm + 1e-6);
    const double shrink = norm > 0 && ratio < 1 ? ratio : 1;
    return [inner = optim::rule(optimizer, now, state), shrink, most = value](auto& p, auto gradient, auto& row) {
      using Number = decltype(gradient);
      Number g = Number(shrink) * gradient;
      if (most > 0) {
        g = maximum(g, Number(-most));
        g = select(g > Number(most), Number(most), g);
      }
      inner(p, g, row);
    };
  }
};

}  // namespace mtlx::optim
