// SPDX-License-Identifier: MIT
// expect: mtlx: Dense needs at least one output
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;

#ifdef MTLX_FIXED
using Trunk = nn::Sequential<nn::Dense<1>>;
#else
using Trunk = nn::Sequential<nn::Dense<0>>;
#endif

using Model = MultiTask<Input<8>, TaskList, sharing::Hard<Trunk>>;

#include "use_model.inc"
