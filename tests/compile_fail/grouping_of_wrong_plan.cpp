// SPDX-License-Identifier: MIT
// expect: mtlx: a grouping rule must be an aggregate with `std::vector<Group> plan(std::size_t) const`
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
struct Mine {
  static constexpr auto kind = Kind::grouping;
  std::vector<grouping::Group> plan(std::size_t tasks) const {
    return {{TaskSet::first(tasks), TaskSet::first(tasks)}};
  }
};
#else
struct Mine {
  static constexpr auto kind = Kind::grouping;
  std::vector<TaskSet> plan(std::size_t tasks) const { return {TaskSet::first(tasks)}; }
};
#endif

using Model = MultiTask<Input<8>, TaskList, sharing::Hard<Trunk>, Mine>;

#include "use_model.inc"
