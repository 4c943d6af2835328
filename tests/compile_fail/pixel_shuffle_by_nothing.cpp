// SPDX-License-Identifier: MIT
// expect: mtlx: PixelShuffle needs a positive factor
#include <mtlx/mtlx.hpp>
#include <mtlx/nn/pixel_shuffle.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;

#ifdef MTLX_FIXED
using Trunk = nn::Sequential<nn::PixelShuffle<1>>;
#else
using Trunk = nn::Sequential<nn::PixelShuffle<0>>;
#endif

using Model = MultiTask<Input<8, 6, 6>, TaskList, sharing::Hard<Trunk>>;

#include "use_model.inc"
