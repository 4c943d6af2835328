// SPDX-License-Identifier: MIT
// expect: mtlx: a schedule must be an aggregate with `double rate(const Now& now) const`
#include <mtlx/mtlx.hpp>
#include <mtlx/optim/schedule.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
using Mine = optim::Scheduled<optim::Adam, optim::WarmUp<optim::Cosine>>;
#else
using Mine = optim::Scheduled<optim::Adam, optim::WarmUp<optim::Adam>>;
#endif

using Model = MultiTask<Input<8>, TaskList, sharing::Hard<Trunk>, Mine>;

#include "use_default_model.inc"
