// SPDX-License-Identifier: MIT
// expect: mtlx: Dropout takes a percentage from 0 to 99
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;

#ifdef MTLX_FIXED
using Trunk = nn::Sequential<nn::Dense<4>, nn::Dropout<99>>;
#else
using Trunk = nn::Sequential<nn::Dense<4>, nn::Dropout<100>>;
#endif

using Model = MultiTask<Input<8>, TaskList, sharing::Hard<Trunk>>;

#include "use_model.inc"
