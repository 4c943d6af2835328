// SPDX-License-Identifier: MIT
// expect: mtlx: the second template argument of MultiTask is the list of tasks, Tasks<...>
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
using Model = MultiTask<Input<8>, TaskList, sharing::Hard<Trunk>>;
#else
using Model = MultiTask<Input<8>, sharing::Hard<Trunk>>;
#endif

#include "use_model.inc"
