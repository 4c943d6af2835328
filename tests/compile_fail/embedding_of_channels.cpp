// SPDX-License-Identifier: MIT
// expect: mtlx: Embedding takes a row of ids or one image of ids, not several channels
#include <mtlx/mtlx.hpp>
#include <mtlx/nn/embedding.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;

using Trunk = nn::Sequential<nn::Embedding<9, 4>>;

#ifdef MTLX_FIXED
using Ids = Input<1, 3, 3>;
#else
using Ids = Input<2, 3, 3>;
#endif

using Model = MultiTask<Ids, TaskList, sharing::Hard<Trunk>>;

#include "use_model.inc"
