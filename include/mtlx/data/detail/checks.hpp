// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include <mtlx/core/error.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/core/shape.hpp>

namespace mtlx::data::detail {

/// Throws unless every index names one of `size` samples.
inline void check_samples(const char* what, std::span<const std::size_t> samples, std::size_t size) {
  for (std::size_t i = 0; i < samples.size(); ++i)
    if (samples[i] >= size) fail(what, ": index ", i, " names sample ", samples[i], ", but there are only ", size);
}

/// Throws unless every side is at least 1 and the numbers of a sample can be counted.
[[gnu::cold]] inline void check_shape(std::string_view what, const Shape& shape) {
  if (shape.channels < 1 || shape.height < 1 || shape.width < 1)
    fail(what, ": shape ", shape, ", expected every side to be at least 1");
  const auto row = static_cast<std::size_t>(shape.width);
  const auto rows = static_cast<std::size_t>(shape.channels) * static_cast<std::size_t>(shape.height);
  if (rows > std::numeric_limits<std::size_t>::max() / row) fail(what, ": shape ", shape, " is too large");
}

/// Throws unless every number is finite. The first is number `first` of samples of `width` numbers.
inline void check_finite(std::string_view what, std::span<const float> values, std::size_t first, std::size_t width) {
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!is_finite(values[i]))
      fail(what, ": sample ", (first + i) / width, " has feature ", (first + i) % width,
           is_nan(values[i]) ? " not a number" : " infinite", "; inputs must be finite");
}

/// The named rows, `width` numbers each, of a row-major table. The indices must have been checked.
template <class Number>
std::vector<Number> gather_rows(const std::vector<Number>& table, std::size_t width,
                                std::span<const std::size_t> samples) {
  std::vector<Number> rows(samples.size() * width);
  for (std::size_t i = 0; i < samples.size(); ++i)
    std::copy_n(table.data() + samples[i] * width, width, rows.data() + i * width);
  return rows;
}

}  // namespace mtlx::data::detail
