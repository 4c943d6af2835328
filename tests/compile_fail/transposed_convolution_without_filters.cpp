// SPDX-License-Identifier: MIT
// expect: mtlx: ConvTranspose2d needs positive filters, kernel and stride, and no negative padding
#include <mtlx/mtlx.hpp>
#include <mtlx/nn/conv_transpose2d.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;

#ifdef MTLX_FIXED
using Trunk = nn::Sequential<nn::ConvTranspose2d<1, 3>>;
#else
using Trunk = nn::Sequential<nn::ConvTranspose2d<0, 3>>;
#endif

using Model = MultiTask<Input<1, 4, 4>, TaskList, sharing::Hard<Trunk>>;

#include "use_model.inc"
