// SPDX-License-Identifier: MIT
// expect: mtlx: PositiveWeights takes a std::array with one weight from 0 on, or one for each label
#include <mtlx/mtlx.hpp>
#include <mtlx/nn/cross_entropy.hpp>

using namespace mtlx;

using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
using Right = BinaryLabels<"right", 2, nn::PositiveWeights<std::array{4}>>;
#else
using Right = BinaryLabels<"right", 2, nn::PositiveWeights<4>>;
#endif

using Model = MultiTask<Input<8>, Tasks<Classification<"left", 3>, Right>, sharing::Hard<Trunk>>;

#include "use_model.inc"
