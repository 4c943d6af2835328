// SPDX-License-Identifier: MIT
// expect: mtlx: a template argument of MultiTask is no policy: it has no `kind`
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
using Model = MultiTask<Input<8>, TaskList, sharing::Hard<Trunk>>;
#else
using Model = MultiTask<Input<8>, TaskList, Trunk>;
#endif

#include "use_model.inc"
