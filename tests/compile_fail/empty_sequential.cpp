// SPDX-License-Identifier: MIT
// expect: mtlx: a Sequential needs at least one layer
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;

#ifdef MTLX_FIXED
using Trunk = nn::Sequential<nn::Relu>;
#else
using Trunk = nn::Sequential<>;
#endif

using Model = MultiTask<Input<8>, TaskList, sharing::Single<Trunk>>;

#include "use_model.inc"
