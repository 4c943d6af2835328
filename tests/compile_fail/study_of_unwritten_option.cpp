// SPDX-License-Identifier: MIT
// expect: mtlx: a study writes options down: one that is no number, text, list or aggregate of up to 16 of such needs
#include <mtlx/mtlx.hpp>
#include <mtlx/study/compare.hpp>

using namespace mtlx;

struct Halves {
  static constexpr auto kind = Kind::grouping;
  const int* pointer = nullptr;
  std::vector<grouping::Group> plan(std::size_t tasks) const { return grouping::Together{}.plan(tasks); }
#ifdef MTLX_FIXED
  study::Settings settings() const { return {{"pointer", "none"}}; }
#endif
};

using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;
using Single = MultiTask<Input<8>, Tasks<Regression<"left", 2>>, sharing::Single<Trunk>, Halves>;
study::Study made(const study::Data& data);
study::Study made(const study::Data& data) { return study::compare<Single>(data); }
