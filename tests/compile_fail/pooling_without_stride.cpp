// SPDX-License-Identifier: MIT
// expect: mtlx: a pooling layer needs a positive kernel and stride, and padding of at most half the kernel
#include <mtlx/mtlx.hpp>
#include <mtlx/nn/avg_pool2d.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;

#ifdef MTLX_FIXED
using Trunk = nn::Sequential<nn::AvgPool2d<2, 1>>;
#else
using Trunk = nn::Sequential<nn::AvgPool2d<2, 0>>;
#endif

using Model = MultiTask<Input<1, 6, 6>, TaskList, sharing::Hard<Trunk>>;

#include "use_model.inc"
