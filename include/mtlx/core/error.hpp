// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <mtlx/core/shape.hpp>
#include <stdexcept>
#include <string>
#include <string_view>

namespace mtlx {

/// Thrown for every mistake in data or options. The message says what was given, what was expected and where
/// (file, row, task), and starts with `mtlx:`.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

namespace detail {

inline void append(std::string& text, std::string_view part) { text += part; }

template <class Number>
  requires(std::integral<Number> || std::floating_point<Number>)
void append(std::string& text, Number part) {
  text += std::to_string(part);
}

inline void append(std::string& text, const Shape& part) {
  text += std::to_string(part.channels);
  if (part.height == 1 && part.width == 1) return;
  append(text, " x ");
  append(text, part.height);
  append(text, " x ");
  append(text, part.width);
}

}  // namespace detail

/// Strings, numbers and shapes (`1 x 28 x 28`, or `64` for a vector) joined to one text.
template <class... Parts>
std::string join(const Parts&... parts) {
  std::string text;
  (detail::append(text, parts), ...);
  return text;
}

/// Throws `Error` with the parts, joined, as its sentence.
template <class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  throw Error(join("mtlx: ", parts...));
}

}  // namespace mtlx
