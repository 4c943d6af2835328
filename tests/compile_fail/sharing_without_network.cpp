// SPDX-License-Identifier: MIT
// expect: mtlx: a sharing strategy needs `check<In, Tasks>()` and `Network<In, Tasks>`: see sharing/sharing.hpp
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;
using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;

#ifdef MTLX_FIXED
struct Mine : sharing::Hard<Trunk> {};
#else
struct Mine {
  static constexpr auto kind = Kind::sharing;
  template <Shape In, class TaskList>
  static consteval bool check() {
    return true;
  }
};
#endif

using Model = MultiTask<Input<8>, TaskList, Mine>;

#include "use_model.inc"
