// SPDX-License-Identifier: MIT
// expect: mtlx: DSelectK selects at least one expert and at most as many as there are
#include <mtlx/mtlx.hpp>
#include <mtlx/sharing/d_select_k.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Expert = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
using Sharing = sharing::DSelectK<Expert, 3, 2>;
#else
using Sharing = sharing::DSelectK<Expert, 3, 4, sharing::GateOn<>>;  // a second mistake is not told
#endif

using Model = MultiTask<Input<8>, TaskList, Sharing>;

#include "use_model.inc"
