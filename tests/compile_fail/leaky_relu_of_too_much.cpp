// SPDX-License-Identifier: MIT
// expect: mtlx: LeakyRelu takes a percentage from 0 to 100
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;

#ifdef MTLX_FIXED
using Trunk = nn::Sequential<nn::Dense<4>, nn::LeakyRelu<100>>;
#else
using Trunk = nn::Sequential<nn::Dense<4>, nn::LeakyRelu<101>>;
#endif

using Model = MultiTask<Input<8>, TaskList, sharing::Hard<Trunk>>;

#include "use_model.inc"
