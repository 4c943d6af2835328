// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <vector>

namespace mtlx::data::detail {

/// Finds texts by what they say. They lie elsewhere: text(i) is the i-th, each time the same.
class TextIndex {
 public:
  static constexpr std::size_t none = static_cast<std::size_t>(-1);

  TextIndex() = default;
  template <class Text>
  TextIndex(std::size_t count, Text text) : order_(count) {
    for (std::size_t i = 0; i < count; ++i) order_[i] = i;
    std::sort(order_.begin(), order_.end(), [&](std::size_t a, std::size_t b) { return text(a) < text(b); });
  }

  /// One of two texts that are the same, or `none`.
  template <class Text>
  std::size_t twice(Text text) const {
    for (std::size_t i = 1; i < order_.size(); ++i)
      if (text(order_[i - 1]) == text(order_[i])) return order_[i];
    return none;
  }
  /// The place of a text, or `none`.
  template <class Text>
  std::size_t find(std::string_view wanted, Text text) const {
    const auto at = std::lower_bound(order_.begin(), order_.end(), wanted,
                                     [&](std::size_t i, std::string_view word) { return text(i) < word; });
    return at != order_.end() && text(*at) == wanted ? *at : none;
  }

 private:
  std::vector<std::size_t> order_;
};

}  // namespace mtlx::data::detail
