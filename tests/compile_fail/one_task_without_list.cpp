// SPDX-License-Identifier: MIT
// expect: mtlx: the second template argument of MultiTask is the list of tasks, Tasks<...>
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using Left = Classification<"left", 3>;
using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
using Model = MultiTask<Input<8>, Tasks<Left>, sharing::Hard<Trunk>>;
#else
using Model = MultiTask<Input<8>, Left, sharing::Hard<Trunk>>;
#endif

#include "use_model.inc"
