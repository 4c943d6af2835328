// SPDX-License-Identifier: MIT
#pragma once

#include <mtlx/core/shape.hpp>

namespace mtlx {

/// How a window slides over an image: `kernel` x `kernel` numbers, `stride` apart, over an image with `padding` zeros
/// around it. Shared by convolution and pooling.
struct Window {
  int kernel = 1;
  int stride = 1;
  int padding = 0;

  /// Places of the window along one side of `extent` numbers; below 1 where the window does not fit.
  constexpr int places(int extent) const {
    const int room = extent + 2 * padding - kernel;
    return room < 0 ? 0 : room / stride + 1;
  }

  friend constexpr bool operator==(const Window&, const Window&) = default;
};

/// A two-dimensional convolution, complete: what a backend's kernels are instantiated with.
struct Convolution {
  Shape in;
  Window window;
  int filters = 1;

  constexpr Shape out() const { return {filters, window.places(in.height), window.places(in.width)}; }
  /// weight : (filters, in.channels, kernel, kernel)
  constexpr std::size_t weights() const {
    return static_cast<std::size_t>(filters) * static_cast<std::size_t>(in.channels) *
           static_cast<std::size_t>(window.kernel) * static_cast<std::size_t>(window.kernel);
  }

  friend constexpr bool operator==(const Convolution&, const Convolution&) = default;
};

/// A two-dimensional pooling of each channel.
struct Pooling {
  Shape in;
  Window window;

  constexpr Shape out() const { return {in.channels, window.places(in.height), window.places(in.width)}; }

  friend constexpr bool operator==(const Pooling&, const Pooling&) = default;
};

}  // namespace mtlx
