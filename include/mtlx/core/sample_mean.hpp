// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>

namespace mtlx {

/// A mean and what is known of its error.
struct SampleMean {
  std::size_t count = 0;  ///< numbers
  double value = 0;
  double deviation = 0;  ///< standard deviation of the numbers (n - 1); 0 for one number
  double error = 0;      ///< standard error of the mean
  double degrees = 0;    ///< degrees of freedom: numbers (or clusters of them) less 1
  double scale = 0;      ///< of differences: the largest size of what was subtracted; 0: not known

  /// Whether there is an error to judge by: two numbers (clusters) or more that are not all the same but for rounding.
  bool has_spread() const { return degrees >= 1 && error > std::max(1e-9 * std::abs(value), 1e-12 * scale); }
};

/// The mean of independent numbers with its error s / sqrt(n), n - 1 degrees of freedom. At least one number, all finite.
[[gnu::cold, gnu::noinline]] inline SampleMean sample_mean(std::span<const double> x) {
  const auto n = static_cast<double>(x.size());
  SampleMean e{.count = x.size(), .degrees = n - 1};
  for (const double number : x) e.value += number / n;
  double squares = 0;
  for (const double number : x) squares += (number - e.value) * (number - e.value);
  if (x.size() > 1) e.deviation = std::sqrt(squares / (n - 1));
  e.error = e.deviation / std::sqrt(n);
  return e;
}

}  // namespace mtlx
