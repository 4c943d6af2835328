// SPDX-License-Identifier: MIT
// expect: mtlx: DSelectK with gates for each sample needs 2, 4, 8, 16, 32 or 64 experts
#include <mtlx/mtlx.hpp>
#include <mtlx/sharing/d_select_k.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Expert = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
using Sharing = sharing::DSelectK<Expert, 4, 2, sharing::GateOn<>>;
#else
using Sharing = sharing::DSelectK<Expert, 6, 2, sharing::GateOn<>>;
#endif

using Model = MultiTask<Input<8>, TaskList, Sharing>;

#include "use_model.inc"
