// SPDX-License-Identifier: MIT
// expect: mtlx: the metric of a task lacks something of the concept Metric: see nn/metric.hpp
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
using Left = Classification<"left", 3, nn::SoftmaxCrossEntropy, nn::Metrics<nn::Accuracy>>;
#else
using Left = Classification<"left", 3, nn::SoftmaxCrossEntropy, nn::Metrics<nn::Accuracy, nn::Relu>>;
#endif

using Model = MultiTask<Input<8>, Tasks<Left, Regression<"right", 2>>, sharing::Hard<Trunk>>;

#include "use_model.inc"
