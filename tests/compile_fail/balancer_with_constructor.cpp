// SPDX-License-Identifier: MIT
// expect: mtlx: a balancer must be an aggregate with `needs` and `void weights(
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
struct Mine {
  static constexpr auto kind = Kind::balancer;
  static constexpr auto needs = balancing::Needs::gradients;
  double constant = 1;
  void weights(const balancing::Problem&, NoState&, std::span<double> w) const {
    for (double& weight : w) weight = constant;
  }
};
#else
struct Mine {
  static constexpr auto kind = Kind::balancer;
  static constexpr auto needs = balancing::Needs::gradients;
  double constant;
  explicit Mine(double value) : constant(value) {}
  void weights(const balancing::Problem&, NoState&, std::span<double> w) const {
    for (double& weight : w) weight = constant;
  }
};
#endif

using Model = MultiTask<Input<8>, TaskList, sharing::Hard<Trunk>, Mine>;

#include "use_model.inc"
