// SPDX-License-Identifier: MIT
// expect: mtlx: a head is given for a task that the model does not have
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
using Extra = sharing::Head<"right", nn::Dense<2>>;
#else
using Extra = sharing::Head<"rihgt", nn::Dense<2>>;
#endif

using Model = MultiTask<Input<8>, TaskList, sharing::Hard<Trunk, Extra>>;

#include "use_model.inc"
