// SPDX-License-Identifier: MIT
// expect: mtlx: a mask rule must be an aggregate with `static constexpr std::size_t memory`: see sharing/masks.hpp
#include <mtlx/mtlx.hpp>
#include <mtlx/sharing/sparse.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

struct Rule {
#ifdef MTLX_FIXED
  static constexpr std::size_t memory = 0;
#endif
};

using Model = MultiTask<Input<8>, TaskList, sharing::Sparse<Trunk, Rule>>;

#include "use_model.inc"
