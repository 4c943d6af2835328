// SPDX-License-Identifier: MIT
// expect: mtlx: a rule that regroups while training works on the processor and without masks
#include <mtlx/grouping/selective_updates.hpp>
#include <mtlx/mtlx.hpp>
#include <mtlx/sharing/random_masks.hpp>
#include <mtlx/sharing/sparse.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
using Sharing = sharing::Hard<Trunk>;
#else
using Sharing = sharing::Sparse<Trunk, sharing::RandomMasks>;
#endif

using Model = MultiTask<Input<8>, TaskList, Sharing, grouping::SelectiveUpdates>;

#include "use_model.inc"
