// SPDX-License-Identifier: MIT
// expect: mtlx: two tasks of a model have the same name
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
#else
using TaskList = Tasks<Classification<"left", 3>, Regression<"left", 2>>;
#endif

using Model = MultiTask<Input<8>, TaskList, sharing::Hard<Trunk>>;

#include "use_model.inc"
