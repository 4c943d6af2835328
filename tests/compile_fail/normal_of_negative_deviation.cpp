// SPDX-License-Identifier: MIT
// expect: mtlx: normal takes a standard deviation of at least 0
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;

#ifdef MTLX_FIXED
using Trunk = nn::Sequential<nn::Dense<4, nn::normal<0.1>>>;
#else
using Trunk = nn::Sequential<nn::Dense<4, nn::normal<-0.1>>>;
#endif

using Model = MultiTask<Input<8>, TaskList, sharing::Hard<Trunk>>;

#include "use_model.inc"
