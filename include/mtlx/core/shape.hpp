// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

namespace mtlx {

/// The shape of one sample: channels x height x width, stored channel by channel, row by row. A plain vector of n
/// features is `{n, 1, 1}`.
struct Shape {
  int channels = 0;
  int height = 1;
  int width = 1;

  /// Numbers in one sample.
  constexpr std::size_t size() const {
    return static_cast<std::size_t>(channels) * static_cast<std::size_t>(height) * static_cast<std::size_t>(width);
  }
  /// The place of a pixel among them.
  constexpr std::size_t at(int channel, int row, int column) const {
    const std::size_t line =
        static_cast<std::size_t>(channel) * static_cast<std::size_t>(height) + static_cast<std::size_t>(row);
    return line * static_cast<std::size_t>(width) + static_cast<std::size_t>(column);
  }

  friend constexpr bool operator==(const Shape&, const Shape&) = default;
};

/// The shape of one sample of a model's input, as its first template argument: `Input<1, 28, 28>`, `Input<64>`.
template <int Channels, int Height = 1, int Width = 1>
  requires(Channels > 0 && Height > 0 && Width > 0)
struct Input {
  static constexpr Shape shape{Channels, Height, Width};
};

}  // namespace mtlx
