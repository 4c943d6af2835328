// SPDX-License-Identifier: MIT
// expect: mtlx: an optimizer must be an aggregate with `states` and `auto rule(const Now& now) const`
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
struct Mine {
  static constexpr auto kind = Kind::optimizer;
  static constexpr std::size_t states = 0;
  double learning_rate = 1e-2;
  auto rule(const optim::Now&) const {
    return [rate = learning_rate](auto& parameter, auto gradient, auto&) {
      parameter -= decltype(gradient)(rate) * gradient;
    };
  }
};
#else
struct Mine {
  static constexpr auto kind = Kind::optimizer;
  double learning_rate = 1e-2;
  auto rule(const optim::Now&) const {
    return [rate = learning_rate](auto& parameter, auto gradient, auto&) {
      parameter -= decltype(gradient)(rate) * gradient;
    };
  }
};
#endif

using Model = MultiTask<Input<8>, TaskList, sharing::Hard<Trunk>, Mine>;

#include "use_model.inc"
