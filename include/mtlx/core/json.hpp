// SPDX-License-Identifier: MIT
// The two things that a writer of JSON needs (RFC 8259).
#pragma once

#include <cstdio>
#include <mtlx/core/scalar.hpp>
#include <string>
#include <string_view>

namespace mtlx {

/// A text as a JSON string. Bytes above 127 go through as they are: UTF-8 stays UTF-8.
[[gnu::cold, gnu::noinline]] inline std::string json_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c));
      out += escape;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

/// A number as JSON, to 9 digits; null if it is not finite.
[[gnu::cold, gnu::noinline]] inline std::string json_number(double number) {
  char buffer[40];
  std::snprintf(buffer, sizeof buffer, "%.9g", number);
  return is_finite(number) ? buffer : "null";
}

}  // namespace mtlx
