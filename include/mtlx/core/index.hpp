// SPDX-License-Identifier: MIT
#pragma once

#include <mtlx/core/scalar.hpp>

namespace mtlx {

/// The index that a number names: itself if it is a whole number from 0 to count - 1, else -1. Right under -ffast-math
/// too, so that what it gives may be used to read memory. `count` : at most 2^24, up to where float has every number.
template <std::floating_point T>
constexpr int index_of(T number, int count) {
  if (!is_finite(number) || number < T(0) || !(number < static_cast<T>(count))) return -1;
  const int index = static_cast<int>(number);
  return static_cast<T>(index) == number ? index : -1;
}

}  // namespace mtlx
