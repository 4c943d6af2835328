// SPDX-License-Identifier: MIT
// expect: mtlx: BatchNorm couples the samples of a batch
#include <mtlx/mtlx.hpp>
#include <mtlx/nn/batch_norm.hpp>
#include <mtlx/nn/norm.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;

#ifdef MTLX_FIXED
using Trunk = nn::Sequential<nn::Conv2d<4, 3>, nn::GroupNorm<2>, nn::Relu>;
#else
using Trunk = nn::Sequential<nn::Conv2d<4, 3>, nn::BatchNorm2d, nn::Relu>;
#endif

using Model = MultiTask<Input<1, 6, 6>, TaskList, sharing::Hard<Trunk>>;

#include "use_model.inc"
