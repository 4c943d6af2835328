// SPDX-License-Identifier: MIT
// expect: mtlx: the loss of a task is made for another kind of outputs (classes, labels or numbers)
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
using Left = Classification<"left", 3, nn::SoftmaxCrossEntropy>;
#else
using Left = Classification<"left", 3, nn::BinaryCrossEntropy>;
#endif

using Model = MultiTask<Input<8>, Tasks<Left, Regression<"right", 2>>, sharing::Hard<Trunk>>;

#include "use_model.inc"
