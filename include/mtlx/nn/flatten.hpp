// SPDX-License-Identifier: MIT
// y = x, dx = dy.
#pragma once

#include <mtlx/nn/layer.hpp>

namespace mtlx::nn {

/// An image read as a vector, channel by channel, row by row. x : (channels, height, width, batch) -> y : (channels height
/// width, batch). Dense reads any shape so; this is for layers that ask what a channel is.
struct Flatten {
  static constexpr std::string_view name = "Flatten";
  static constexpr bool in_place = true;
  static constexpr Shape output(Shape in) { return {static_cast<int>(in.size()), 1, 1}; }

  template <Shape In>
  static void forward_sample(const auto& s) {
    for (std::size_t i = 0; i < In.size(); ++i) s.y[i] = s.x[i];
  }
  template <Shape In>
  static void backward_sample(const auto& s) {
    for (std::size_t i = 0; i < In.size(); ++i) s.dx[i] = s.dy[i];
  }
};

}  // namespace mtlx::nn
