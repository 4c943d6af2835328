// SPDX-License-Identifier: MIT
// expect: mtlx: set_masks needs a mask rule that keeps what it is given, such as sharing::GivenMasks
#include <mtlx/mtlx.hpp>
#include <mtlx/sharing/given_masks.hpp>
#include <mtlx/sharing/random_masks.hpp>
#include <mtlx/sharing/sparse.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
using Rule = sharing::GivenMasks;
#else
using Rule = sharing::RandomMasks;
#endif

using Model = MultiTask<Input<8>, TaskList, sharing::Sparse<Trunk, Rule>>;

void give(Model& model, const sharing::Masks& masks);
void give(Model& model, const sharing::Masks& masks) { model.set_masks(masks); }
