// SPDX-License-Identifier: MIT
// expect: mtlx: the groups of a GroupNorm must divide the channels of its input
#include <mtlx/mtlx.hpp>
#include <mtlx/nn/norm.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;

#ifdef MTLX_FIXED
using Trunk = nn::Sequential<nn::GroupNorm<2>>;
#else
using Trunk = nn::Sequential<nn::GroupNorm<4>>;
#endif

using Model = MultiTask<Input<6, 3, 3>, TaskList, sharing::Hard<Trunk>>;

#include "use_model.inc"
