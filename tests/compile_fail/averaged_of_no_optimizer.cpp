// SPDX-License-Identifier: MIT
// expect: mtlx: an optimizer must be an aggregate with `states` and `auto rule(const Now& now) const`
#include <mtlx/mtlx.hpp>
#include <mtlx/optim/averaged.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
using Mine = optim::Averaged<optim::Sgd>;
#else
using Mine = optim::Averaged<double>;
#endif

using Model = MultiTask<Input<8>, TaskList, sharing::Hard<Trunk>, Mine>;

#include "use_default_model.inc"
