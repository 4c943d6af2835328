// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <limits>
#include <string_view>
#include <vector>

#include <mtlx/core/error.hpp>
#include <mtlx/core/shape.hpp>

namespace mtlx::data::detail {

// One dimension of an array as a side of a shape. Throws if it is too large for one.
inline int side(std::string_view name, const std::vector<std::size_t>& dimensions, std::size_t d) {
  if (dimensions[d] > static_cast<std::size_t>(std::numeric_limits<int>::max()))
    fail(name, " has dimension ", d, " of size ", dimensions[d], ", too large for the shape of a sample");
  return static_cast<int>(dimensions[d]);
}

// The shape of one sample of an array of (n, features) or (n, channels, height, width).
[[gnu::cold]] inline Shape sample_shape(std::string_view name, const std::vector<std::size_t>& dimensions) {
  if (dimensions.size() != 2 && dimensions.size() != 4)
    fail(name, " has ", dimensions.size(), " dimensions, expected 2 (n, features) or 4 (n, channels, height, width)");
  const auto at = [&](std::size_t d) { return side(name, dimensions, d); };
  return dimensions.size() == 2 ? Shape{at(1), 1, 1} : Shape{at(1), at(2), at(3)};
}

}  // namespace mtlx::data::detail
