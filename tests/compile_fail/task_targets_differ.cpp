// SPDX-License-Identifier: MIT
// expect: mtlx: the loss and a metric of a task differ in how many targets a sample has
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

struct FirstError : nn::RootMeanSquaredError {
#ifdef MTLX_FIXED
  static constexpr int targets(int outputs) { return outputs; }
#else
  static constexpr int targets(int) { return 1; }
#endif
};

using Model =
    MultiTask<Input<8>, Tasks<Classification<"left", 3>, Regression<"right", 2, nn::MeanSquaredError, FirstError>>,
              sharing::Hard<Trunk>>;

#include "use_model.inc"
