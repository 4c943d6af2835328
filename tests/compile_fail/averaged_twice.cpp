// SPDX-License-Identifier: MIT
// expect: mtlx: an optimizer is Averaged once, and here it is twice
#include <mtlx/mtlx.hpp>
#include <mtlx/optim/averaged.hpp>
#include <mtlx/optim/clipped.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
using Mine = optim::Averaged<optim::Clipped<optim::Sgd>>;
#else
using Mine = optim::Averaged<optim::Clipped<optim::Averaged<optim::Sgd>>>;
#endif

using Model = MultiTask<Input<8>, TaskList, sharing::Hard<Trunk>, Mine>;

#include "use_default_model.inc"
