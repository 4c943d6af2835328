// SPDX-License-Identifier: MIT
// The optional CUDA backend. `backend::Cuda<>` among the template arguments of a MultiTask, and the same program trains on
// an NVIDIA GPU. Needs the CUDA toolkit: link mtlx::cuda.
#pragma once

#include <mtlx/backend/cuda_device.hpp>
#include <mtlx/backend/recorded.hpp>
#include <mtlx/mtlx.hpp>
#include <mtlx/training/device_learner.hpp>

namespace mtlx::backend {

/// Backend policy: an NVIDIA GPU, in `float` (fast) or `double`. Kernels are compiled when they are first needed, in
/// about a second for each form of a step; between steps everything stays on the device.
template <class T = float>
using Cuda = Recorded<CudaDevice, T>;

}  // namespace mtlx::backend
