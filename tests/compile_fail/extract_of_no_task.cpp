// SPDX-License-Identifier: MIT
// expect: mtlx: the model has no task of the name that is to be extracted
#include <mtlx/mtlx.hpp>
#include <mtlx/training/extract.hpp>

using namespace mtlx;

using Layers = nn::Sequential<nn::Dense<4>, nn::Dense<2, nn::glorot_uniform>>;
using Model = MultiTask<Input<8>, Tasks<Classification<"left", 2>>, sharing::Hard<nn::Dense<4>>>;

#ifdef MTLX_FIXED
std::string text(const Model& model) { return training::extract<"left", Layers>(model, "net"); }
#else
std::string text(const Model& model) { return training::extract<"right", Layers>(model, "net"); }
#endif
