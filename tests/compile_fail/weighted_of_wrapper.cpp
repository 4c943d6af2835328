// SPDX-License-Identifier: MIT
// expect: mtlx: Weighted takes a balancer that has weights and no more, and it stands within wrappers, not around them
#include <mtlx/balancing/per_layer.hpp>
#include <mtlx/balancing/up_grad.hpp>
#include <mtlx/balancing/weighted.hpp>
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
using Mine = balancing::PerLayer<balancing::Weighted<balancing::UpGrad>>;
#else
using Mine = balancing::Weighted<balancing::PerLayer<balancing::UpGrad>>;
#endif

using Model = MultiTask<Input<8>, TaskList, sharing::Hard<Trunk>, Mine>;

#include "use_default_model.inc"
