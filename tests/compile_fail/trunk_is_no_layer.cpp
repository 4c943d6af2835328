// SPDX-License-Identifier: MIT
// expect: mtlx: a layer needs `static constexpr Shape output(Shape in)`: see nn/layer.hpp
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;

#ifdef MTLX_FIXED
using Trunk = nn::Dense<4>;
#else
using Trunk = TaskList;
#endif

using Model = MultiTask<Input<8>, TaskList, sharing::Hard<Trunk>>;

#include "use_model.inc"
