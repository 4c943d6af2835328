// SPDX-License-Identifier: MIT
// expect: mtlx: on a device a balancer can have weights alone: see balancing/balancer.hpp
#include <mtlx/backend/recorded.hpp>
#include <mtlx/balancing/grad_drop.hpp>
#include <mtlx/mtlx.hpp>
#include <mtlx/testing/emulated_device.hpp>
#include <mtlx/training/device_learner.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;
using There = backend::Recorded<testing::EmulatedDevice, float>;

#ifdef MTLX_FIXED
using Mine = balancing::PcGrad;
#else
using Mine = balancing::GradDrop;
#endif

using Model = MultiTask<Input<8>, TaskList, sharing::Hard<Trunk>, Mine, There>;

#include "use_model.inc"
