// SPDX-License-Identifier: MIT
// expect: mtlx: all candidates of a study have the same tasks with the same metrics
#include <mtlx/mtlx.hpp>
#include <mtlx/study/compare.hpp>

using namespace mtlx;

using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;
template <class Metric>
using Single = MultiTask<Input<8>, Tasks<Regression<"left", 2, nn::MeanSquaredError, Metric>>, sharing::Single<Trunk>>;
study::Study made(const study::Data& data);

#ifdef MTLX_FIXED
using Metric = nn::RootMeanSquaredError;
#else
using Metric = nn::R2;
#endif
study::Study made(const study::Data& data) {
  return study::compare<Single<nn::RootMeanSquaredError>, Single<Metric>>(data, {}, {.name = "one"}, {.name = "other"});
}
