// SPDX-License-Identifier: MIT
// expect: mtlx: a part is given that is no head and nothing else that the sharing strategy takes
#include <mtlx/mtlx.hpp>
#include <mtlx/sharing/mmoe.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Expert = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
using Sharing = sharing::Mmoe<Expert, 2, sharing::Head<"left", nn::Dense<3>>>;
#else
using Sharing = sharing::Mmoe<Expert, 2, sharing::PleLevel<Expert, 1, 1>>;
#endif

using Model = MultiTask<Input<8>, TaskList, Sharing>;

#include "use_model.inc"
