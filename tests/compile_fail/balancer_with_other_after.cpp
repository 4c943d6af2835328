// SPDX-License-Identifier: MIT
// expect: mtlx: `after`, `observe`, `combine`, `absorb` or `own_weights` of a balancer has not the form
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

struct Mine {
  static constexpr auto kind = Kind::balancer;
  static constexpr auto needs = balancing::Needs::losses;
  void weights(const balancing::Problem&, NoState&, std::span<double> w) const {
    for (double& weight : w) weight = 1;
  }
#ifdef MTLX_FIXED
  void after(const balancing::Problem&, NoState&) const {}
#else
  void after(const balancing::Problem&) const {}
#endif
};

using Model = MultiTask<Input<8>, TaskList, sharing::Hard<Trunk>, Mine>;

#include "use_model.inc"
