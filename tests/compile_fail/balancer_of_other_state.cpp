// SPDX-License-Identifier: MIT
// expect: mtlx: a balancer must be an aggregate with `needs` and `void weights(
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;
struct Memory {
  double last = 0;
};

#ifdef MTLX_FIXED
struct Mine {
  static constexpr auto kind = Kind::balancer;
  static constexpr auto needs = balancing::Needs::losses;
  struct State {
    double last = 0;
  };
  void weights(const balancing::Problem&, State& state, std::span<double> w) const {
    for (double& weight : w) weight = state.last;
  }
};
#else
struct Mine {
  static constexpr auto kind = Kind::balancer;
  static constexpr auto needs = balancing::Needs::losses;
  struct State {
    double last = 0;
  };
  void weights(const balancing::Problem&, Memory& state, std::span<double> w) const {
    for (double& weight : w) weight = state.last;
  }
};
#endif

using Model = MultiTask<Input<8>, TaskList, sharing::Hard<Trunk>, Mine>;

#include "use_model.inc"
