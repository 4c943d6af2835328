// SPDX-License-Identifier: MIT
// expect: mtlx: two heads are given for one task
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;
using Extra = sharing::Head<"right", nn::Dense<2>>;

#ifdef MTLX_FIXED
using Model = MultiTask<Input<8>, TaskList, sharing::Single<Trunk, Extra>>;
#else
using Model = MultiTask<Input<8>, TaskList, sharing::Single<Trunk, Extra, Extra>>;
#endif

#include "use_model.inc"
