// SPDX-License-Identifier: MIT
// expect: mtlx: what combines, absorbs or weighs gradients, takes several batches, goes by layers or on a representation needs
#include <mtlx/balancing/per_layer.hpp>
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
using Mine = balancing::PerLayer<balancing::PcGrad>;
#else
using Mine = balancing::PerLayer<balancing::EqualWeights>;
#endif

using Model = MultiTask<Input<8>, TaskList, sharing::Hard<Trunk>, Mine>;

#include "use_model.inc"
