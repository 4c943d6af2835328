// SPDX-License-Identifier: MIT
// expect: mtlx: the layers of a Residual must end in the shape that they begin with
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;

#ifdef MTLX_FIXED
using Trunk = nn::Sequential<nn::Residual<nn::Dense<8>, nn::Relu>>;
#else
using Trunk = nn::Sequential<nn::Residual<nn::Dense<7>, nn::Relu>>;
#endif

using Model = MultiTask<Input<8>, TaskList, sharing::Hard<Trunk>>;

#include "use_model.inc"
