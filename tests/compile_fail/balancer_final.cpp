// SPDX-License-Identifier: MIT
// expect: mtlx: a balancer is not `final`
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
struct Mine {
#else
struct Mine final {
#endif
  static constexpr auto kind = Kind::balancer;
  static constexpr auto needs = balancing::Needs::nothing;
  void weights(const balancing::Problem&, NoState&, std::span<double> w) const {
    for (double& weight : w) weight = 1;
  }
};

using Model = MultiTask<Input<8>, TaskList, sharing::Hard<Trunk>, Mine>;

#include "use_default_model.inc"
