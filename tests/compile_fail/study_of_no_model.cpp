// SPDX-License-Identifier: MIT
// expect: mtlx: a candidate of a study is a model, such as MultiTask<...>
#include <mtlx/mtlx.hpp>
#include <mtlx/study/compare.hpp>

using namespace mtlx;

using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;
using Single = MultiTask<Input<8>, Tasks<Regression<"left", 2>>, sharing::Single<Trunk>>;
study::Study made(const study::Data& data);

#ifdef MTLX_FIXED
study::Study made(const study::Data& data) { return study::compare<Single, study::Named<"again", Single>>(data); }
#else
study::Study made(const study::Data& data) { return study::compare<Single, Trunk>(data); }
#endif
