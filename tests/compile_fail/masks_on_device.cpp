// SPDX-License-Identifier: MIT
// expect: mtlx: on a device a sharing strategy can have no masks, no penalty and no use of the time: see sharing/sharing.hpp
#include <mtlx/backend/recorded.hpp>
#include <mtlx/mtlx.hpp>
#include <mtlx/sharing/given_masks.hpp>
#include <mtlx/sharing/sparse.hpp>
#include <mtlx/testing/emulated_device.hpp>
#include <mtlx/training/device_learner.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;
using There = backend::Recorded<testing::EmulatedDevice, float>;

#ifdef MTLX_FIXED
using Sharing = sharing::Hard<Trunk>;
#else
using Sharing = sharing::Sparse<Trunk, sharing::GivenMasks>;
#endif

using Model = MultiTask<Input<8>, TaskList, Sharing, There>;

#include "use_model.inc"
