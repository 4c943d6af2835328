// SPDX-License-Identifier: MIT
// expect: mtlx: the skip of a LongSkip must be a layer without parameters that never reads its output
#include <mtlx/nn/super_resolution.hpp>
#ifdef MTLX_FIXED
using Skip = mtlx::nn::Upsample<2>;
#else
using Skip = mtlx::nn::ConvTranspose2d<3, 2, 2>;
#endif
using Layer = mtlx::nn::LongSkip<Skip, mtlx::nn::ConvTranspose2d<3, 2, 2>>;
constexpr bool checked = mtlx::nn::check<Layer, mtlx::Shape{3, 8, 8}>();
int main() { return checked ? 0 : 1; }
