// SPDX-License-Identifier: MIT
// expect: mtlx: the first template argument of MultiTask is the shape of a sample, Input<...>
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
using Model = MultiTask<Input<8>, TaskList, sharing::Hard<Trunk>>;
#else
using Model = MultiTask<TaskList, sharing::Hard<Trunk>>;
#endif

#include "use_model.inc"
