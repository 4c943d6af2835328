// SPDX-License-Identifier: MIT
// expect: mtlx: the second argument of sharing::Soft is its penalty, such as sharing::ToMean
#include <mtlx/mtlx.hpp>
#include <mtlx/sharing/soft.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
using Sharing = sharing::Soft<Trunk, sharing::ToMean, sharing::Head<"left", nn::Dense<3>>>;
#else
using Sharing = sharing::Soft<Trunk, sharing::Head<"left", nn::Dense<3>>>;
#endif

using Model = MultiTask<Input<8>, TaskList, Sharing>;

#include "use_model.inc"
