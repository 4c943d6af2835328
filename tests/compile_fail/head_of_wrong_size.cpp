// SPDX-License-Identifier: MIT
// expect: mtlx: a head must put out as many numbers as its task has outputs
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
using Extra = sharing::Head<"right", nn::Sequential<nn::Dense<7>, nn::Dense<2>>>;
#else
using Extra = sharing::Head<"right", nn::Sequential<nn::Dense<7>, nn::Dense<3>>>;
#endif

using Model = MultiTask<Input<8>, TaskList, sharing::Hard<Trunk, Extra>>;

#include "use_model.inc"
