// SPDX-License-Identifier: MIT
// expect: mtlx: the metrics of a task need names and Values of their own, and none may be named loss
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
using Left = Classification<"left", 3, nn::SoftmaxCrossEntropy, nn::Metrics<nn::Accuracy>>;
#else
using Left = Classification<"left", 3, nn::SoftmaxCrossEntropy, nn::Metrics<nn::Accuracy, nn::Accuracy>>;
#endif

using Model = MultiTask<Input<8>, Tasks<Left, Regression<"right", 2>>, sharing::Hard<Trunk>>;

#include "use_model.inc"
