// SPDX-License-Identifier: MIT
// expect: mtlx: the State of a policy must be trivially copyable, so that a checkpoint can hold it
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
struct Mine {
  static constexpr auto kind = Kind::balancer;
  static constexpr auto needs = balancing::Needs::nothing;
  struct State {
    std::array<double, 2> last{};
  };
  void weights(const balancing::Problem&, State& state, std::span<double> w) const {
    for (double& weight : w) weight = 1;
    state.last = {1, 1};
  }
};
#else
struct Mine {
  static constexpr auto kind = Kind::balancer;
  static constexpr auto needs = balancing::Needs::nothing;
  struct State {
    std::vector<double> last{};
  };
  void weights(const balancing::Problem&, State& state, std::span<double> w) const {
    for (double& weight : w) weight = 1;
    state.last = {1, 1};
  }
};
#endif

using Model = MultiTask<Input<8>, TaskList, sharing::Hard<Trunk>, Mine>;

#include "use_default_model.inc"
