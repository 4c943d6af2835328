// SPDX-License-Identifier: MIT
// expect: mtlx: the State of a policy must be trivially copyable, so that a checkpoint can hold it
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
struct Mine {
  static constexpr auto kind = Kind::optimizer;
  static constexpr std::size_t states = 0;
  struct State {
    std::array<double, 2> losses{};
  };
  double learning_rate = 1e-2;
  auto rule(const optim::Now&, const State&) const {
    return [rate = learning_rate](auto& parameter, auto gradient, auto&) {
      parameter -= decltype(gradient)(rate) * gradient;
    };
  }
  void observe(State& state, double loss) const { state.losses = {loss, loss}; }
};
#else
struct Mine {
  static constexpr auto kind = Kind::optimizer;
  static constexpr std::size_t states = 0;
  struct State {
    std::vector<double> losses{};
  };
  double learning_rate = 1e-2;
  auto rule(const optim::Now&, const State&) const {
    return [rate = learning_rate](auto& parameter, auto gradient, auto&) {
      parameter -= decltype(gradient)(rate) * gradient;
    };
  }
  void observe(State& state, double loss) const { state.losses = {loss, loss}; }
};
#endif

using Model = MultiTask<Input<8>, TaskList, sharing::Hard<Trunk>, Mine>;

#include "use_default_model.inc"
