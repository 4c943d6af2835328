// SPDX-License-Identifier: MIT
// expect: mtlx: the second part of an MtanStage must keep the height and width that it is given
#include <mtlx/mtlx.hpp>
#include <mtlx/sharing/mtan.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;

#ifdef MTLX_FIXED
using Second = nn::Conv2d<4, 3, 1, 1>;
#else
using Second = nn::MaxPool2d<2>;
#endif

using Model = MultiTask<Input<1, 8, 8>, TaskList, sharing::Mtan<sharing::MtanStage<nn::Conv2d<2, 3>, Second>>>;

#include "use_model.inc"
