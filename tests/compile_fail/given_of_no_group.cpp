// SPDX-License-Identifier: MIT
// expect: mtlx: the template arguments of grouping::Given are grouping::Serves<
#include <mtlx/grouping/given.hpp>
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
using Grouping = grouping::Given<grouping::Serves<"left", "right">>;
#else
using Grouping = grouping::Given<grouping::Together>;
#endif

using Model = MultiTask<Input<8>, TaskList, sharing::Hard<Trunk>, Grouping>;

#include "use_model.inc"
