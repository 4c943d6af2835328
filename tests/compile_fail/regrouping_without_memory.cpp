// SPDX-License-Identifier: MIT
// expect: mtlx: a rule that regroups while training needs `memory(std::size_t)` and `turns(Regrouping&, std::span<TaskSet>) const`
#include <mtlx/grouping/regrouping.hpp>
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;

struct Mine {
  static constexpr auto kind = Kind::grouping;
  std::vector<grouping::Group> plan(std::size_t tasks) const { return grouping::Together{}.plan(tasks); }
#ifdef MTLX_FIXED
  static constexpr std::size_t memory(std::size_t) { return 0; }
#endif
  std::size_t turns(grouping::Regrouping& now, std::span<TaskSet> to) const { return now.deal_shuffled(to); }
};

using Model = MultiTask<Input<8>, TaskList, sharing::Hard<nn::Sequential<nn::Dense<5>, nn::Relu>>, Mine>;

#include "use_model.inc"
