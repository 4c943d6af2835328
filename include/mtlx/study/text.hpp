// SPDX-License-Identifier: MIT
// Numbers and texts as the files of a report write them. Names come from users: whatever they hold, they stay text.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <mtlx/core/csv.hpp>
#include <mtlx/core/scalar.hpp>
#include <string>
#include <string_view>

namespace mtlx::study::detail {

/// A number with that many decimals; "n/a" if it is not finite. Nothing is written as minus zero.
[[gnu::cold, gnu::noinline]] inline std::string fixed(double number, int decimals, bool sign = false) {
  if (!is_finite(number)) return "n/a";
  char buffer[352];
  std::snprintf(buffer, sizeof buffer, sign ? "%+.*f" : "%.*f", decimals, number);
  std::string text = buffer;
  const bool zero = text.find_first_of("123456789") == std::string::npos;
  if (zero && (text[0] == '-' || text[0] == '+')) text.erase(0, 1);
  return text.size() <= 16 ? text : (std::snprintf(buffer, sizeof buffer, sign ? "%+.3e" : "%.3e", number), buffer);
}
[[gnu::cold, gnu::noinline]] inline std::string signed_fixed(double number, int decimals) {
  return fixed(number, decimals, true);
}

/// Decimals that show a number of that size to four digits, 0.8049 or 12.35.
[[gnu::cold]] inline int decimals_for(double largest) {
  const double size = std::abs(largest);
  if (!is_finite(size) || size < 1e-300) return 4;
  return std::clamp(3 - static_cast<int>(std::floor(std::log10(size))), 0, 9);
}

/// Three digits, as words about a share or a ratio need them: 0.51, 12.3, 1.2e+12.
[[gnu::cold, gnu::noinline]] inline std::string rough(double number) {
  if (!is_finite(number)) return "n/a";
  const double size = std::abs(number);
  if (size < 0.095 && size > 0) {
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, "%.2g", number);
    return buffer;
  }
  return fixed(number, size < 9.995 ? 2 : size < 99.95 ? 1 : 0);
}

[[gnu::cold]] inline std::string p_value(double p) {
  if (!is_finite(p)) return "n/a";
  return p < 0.0001 ? "< 0.0001" : fixed(p, 4);
}

/// A whole number in groups of three: 1,234,567.
[[gnu::cold, gnu::noinline]] inline std::string grouped(double number) {
  std::string text = fixed(number, 0);
  if (text.find_first_not_of("-0123456789") != std::string::npos) return text;
  for (std::size_t i = text.size(); i > 3 && text[i - 4] != '-';) text.insert(i -= 3, ",");
  return text;
}

/// The text with U+FFFD in the place of what is no UTF-8 (RFC 3629) and of control characters but line ends and tabs.
[[gnu::cold, gnu::noinline]] inline std::string valid_utf8(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = [&](std::size_t j) { return j < text.size() ? static_cast<unsigned char>(text[j]) : 0U; };
    const unsigned first = byte(i);
    const std::size_t count = first < 0x80                     ? 1
                              : first >= 0xC2 && first <= 0xDF ? 2
                              : first >= 0xE0 && first <= 0xEF ? 3
                              : first >= 0xF0 && first <= 0xF4 ? 4
                                                               : 0;
    bool good = count > 0;
    for (std::size_t j = 1; j < count; ++j) good = good && (byte(i + j) & 0xC0) == 0x80;
    // Longer than need be, halves of surrogate pairs, and what is above U+10FFFF.
    if (count == 3) good = good && !(first == 0xE0 && byte(i + 1) < 0xA0) && !(first == 0xED && byte(i + 1) > 0x9F);
    if (count == 4) good = good && !(first == 0xF0 && byte(i + 1) < 0x90) && !(first == 0xF4 && byte(i + 1) > 0x8F);
    if (count == 2) good = good && !(first == 0xC2 && byte(i + 1) < 0xA0);  // control characters too
    if (count == 1) good = first == '\n' || first == '\t' || (first >= 0x20 && first != 0x7F);
    out += good ? text.substr(i, count) : std::string_view("\xEF\xBF\xBD");
    i += good ? count : 1;
  }
  return out;
}

/// At most `most` characters of a text.
[[gnu::cold, gnu::noinline]] inline std::string shortened(std::string_view text, std::size_t most) {
  const std::string valid = valid_utf8(text);
  std::size_t at = 0, count = 0;
  for (; at < valid.size(); ++at)
    if ((static_cast<unsigned char>(valid[at]) & 0xC0) != 0x80 && count++ == most) break;
  return at == valid.size() ? valid : valid.substr(0, at) + "\u2026";
}

/// As text of HTML, or as an attribute within double quotes.
[[gnu::cold, gnu::noinline]] inline std::string html_text(std::string_view text) {
  std::string out;
  for (const char c : valid_utf8(text)) switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  return out;
}

/// As one line for a terminal: no control characters.
[[gnu::cold]] inline std::string plain_text(std::string_view text) {
  std::string out = valid_utf8(text);
  for (char& c : out)
    if (c == '\n' || c == '\t') c = ' ';
  return out;
}

/// As text of Markdown, in one line, that may stand in a table or begin a paragraph.
[[gnu::cold, gnu::noinline]] inline std::string markdown_text(std::string_view text) {
  std::string plain = plain_text(text), out;
  plain.erase(0, plain.find_first_not_of(' '));
  // What would begin a list or be a rule: "- item", "+ item", "1. item", "---".
  const std::size_t mark = plain.find_first_not_of("0123456789");
  const std::string_view marks = mark == 0 ? "-+" : ".)";
  if (mark != std::string::npos && marks.find(plain[mark]) != std::string_view::npos &&
      (mark + 1 == plain.size() || plain[mark + 1] == ' ' || plain[mark + 1] == '-'))
    plain.insert(mark, 1, '\0');
  for (const char c : plain) {
    if (c == '&' || c == '<' || c == '>') {
      out += c == '&' ? "&amp;" : c == '<' ? "&lt;" : "&gt;";
      continue;
    }
    if (std::string_view("\\`*_[]#|~!$").find(c) != std::string_view::npos) out += '\\';
    out += c == '\0' ? '\\' : c;
  }
  return out;
}

using mtlx::csv_number;
/// As a field of CSV. What a spreadsheet would take for a formula, for it begins with one of = + - @ or a tab, begins with
/// an apostrophe instead.
[[gnu::cold]] inline std::string csv_name(std::string_view text) {
  const bool formula = !text.empty() && std::string_view("=+-@\t\r").find(text[0]) != std::string_view::npos;
  return mtlx::csv_text(formula ? "'" + std::string(text) : std::string(text));
}

/// As the name of a folder: letters, digits, `-`, `_` and dots that are not first; at most 60 of them.
[[gnu::cold, gnu::noinline]] inline std::string folder_name(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 60)) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
    out += plain || (c == '.' && !out.empty()) ? c : '_';
  }
  return out;
}

/// RFC 4648, with padding.
[[gnu::cold, gnu::noinline]] inline std::string base64(std::string_view bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&](std::size_t j) {
      return j < bytes.size() ? std::uint32_t{static_cast<unsigned char>(bytes[j])} : 0U;
    };
    const std::uint32_t word = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    out += digits[word >> 18];
    out += digits[word >> 12 & 63];
    out += i + 1 < bytes.size() ? digits[word >> 6 & 63] : '=';
    out += i + 2 < bytes.size() ? digits[word & 63] : '=';
  }
  return out;
}

}  // namespace mtlx::study::detail
