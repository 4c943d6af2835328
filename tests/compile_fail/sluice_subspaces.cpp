// SPDX-License-Identifier: MIT
// expect: mtlx: the subspaces of a Sluice must divide the channels of every stage of its trunk
#include <mtlx/mtlx.hpp>
#include <mtlx/sharing/sluice.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;

#ifdef MTLX_FIXED
using Trunk = sharing::Stages<nn::Dense<6>, nn::Dense<4>>;
#else
using Trunk = sharing::Stages<nn::Dense<6>, nn::Dense<5>>;
#endif

using Model = MultiTask<Input<8>, TaskList, sharing::Sluice<Trunk, 2>>;

#include "use_model.inc"
