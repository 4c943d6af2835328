// SPDX-License-Identifier: MIT
// expect: mtlx: Ple needs at least one PleLevel, and at most 66 levels and experts of a kind
#include <mtlx/mtlx.hpp>
#include <mtlx/sharing/ple.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Expert = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
using Sharing = sharing::Ple<sharing::PleLevel<Expert, 1, 1>, sharing::GateOn<Expert>>;
#else
using Sharing = sharing::Ple<sharing::GateOn<Expert>>;
#endif

using Model = MultiTask<Input<8>, TaskList, Sharing>;

#include "use_model.inc"
