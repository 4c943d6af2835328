// SPDX-License-Identifier: MIT
// expect: mtlx: the layers that are to be extracted are not those of the task's network
#include <mtlx/mtlx.hpp>
#include <mtlx/training/extract.hpp>

using namespace mtlx;

#ifdef MTLX_FIXED
using Layers = nn::Sequential<nn::Dense<4>, nn::Dense<2, nn::glorot_uniform>>;
#else
using Layers = nn::Dense<2, nn::glorot_uniform>;
#endif
using Model = MultiTask<Input<8>, Tasks<Classification<"left", 2>>, sharing::Hard<nn::Dense<4>>>;

std::string text(const Model& model) { return training::extract<"left", Layers>(model, "net"); }
