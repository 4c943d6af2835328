// SPDX-License-Identifier: MIT
// expect: mtlx: the last level supervises no task
#include <mtlx/mtlx.hpp>
#include <mtlx/sharing/hierarchical.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
using Sharing = sharing::Hierarchical<sharing::Level<Trunk, "left">, sharing::Level<Trunk, "right">>;
#else
using Sharing =
    sharing::Hierarchical<sharing::Level<Trunk, "left">, sharing::Level<Trunk, "right">, sharing::Level<Trunk>>;
#endif

using Model = MultiTask<Input<8>, TaskList, Sharing>;

#include "use_model.inc"
