// SPDX-License-Identifier: MIT
// expect: mtlx: a focal loss takes a gamma from 0 to 100
#include <mtlx/mtlx.hpp>
#include <mtlx/nn/focal.hpp>

using namespace mtlx;

using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
using Right = BinaryLabels<"right", 2, nn::Focal<>>;
#else
using Right = BinaryLabels<"right", 2, nn::Focal<-2>>;
#endif

using Model = MultiTask<Input<8>, Tasks<Classification<"left", 3>, Right>, sharing::Hard<Trunk>>;

#include "use_model.inc"
