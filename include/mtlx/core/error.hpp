// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstdio>
#include <exception>
#include <initializer_list>
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

/// Thrown where a training's own numbers end it: a loss or a parameter is not finite. The same training would end so again.
class NotFinite : public Error {
 public:
  using Error::Error;
};

namespace detail {

// A part of a message, whatever its type: one function joins them all, so that messages cost little to compile.
class Piece {
 public:
  Piece(std::string_view text) : text_(text) {}    // NOLINT: converts every part of a message
  Piece(const char* text) : text_(text) {}         // NOLINT
  Piece(const std::string& text) : text_(text) {}  // NOLINT
  Piece(std::integral auto number)                 // NOLINT
      : kind_(std::signed_integral<decltype(number)> ? Kind::whole : Kind::natural),
        whole_(static_cast<long long>(number)) {}
  Piece(std::floating_point auto number) : kind_(Kind::real), real_(static_cast<double>(number)) {}  // NOLINT
  Piece(const Shape& shape) : kind_(Kind::shape), shape_(shape) {}                                   // NOLINT

  [[gnu::cold]] void append_to(std::string& out) const {
    switch (kind_) {
      case Kind::text: out += text_; break;
      case Kind::whole: out += std::to_string(whole_); break;
      case Kind::natural: out += std::to_string(static_cast<unsigned long long>(whole_)); break;
      case Kind::real: {
        char digits[32];
        std::snprintf(digits, sizeof digits, "%g", real_);
        out += digits;
        break;
      }
      case Kind::shape:
        out += std::to_string(shape_.channels);
        if (shape_.height == 1 && shape_.width == 1) break;
        out += " x ";
        out += std::to_string(shape_.height);
        out += " x ";
        out += std::to_string(shape_.width);
    }
  }

 private:
  enum class Kind { text, whole, natural, real, shape };
  Kind kind_ = Kind::text;
  std::string_view text_;
  long long whole_ = 0;
  double real_ = 0;
  Shape shape_;
};

[[gnu::noinline]] inline std::string join_pieces(std::initializer_list<Piece> pieces) {
  std::string text;
  for (const Piece& piece : pieces) piece.append_to(text);
  return text;
}

template <class Kind = Error>
[[noreturn, gnu::noinline, gnu::cold]] void fail_with(std::initializer_list<Piece> pieces) {
  const std::string text = "mtlx: " + join_pieces(pieces);
#if __cpp_exceptions
  throw Kind(text);
#else
  std::fprintf(stderr, "%s\n", text.c_str());
  std::terminate();
#endif
}

}  // namespace detail

/// Strings, numbers and shapes (`1 x 28 x 28`, or `64` for a vector) joined to one text.
template <class... Parts>
std::string join(const Parts&... parts) {
  return detail::join_pieces({detail::Piece(parts)...});
}

/// Throws `Error` with the parts, joined, as its sentence. Without exceptions (-fno-exceptions) it prints the sentence
/// and calls std::terminate, whose handler is the program's to set.
template <class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  detail::fail_with({detail::Piece(parts)...});
}
/// The same with `NotFinite`.
template <class... Parts>
[[noreturn]] void fail_not_finite(const Parts&... parts) {
  detail::fail_with<NotFinite>({detail::Piece(parts)...});
}

}  // namespace mtlx
