// SPDX-License-Identifier: MIT
// expect: mtlx: LabelSmoothing takes a percentage from 0 to 99
#include <mtlx/mtlx.hpp>
#include <mtlx/nn/cross_entropy.hpp>

using namespace mtlx;

using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
using Left = Classification<"left", 3, nn::LabelSmoothing<10>>;
#else
using Left = Classification<"left", 3, nn::LabelSmoothing<100>>;
#endif

using Model = MultiTask<Input<8>, Tasks<Left, Regression<"right", 2>>, sharing::Hard<Trunk>>;

#include "use_model.inc"
