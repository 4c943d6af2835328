// SPDX-License-Identifier: MIT
// expect: mtlx: a norm needs groups of at least two numbers
#include <mtlx/mtlx.hpp>
#include <mtlx/nn/norm.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;

#ifdef MTLX_FIXED
using Trunk = nn::Sequential<nn::GroupNorm<4>>;
#else
using Trunk = nn::Sequential<nn::GroupNorm<8>>;
#endif

using Model = MultiTask<Input<8>, TaskList, sharing::Hard<Trunk>>;

#include "use_model.inc"
