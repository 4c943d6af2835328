// SPDX-License-Identifier: MIT
// expect: mtlx: MultiTask takes one grouping rule, and more than one is given
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
using Model = MultiTask<Input<8>, TaskList, sharing::Hard<Trunk>, grouping::Together>;
#else
using Model = MultiTask<Input<8>, TaskList, sharing::Hard<Trunk>, grouping::Together, grouping::Together>;
#endif

#include "use_model.inc"
