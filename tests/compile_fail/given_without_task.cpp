// SPDX-License-Identifier: MIT
// expect: mtlx: each task of the model is to be served by exactly one group of grouping::Given
#include <mtlx/grouping/given.hpp>
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
using Grouping = grouping::Given<grouping::Serves<"left", "right">>;
#else
using Grouping = grouping::Given<grouping::Serves<"left">::With<"right">>;
#endif

using Model = MultiTask<Input<8>, TaskList, sharing::Hard<Trunk>, Grouping>;

#include "use_model.inc"
