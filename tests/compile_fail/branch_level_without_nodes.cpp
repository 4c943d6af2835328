// SPDX-License-Identifier: MIT
// expect: mtlx: LearningToBranch needs at least one BranchLevel, and each has from 1 to 64 nodes
#include <mtlx/mtlx.hpp>
#include <mtlx/sharing/learning_to_branch.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Expert = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
using Sharing = sharing::LearningToBranch<sharing::BranchLevel<Expert, 2>>;
#else
using Sharing = sharing::LearningToBranch<sharing::BranchLevel<Expert, 0>>;
#endif

using Model = MultiTask<Input<8>, TaskList, Sharing>;

#include "use_model.inc"
