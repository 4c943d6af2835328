// SPDX-License-Identifier: MIT
// expect: mtlx: OnRepresentation needs a sharing strategy that has one representation for all tasks, such as sharing::Hard<Trunk>
#include <mtlx/balancing/on_representation.hpp>
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
using Sharing = sharing::Hard<Trunk>;
#else
using Sharing = sharing::Single<Trunk>;
#endif

using Model = MultiTask<Input<8>, TaskList, Sharing, balancing::OnRepresentation<balancing::PcGrad>>;

#include "use_model.inc"
