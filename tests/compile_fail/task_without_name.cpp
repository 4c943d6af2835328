// SPDX-License-Identifier: MIT
// expect: mtlx: a task needs a name and a number of outputs: see nn/task.hpp
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
struct Right : Regression<"right", 2> {};
#else
struct Right {
  static constexpr int outputs = 2;
};
#endif

using Model = MultiTask<Input<8>, Tasks<Classification<"left", 3>, Right>, sharing::Hard<Trunk>>;

#include "use_model.inc"
