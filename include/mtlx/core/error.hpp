// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <initializer_list>
#include <mtlx/core/shape.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

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
  Piece(std::string_view text) : value_{.text = text.data()}, size_(text.size()) {}  // NOLINT: converts every part
  Piece(const char* text) : Piece(std::string_view(text)) {}                         // NOLINT
  Piece(const std::string& text) : Piece(std::string_view(text)) {}                  // NOLINT
  Piece(std::integral auto number)                                                   // NOLINT
      : value_{.whole = static_cast<long long>(number)},
        kind_(std::signed_integral<decltype(number)> ? Kind::whole : Kind::natural) {}
  Piece(std::floating_point auto number)  // NOLINT
      : value_{.real = static_cast<double>(number)}, kind_(Kind::real) {}
  Piece(const Shape& shape) : value_{.shape = &shape}, kind_(Kind::shape) {}  // NOLINT

  // By snprintf: std::to_string would be compiled into every program.
  [[gnu::cold, gnu::noinline]] void append_to(std::string& out) const {
    char digits[64];
    int size = 0;
    switch (kind_) {
      case Kind::text: out.append(value_.text, size_); return;
      case Kind::whole: size = std::snprintf(digits, sizeof digits, "%lld", value_.whole); break;
      case Kind::natural:
        size = std::snprintf(digits, sizeof digits, "%llu", static_cast<unsigned long long>(value_.whole));
        break;
      case Kind::real: size = std::snprintf(digits, sizeof digits, "%g", value_.real); break;
      case Kind::shape: {
        const Shape& shape = *value_.shape;
        size = std::snprintf(digits, sizeof digits, shape.height == 1 && shape.width == 1 ? "%d" : "%d x %d x %d",
                             shape.channels, shape.height, shape.width);
      }
    }
    out.append(digits, static_cast<std::size_t>(size));
  }

 private:
  enum class Kind { text, whole, natural, real, shape };
  union Value {
    const char* text;
    long long whole;
    double real;
    const Shape* shape;
  };
  Value value_;
  std::size_t size_ = 0;  // of a text
  Kind kind_ = Kind::text;
};

[[gnu::noinline]] inline std::string join_pieces(std::initializer_list<Piece> pieces, const char* first = "") {
  std::string text(first);
  for (const Piece& piece : pieces) piece.append_to(text);
  return text;
}

template <class Kind = Error>
[[noreturn, gnu::noinline, gnu::cold]] void fail_with(std::initializer_list<Piece> pieces) {
  const std::string text = join_pieces(pieces, "mtlx: ");
#if __cpp_exceptions
  throw Kind(text);
#else
  std::fprintf(stderr, "%s\n", text.c_str());
  std::terminate();
#endif
}

// Functions of 0 to 15 pieces, and templates for more: a template of the parts' types is instantiated anew for every
// length of a text.
template <std::size_t>
using AnyPiece = const Piece&;

template <class Places>
struct JoinOf;
template <std::size_t... i>
struct JoinOf<std::index_sequence<i...>> {
  std::string operator()(AnyPiece<i>... pieces) const { return join_pieces({pieces...}); }
};
template <class Counts>
struct Join;
template <std::size_t... n>
struct Join<std::index_sequence<n...>> : JoinOf<std::make_index_sequence<n>>... {
  using JoinOf<std::make_index_sequence<n>>::operator()...;
  template <class... Parts>
    requires(sizeof...(Parts) >= sizeof...(n))
  std::string operator()(const Parts&... parts) const {
    return join_pieces({Piece(parts)...});
  }
};

template <class Kind, class Places>
struct FailOf;
template <class Kind, std::size_t... i>
struct FailOf<Kind, std::index_sequence<i...>> {
  [[noreturn]] void operator()(AnyPiece<i>... pieces) const { fail_with<Kind>({pieces...}); }
};
template <class Kind, class Counts>
struct Fail;
template <class Kind, std::size_t... n>
struct Fail<Kind, std::index_sequence<n...>> : FailOf<Kind, std::make_index_sequence<n>>... {
  using FailOf<Kind, std::make_index_sequence<n>>::operator()...;
  template <class... Parts>
    requires(sizeof...(Parts) >= sizeof...(n))
  [[noreturn]] void operator()(const Parts&... parts) const {
    fail_with<Kind>({Piece(parts)...});
  }
};

}  // namespace detail

/// Strings, numbers and shapes (`1 x 28 x 28`, or `64` for a vector) joined to one text.
inline constexpr detail::Join<std::make_index_sequence<16>> join;

/// Throws `Error` with the parts, joined, as its sentence. Without exceptions (-fno-exceptions) it prints the sentence
/// and calls std::terminate, whose handler is the program's to set.
inline constexpr detail::Fail<Error, std::make_index_sequence<16>> fail;
/// The same with `NotFinite`.
inline constexpr detail::Fail<NotFinite, std::make_index_sequence<16>> fail_not_finite;

}  // namespace mtlx
