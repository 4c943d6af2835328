// SPDX-License-Identifier: MIT
// expect: mtlx: averaged() needs an optimizer that averages
#include <mtlx/mtlx.hpp>
#include <mtlx/optim/averaged.hpp>
#include <mtlx/optim/clipped.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
using Mine = optim::Clipped<optim::Averaged<optim::Adam>>;
#else
using Mine = optim::Clipped<optim::Adam>;
#endif

using Model = MultiTask<Input<8>, TaskList, sharing::Hard<Trunk>, Mine>;

double use_model(const Model& model, const data::DataSet& test);
double use_model(const Model& model, const data::DataSet& test) {
  Model averaged = model.averaged();
  return averaged.evaluate(test).get<"left">().accuracy;
}
