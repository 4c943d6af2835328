// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace mtlx {

/// A string as a template argument: `Classification<"left", 10>`. Two equal names are the same argument.
template <std::size_t Size>
struct Name {
  char text[Size]{};

  constexpr Name(const char (&literal)[Size]) { std::copy_n(literal, Size, text); }  // NOLINT: implicit by design

  /// The characters without the closing zero.
  constexpr std::string_view view() const { return {text, Size - 1}; }
};

/// How the compiler spells a type.
template <class T>
constexpr std::string_view type_name() {
  // "... [with T = mtlx::optim::Adam; ...]" (g++), "... [T = mtlx::optim::Adam]" (clang)
  const std::string_view whole = __PRETTY_FUNCTION__;
  const std::size_t begin = whole.find("T = ") + 4;
  return whole.substr(begin, whole.find_first_of(";]", begin) - begin);
}

}  // namespace mtlx
