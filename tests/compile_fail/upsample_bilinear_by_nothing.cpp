// SPDX-License-Identifier: MIT
// expect: mtlx: UpsampleBilinear needs a positive factor
#include <mtlx/mtlx.hpp>
#include <mtlx/nn/upsample.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;

#ifdef MTLX_FIXED
using Trunk = nn::Sequential<nn::UpsampleBilinear<1>>;
#else
using Trunk = nn::Sequential<nn::UpsampleBilinear<-1>>;
#endif

using Model = MultiTask<Input<2, 3, 3>, TaskList, sharing::Hard<Trunk>>;

#include "use_model.inc"
