// SPDX-License-Identifier: MIT
// Fields of CSV (RFC 4180) as this library writes them.
#pragma once

#include <cstdio>
#include <mtlx/core/scalar.hpp>
#include <string>
#include <string_view>

namespace mtlx {

/// A text as a field, in quotes where it must be.
[[gnu::cold, gnu::noinline]] inline std::string csv_text(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + "\"";
}

/// A number as a field, to 9 digits; empty if it is not finite.
[[gnu::cold, gnu::noinline]] inline std::string csv_number(double number) {
  char buffer[40];
  std::snprintf(buffer, sizeof buffer, "%.9g", number);
  return is_finite(number) ? buffer : "";
}

}  // namespace mtlx
