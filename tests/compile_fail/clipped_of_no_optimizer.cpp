// SPDX-License-Identifier: MIT
// expect: mtlx: an optimizer must be an aggregate with `states` and `auto rule(const Now& now) const`
#include <mtlx/mtlx.hpp>
#include <mtlx/optim/clipped.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
using Mine = optim::Clipped<optim::Adam>;
#else
using Mine = optim::Clipped<balancing::PcGrad>;
#endif

using Model = MultiTask<Input<8>, TaskList, sharing::Hard<Trunk>, Mine>;

#include "use_default_model.inc"
