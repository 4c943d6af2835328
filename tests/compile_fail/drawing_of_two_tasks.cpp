// SPDX-License-Identifier: MIT
// expect: mtlx: a rule that draws streams works with one task, on the processor and without masks
#include <mtlx/grouping/together.hpp>
#include <mtlx/mtlx.hpp>

using namespace mtlx;

struct Equal {
  static constexpr auto kind = Kind::grouping;
  std::vector<grouping::Group> plan(std::size_t tasks) const { return grouping::Together{}.plan(tasks); }
  std::size_t memory(std::size_t) const { return 0; }
  void look(grouping::Drawing&) const {}
};

#ifdef MTLX_FIXED
using TaskList = Tasks<Classification<"left", 3>>;
#else
using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
#endif
using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

using Model = MultiTask<Input<8>, TaskList, sharing::Hard<Trunk>, Equal>;

#include "use_model.inc"
