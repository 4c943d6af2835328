// SPDX-License-Identifier: MIT
// expect: mtlx: the channels that go into a PixelShuffle must be a multiple of its factor squared
#include <mtlx/mtlx.hpp>
#include <mtlx/nn/pixel_shuffle.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;

#ifdef MTLX_FIXED
using Trunk = nn::Sequential<nn::PixelShuffle<2>>;
#else
using Trunk = nn::Sequential<nn::PixelShuffle<3>>;
#endif

using Model = MultiTask<Input<8, 6, 6>, TaskList, sharing::Hard<Trunk>>;

#include "use_model.inc"
