// SPDX-License-Identifier: MIT
// expect: mtlx: a model has from 1 to 64 tasks
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
using TaskList = Tasks<Classification<"left", 3>>;
#else
using TaskList = Tasks<>;
#endif

using Model = MultiTask<Input<8>, TaskList, sharing::Hard<Trunk>>;

#include "use_model.inc"
