// SPDX-License-Identifier: MIT
// expect: mtlx: Charbonnier takes an epsilon from 1e-18 on
#include <mtlx/mtlx.hpp>
#include <mtlx/nn/regression_loss.hpp>

using namespace mtlx;

using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
using Right = Regression<"right", 2, nn::Charbonnier<0.5>>;
#else
using Right = Regression<"right", 2, nn::Charbonnier<0>>;
#endif

using Model = MultiTask<Input<8>, Tasks<Classification<"left", 3>, Right>, sharing::Hard<Trunk>>;

#include "use_model.inc"
