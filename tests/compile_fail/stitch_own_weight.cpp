// SPDX-License-Identifier: MIT
// expect: mtlx: a stitch begins with an own weight from 0 to 1
#include <mtlx/mtlx.hpp>
#include <mtlx/sharing/cross_stitch.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;

#ifdef MTLX_FIXED
constexpr sharing::Stitching stitching{.own = 0.9};
#else
constexpr sharing::Stitching stitching{.own = 90};
#endif

using Model = MultiTask<Input<8>, TaskList, sharing::CrossStitchWith<nn::Dense<5>, stitching>>;

#include "use_model.inc"
