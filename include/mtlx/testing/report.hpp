// SPDX-License-Identifier: MIT
// What the law suites hand back. They know no test framework: check `ok()` and print `text()`.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mtlx/core/scalar.hpp>

namespace mtlx::testing {

namespace detail {

inline std::string written(double number) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.10g", number);
  return text.data();
}

/// Equal bits, or both NaN of whatever kind.
inline bool same(double a, double b) {
  const auto bits = [](double x) { return std::bit_cast<std::uint64_t>(x); };
  constexpr std::uint64_t infinity = 0x7FF0000000000000, magnitude = ~(std::uint64_t{1} << 63);
  return bits(a) == bits(b) || ((bits(a) & magnitude) > infinity && (bits(b) & magnitude) > infinity);
}

/// By its bits: right under -ffast-math too.
inline bool is_nan(double x) { return same(x, std::bit_cast<double>(std::uint64_t{0x7FF8000000000000})); }

}  // namespace detail

/// The laws that something broke; none if all is well.
class Report {
 public:
  /// `subject` is named at the start of every line.
  explicit Report(std::string subject = {}) : subject_(std::move(subject)) {}

  bool ok() const { return broken_.empty(); }
  /// Comparisons that were made: a suite that checked nothing proves nothing.
  std::size_t checks() const { return checks_; }

  /// One line for each broken law: subject, law, first place, what was expected there and what was got.
  std::string text() const {
    std::string lines;
    for (const Break& b : broken_) {
      lines += b.subject + ": " + b.law + ": " + b.detail;
      if (b.places > 1) lines += " (and at " + std::to_string(b.places - 1) + " more)";
      lines += '\n';
    }
    return lines;
  }
  /// Whether a law was broken whose name contains `part`.
  bool broke(std::string_view part) const {
    return std::any_of(broken_.begin(), broken_.end(),
                       [&](const Break& b) { return b.law.find(part) != std::string::npos; });
  }

  /// A law that holds or not.
  void expect(bool holds, std::string_view law, std::string_view detail) {
    ++checks_;
    if (!holds) add(law, std::string(detail));
  }
  /// Numbers that must be the same bits (any NaN equals any NaN). `row` numbers make one sample, 0: no samples.
  void expect_same(std::string_view law, const std::vector<double>& expected, const std::vector<double>& got,
                   std::size_t row = 0) {
    compare(law, expected, got, row, [](double a, double b) { return detail::same(a, b); });
  }
  /// Numbers that must agree to `tolerance` times the largest finite number expected.
  void expect_near(std::string_view law, const std::vector<double>& expected, const std::vector<double>& got,
                   double tolerance, std::size_t row = 0) {
    double scale = 0;
    for (const double number : expected)
      if (is_finite(number)) scale = std::max(scale, std::abs(number));
    compare(law, expected, got, row, [&](double a, double b) {
      if (!is_finite(a) || !is_finite(b)) return detail::same(a, b);
      return std::abs(a - b) <= tolerance * scale;
    });
  }
  /// Takes over what another report found.
  void merge(const Report& other) {
    broken_.insert(broken_.end(), other.broken_.begin(), other.broken_.end());
    checks_ += other.checks_;
  }

 private:
  struct Break {
    std::string subject, law, detail;
    std::size_t places = 1;
  };

  void add(std::string_view law, std::string detail) {
    for (Break& b : broken_)
      if (b.subject == subject_ && b.law == law) {
        ++b.places;
        return;
      }
    broken_.push_back({subject_, std::string(law), std::move(detail)});
  }

  template <class Agree>
  void compare(std::string_view law, const std::vector<double>& expected, const std::vector<double>& got,
               std::size_t row, Agree agree) {
    expect(expected.size() == got.size(), law,
           "expected " + std::to_string(expected.size()) + " numbers, got " + std::to_string(got.size()));
    for (std::size_t i = 0; i < std::min(expected.size(), got.size()); ++i) {
      ++checks_;
      if (agree(expected[i], got[i])) continue;
      const std::string place = row == 0 ? "at " + std::to_string(i)
                                         : "sample " + std::to_string(i / row) + ", at " + std::to_string(i % row);
      add(law, place + ": expected " + detail::written(expected[i]) + ", got " + detail::written(got[i]));
    }
  }

  std::string subject_;
  std::vector<Break> broken_;
  std::size_t checks_ = 0;
};

}  // namespace mtlx::testing
