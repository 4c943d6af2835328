// SPDX-License-Identifier: MIT
// expect: mtlx: the model has no task of that name
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;
using Model = MultiTask<Input<8>, TaskList, sharing::Hard<Trunk>>;
double score(const training::Scores<TaskList>& scores);

#ifdef MTLX_FIXED
double score(const training::Scores<TaskList>& scores) { return scores.get<"right">().rmse; }
#else
double score(const training::Scores<TaskList>& scores) { return scores.get<"rigth">().rmse; }
#endif

#include "use_model.inc"
