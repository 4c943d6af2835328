// SPDX-License-Identifier: MIT
// expect: mtlx: Scheduled needs an optimizer with a `learning_rate`
#include <mtlx/mtlx.hpp>
#include <mtlx/optim/schedule.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
struct Descent {
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
struct Descent {
  static constexpr auto kind = Kind::optimizer;
  static constexpr std::size_t states = 0;
  double speed = 1e-2;
  auto rule(const optim::Now&) const {
    return [rate = speed](auto& parameter, auto gradient, auto&) { parameter -= decltype(gradient)(rate) * gradient; };
  }
};
#endif

using Mine = optim::Scheduled<Descent, optim::Cosine>;
using Model = MultiTask<Input<8>, TaskList, sharing::Hard<Trunk>, Mine>;

#include "use_default_model.inc"
