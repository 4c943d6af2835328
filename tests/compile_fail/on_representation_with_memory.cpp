// SPDX-License-Identifier: MIT
// expect: mtlx: a balancer has a memory of rows, or several batches, or works on a representation
#include <mtlx/balancing/db_mtl.hpp>
#include <mtlx/balancing/on_representation.hpp>
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
using Mine = balancing::OnRepresentation<balancing::PcGrad>;
#else
using Mine = balancing::OnRepresentation<balancing::DbMtl>;
#endif

using Model = MultiTask<Input<8>, TaskList, sharing::Hard<Trunk>, Mine>;

#include "use_model.inc"
