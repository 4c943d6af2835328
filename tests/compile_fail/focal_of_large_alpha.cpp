// SPDX-License-Identifier: MIT
// expect: mtlx: Focal takes an alpha up to 1, or a negative one for none
#include <mtlx/mtlx.hpp>
#include <mtlx/nn/focal.hpp>

using namespace mtlx;

using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
using Right = BinaryLabels<"right", 2, nn::Focal<2, 1>>;
#else
using Right = BinaryLabels<"right", 2, nn::Focal<2, 2>>;
#endif

using Model = MultiTask<Input<8>, Tasks<Classification<"left", 3>, Right>, sharing::Hard<Trunk>>;

#include "use_model.inc"
