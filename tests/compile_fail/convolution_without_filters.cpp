// SPDX-License-Identifier: MIT
// expect: mtlx: Conv2d needs positive filters, kernel and stride, and no negative padding
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;

#ifdef MTLX_FIXED
using Trunk = nn::Sequential<nn::Conv2d<1, 3>, nn::Relu>;
#else
using Trunk = nn::Sequential<nn::Conv2d<0, 3>, nn::Relu>;
#endif

using Model = MultiTask<Input<1, 6, 6>, TaskList, sharing::Hard<Trunk>>;

#include "use_model.inc"
