// SPDX-License-Identifier: MIT
// expect: mtlx: this strategy doesn't tell a task's layers: give them as the second template argument of subnet
#include <mtlx/mtlx.hpp>
#include <mtlx/training/subnet.hpp>

using namespace mtlx;

template <class Trunk>
struct Own : sharing::Hard<Trunk> {};
using Layers = nn::Sequential<nn::Dense<4>, nn::Dense<2, nn::glorot_uniform>>;
using Model = MultiTask<Input<8>, Tasks<Classification<"left", 2>>, Own<nn::Dense<4>>>;

int label(const Model& model, const data::Inputs& inputs) {
#ifdef MTLX_FIXED
  auto left = training::subnet<"left", Layers>(model);
#else
  auto left = training::subnet<"left">(model);
#endif
  return left.predict(inputs).label(0);
}
