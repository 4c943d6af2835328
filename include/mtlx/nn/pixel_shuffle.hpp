// SPDX-License-Identifier: MIT
// y[c][h f + a][w f + b] = x[c f² + a f + b][h][w] with f = Factor;  dx is the way back.
// Reference: Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional
// Neural Network", CVPR 2016, eq. 4 (in PyTorch's order of channels).
#pragma once

#include <mtlx/nn/layer.hpp>

namespace mtlx::nn {

/// Channels laid out as finer pixels. x : (channels Factor², height, width, batch) -> y : (channels, height Factor,
/// width Factor, batch).
template <int Factor>
struct PixelShuffle {
  static constexpr std::string_view name = "PixelShuffle";
  static constexpr Shape output(Shape in) {
    return {in.channels / (Factor * Factor), in.height * Factor, in.width * Factor};
  }

  template <Shape In>
  static consteval bool check() {
    static_assert(Factor > 0, "mtlx: PixelShuffle needs a positive factor");
    if constexpr (Factor > 0) {
      constexpr bool divides = In.channels % (Factor * Factor) == 0;
      static_assert(divides, "mtlx: the channels that go into a PixelShuffle must be a multiple of its factor squared");
      return divides;
    }
    return false;
  }

  template <Shape In>
  static void forward_sample(const auto& s) {
    for_each_pair<In>([&](std::size_t coarse, std::size_t fine) { s.y[fine] = s.x[coarse]; });
  }
  template <Shape In>
  static void backward_sample(const auto& s) {
    for_each_pair<In>([&](std::size_t coarse, std::size_t fine) { s.dx[coarse] = s.dy[fine]; });
  }

 private:
  /// function(place in x, place in y), for every number.
  template <Shape In>
  static void for_each_pair(auto function) {
    constexpr Shape out = output(In);
    for (int i = 0; i < In.channels; ++i)
      for (int h = 0; h < In.height; ++h)
        for (int w = 0; w < In.width; ++w)
          function(In.at(i, h, w),
                   out.at(i / (Factor * Factor), h * Factor + i / Factor % Factor, w * Factor + i % Factor));
  }
};

}  // namespace mtlx::nn
