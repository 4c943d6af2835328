// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include <mtlx/core/error.hpp>

namespace mtlx::data::detail {

/// Throws unless every index names one of `size` samples.
inline void check_samples(const char* what, std::span<const std::size_t> samples, std::size_t size) {
  for (std::size_t i = 0; i < samples.size(); ++i)
    if (samples[i] >= size) fail(what, ": index ", i, " names sample ", samples[i], ", but there are only ", size);
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
