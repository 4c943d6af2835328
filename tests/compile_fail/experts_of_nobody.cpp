// SPDX-License-Identifier: MIT
// expect: mtlx: a level of experts needs at least one for each task, shared or its own
#include <mtlx/mtlx.hpp>
#include <mtlx/sharing/cgc.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Expert = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
using Sharing = sharing::Cgc<Expert, 0, 1>;
#else
using Sharing = sharing::Cgc<Expert, 0, 0>;
#endif

using Model = MultiTask<Input<8>, TaskList, Sharing>;

#include "use_model.inc"
