// SPDX-License-Identifier: MIT
// expect: mtlx: ClassWeights takes a std::array with a weight from 0 on for each class
#include <mtlx/mtlx.hpp>
#include <mtlx/nn/cross_entropy.hpp>

using namespace mtlx;

using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
using Left = Classification<"left", 3, nn::ClassWeights<std::array{1.0, 2.0, 0.5}>>;
#else
using Left = Classification<"left", 3, nn::ClassWeights<std::array{1.0, 2.0}>>;
#endif

using Model = MultiTask<Input<8>, Tasks<Left, Regression<"right", 2>>, sharing::Hard<Trunk>>;

#include "use_model.inc"
