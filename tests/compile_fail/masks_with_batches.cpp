// SPDX-License-Identifier: MIT
// expect: mtlx: under masks a balancer works on one batch a step, and this one asks for several
#include <mtlx/balancing/mo_do.hpp>
#include <mtlx/mtlx.hpp>
#include <mtlx/sharing/given_masks.hpp>
#include <mtlx/sharing/sparse.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
using Mine = balancing::PcGrad;
#else
using Mine = balancing::MoDo;
#endif

using Model = MultiTask<Input<8>, TaskList, sharing::Sparse<Trunk, sharing::GivenMasks>, Mine>;

#include "use_model.inc"
