// SPDX-License-Identifier: MIT
// expect: mtlx: a balancer's wrapper is within another that asks for the same
#include <mtlx/balancing/per_layer.hpp>
#include <mtlx/balancing/sparse_training.hpp>
#include <mtlx/balancing/up_grad.hpp>
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
using Mine = balancing::SparseTraining<balancing::PerLayer<balancing::UpGrad>>;
#else
using Mine = balancing::SparseTraining<balancing::PerLayer<balancing::SparseTraining<balancing::UpGrad>>>;
#endif

using Model = MultiTask<Input<8>, TaskList, sharing::Hard<Trunk>, Mine>;

#include "use_default_model.inc"
