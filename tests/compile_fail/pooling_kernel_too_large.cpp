// SPDX-License-Identifier: MIT
// expect: mtlx: the kernel of a pooling layer is larger than its (padded) input
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;

#ifdef MTLX_FIXED
using Trunk = nn::Sequential<nn::MaxPool2d<6>>;
#else
using Trunk = nn::Sequential<nn::MaxPool2d<7>>;
#endif

using Model = MultiTask<Input<1, 6, 6>, TaskList, sharing::Hard<Trunk>>;

#include "use_model.inc"
