// SPDX-License-Identifier: MIT
// expect: mtlx: the OutputPadding of a ConvTranspose2d must be from 0 to its stride less 1
#include <mtlx/mtlx.hpp>
#include <mtlx/nn/conv_transpose2d.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;

#ifdef MTLX_FIXED
using Trunk = nn::Sequential<nn::ConvTranspose2d<2, 3, 2, 1, 1>>;
#else
using Trunk = nn::Sequential<nn::ConvTranspose2d<2, 3, 2, 1, 2>>;
#endif

using Model = MultiTask<Input<1, 4, 4>, TaskList, sharing::Hard<Trunk>>;

#include "use_model.inc"
