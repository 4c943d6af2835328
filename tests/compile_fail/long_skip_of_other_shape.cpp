// SPDX-License-Identifier: MIT
// expect: mtlx: the layers of a LongSkip must end in the shape that its skip ends in
#include <mtlx/nn/super_resolution.hpp>
#ifdef MTLX_FIXED
using Layer = mtlx::nn::LongSkip<mtlx::nn::Upsample<2>, mtlx::nn::ConvTranspose2d<3, 2, 2>>;
#else
using Layer = mtlx::nn::LongSkip<mtlx::nn::Upsample<2>, mtlx::nn::ConvTranspose2d<3, 4, 4>>;
#endif
constexpr bool checked = mtlx::nn::check<Layer, mtlx::Shape{3, 8, 8}>();
int main() { return checked ? 0 : 1; }
