// SPDX-License-Identifier: MIT
// expect: mtlx: Edsr and MsrResNet make pictures 2 or 4 times as large
#include <mtlx/nn/super_resolution.hpp>
#ifdef MTLX_FIXED
using Layer = mtlx::nn::Edsr<2, 3, 8, 1>;
#else
using Layer = mtlx::nn::Edsr<3, 3, 8, 1>;
#endif
constexpr bool checked = mtlx::nn::check<Layer, mtlx::Shape{3, 8, 8}>();
int main() { return checked ? 0 : 1; }
