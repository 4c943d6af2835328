// SPDX-License-Identifier: MIT
// expect: mtlx: Embedding needs 1 to 16777216 ids
#include <mtlx/mtlx.hpp>
#include <mtlx/nn/embedding.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;

#ifdef MTLX_FIXED
using Trunk = nn::Sequential<nn::Embedding<1, 4>>;
#else
using Trunk = nn::Sequential<nn::Embedding<0, 4>>;
#endif

using Model = MultiTask<Input<5>, TaskList, sharing::Hard<Trunk>>;

#include "use_model.inc"
