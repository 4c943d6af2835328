// SPDX-License-Identifier: MIT
// The distributions behind tests of significance, and p-values of many tests at once. Tails are computed as such, so that
// small ones keep their digits.
//
// The incomplete beta function by its continued fraction (DLMF 8.17.22), its factor by Stirling's formula with the rest as
// a series (DLMF 5.11.1). Integrals over densities by the trapezoidal rule, which for such integrands converges
// exponentially in the number of points (Trefethen and Weideman, SIAM Review 56, 2014).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <mtlx/core/error.hpp>
#include <mtlx/core/options.hpp>
#include <mtlx/core/scalar.hpp>
#include <numbers>
#include <span>
#include <string_view>
#include <vector>

namespace mtlx {
namespace detail {

/// log Gamma(a) less ((a - 1/2) log a - a + log(2 pi) / 2), for a > 0.
[[gnu::cold]] inline double stirling_rest(double a) {
  double rest = 0;
  for (; a < 16; ++a) rest += (a + 0.5) * std::log1p(1 / a) - 1;
  const double s = 1 / (a * a);
  return rest + (1.0 / 12 - s * (1.0 / 360 - s * (1.0 / 1260 - s * (1.0 / 1680 - s / 1188)))) / a;
}

/// The regularised incomplete beta function I_x(a, b), with y = 1 - x given too, so that neither loses digits.
[[gnu::cold]] inline double incomplete_beta(double a, double b, double x, double y) {
  if (x <= 0) return 0;
  if (y <= 0) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - incomplete_beta(b, a, y, x);
  const double log_factor = a * std::log(x * (a + b) / a) + b * std::log(y * (a + b) / b) +
                            0.5 * std::log(a * b / (2 * std::numbers::pi * (a + b))) + stirling_rest(a + b) -
                            stirling_rest(a) - stirling_rest(b);
  const auto not_zero = [](double z) { return std::abs(z) < 1e-300 ? 1e-300 : z; };
  double c = 1, d = 1 / not_zero(1 - (a + b) * x / (a + 1)), fraction = d;  // Lentz's method
  for (int m = 1; m < 100000; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / not_zero(1 + even * d);
    c = not_zero(1 + even / c);
    fraction *= d * c;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / not_zero(1 + odd * d);
    c = not_zero(1 + odd / c);
    fraction *= d * c;
    if (std::abs(d * c - 1) < 1e-15) break;
  }
  return std::exp(log_factor) * fraction / a;
}

/// The z that a continuous variable exceeds with the given probability; upper_tail(z) falls from 1 to 0.
template <class Tail>
double critical(const Tail& upper_tail, double tail) {
  double low = -1, high = 1;
  while (high < 1e100 && upper_tail(high) > tail) low = high, high *= 2;
  while (low > -1e100 && upper_tail(low) < tail) high = low, low *= 2;
  for (int step = 0; step < 200; ++step) {
    const double middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) break;
    (upper_tail(middle) > tail ? low : high) = middle;
  }
  return high;
}

[[gnu::cold, gnu::noinline]] inline void check_tail(std::string_view of, double tail) {
  if (!(is_finite(tail) && tail > 0 && tail < 1)) fail(of, ": a tail must lie between 0 and 1, and is ", tail);
}

}  // namespace detail

/// P(Z > z) of a standard normal variable.
inline double normal_upper_tail(double z) { return normal_cdf(-z); }

/// The z that a standard normal variable exceeds with probability `tail`. Throws `Error` unless that is in (0, 1).
[[gnu::cold]] inline double normal_critical(double tail) {
  detail::check_tail("normal_critical", tail);
  return detail::critical([](double z) { return normal_upper_tail(z); }, tail);
}

/// P(T > t) of Student's t with `degrees` > 0 degrees of freedom.
[[gnu::cold]] inline double t_upper_tail(double t, double degrees) {
  const double square = std::min(t * t, 1e290), sum = degrees + square;
  const double tail = detail::incomplete_beta(degrees / 2, 0.5, degrees / sum, square / sum) / 2;
  return t < 0 ? 1 - tail : tail;
}

/// The t that Student's t exceeds with probability `tail`. Throws `Error` unless that is in (0, 1).
[[gnu::cold]] inline double t_critical(double tail, double degrees) {
  detail::check_tail("t_critical", tail);
  return detail::critical([degrees](double t) { return t_upper_tail(t, degrees); }, tail);
}

/// P(T > t) of the noncentral t: (Z + noncentrality) / sqrt(chi squared / degrees). The power of a t-test.
[[gnu::cold]] inline double noncentral_t_upper_tail(double t, double degrees, double noncentrality) {
  // The mean of P(Z > t s - noncentrality) over the density of w = log s, which is proportional to `weight`.
  const double step = 0.15 / std::sqrt(2 * degrees + t * t);
  double total = 0, weights = 0;
  const auto add = [&](double w) {
    const double weight = std::exp(degrees * (w - std::expm1(2 * w) / 2));
    total += weight * normal_upper_tail(t * std::exp(w) - noncentrality);
    weights += weight;
    return weight > 1e-20;
  };
  for (int i = 0; add(step * i); ++i) {
  }
  for (int i = -1; add(step * i); --i) {
  }
  return total / weights;
}

/// P(F > f) of the F distribution with `numerator` and `denominator` degrees of freedom.
[[gnu::cold]] inline double f_upper_tail(double f, double numerator, double denominator) {
  if (f <= 0) return 1;
  const double part = std::min(numerator * f, 1e290), sum = denominator + part;
  return detail::incomplete_beta(denominator / 2, numerator / 2, denominator / sum, part / sum);
}

/// P(X > x) of chi squared with a whole number of degrees of freedom, at least 1.
[[gnu::cold]] inline double chi_squared_upper_tail(double x, std::size_t degrees) {
  if (x <= 0) return 1;
  const bool odd = degrees % 2 == 1;
  double tail = odd ? 2 * normal_upper_tail(std::sqrt(x)) : 0;
  // In the exponent, so that no term overflows before the exponential makes it small.
  double log_term = odd ? 0.5 * std::log(2 * x / std::numbers::pi) - x / 2 : -x / 2;
  for (std::size_t i = 0; i < degrees / 2; ++i) {
    tail += std::exp(log_term);
    log_term += std::log(x / static_cast<double>(2 * i + (odd ? 3 : 2)));
  }
  return tail;
}

/// P(Q > q) of the range of `groups` standard normal variables: the studentised range with infinitely many degrees of
/// freedom. `groups` is at least 2.
[[gnu::cold]] inline double range_upper_tail(double q, std::size_t groups) {
  if (q <= 0) return 1;
  const auto k = static_cast<double>(groups);
  constexpr double step = 0.05;
  double total = 0;
  // Of the largest of them being near z, the part in which the smallest is below z - q.
  for (double z = -9; z < 9 + q; z += step) {
    const double below = normal_cdf(z), far = normal_cdf(z - q) / below;
    total -= std::exp(-z * z / 2) * std::pow(below, k - 1) * std::expm1((k - 1) * std::log1p(-far));
  }
  return std::min(1.0, k * step * total * std::numbers::inv_sqrtpi / std::numbers::sqrt2);
}

/// The q that `range_upper_tail` exceeds with probability `tail`. Throws `Error` unless that is in (0, 1).
[[gnu::cold]] inline double range_critical(double tail, std::size_t groups) {
  detail::check_tail("range_critical", tail);
  return detail::critical([groups](double q) { return range_upper_tail(q, groups); }, tail);
}

namespace detail {

/// The order of the p-values, smallest first. Throws `Error` at one that is no probability.
[[gnu::cold]] inline std::vector<std::size_t> order_of_p(std::string_view of, std::span<const double> p) {
  std::vector<std::size_t> order(p.size());
  for (std::size_t i = 0; i < p.size(); ++i) {
    if (!(is_finite(p[i]) && p[i] >= 0 && p[i] <= 1)) fail(of, ": p-value ", i, " must be from 0 to 1, and is ", p[i]);
    order[i] = i;
  }
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return p[a] < p[b]; });
  return order;
}

}  // namespace detail

/// Holm's step-down adjustment: the hypotheses whose adjusted p-values are at most a level are rejected, and the
/// probability of even one wrong rejection is at most that level, whatever the tests' dependence. In the order given.
/// Throws `Error` at a number that is no probability.
/// Reference: Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of Statistics 6, 1979.
[[gnu::cold]] inline std::vector<double> holm(std::span<const double> p) {
  const auto order = detail::order_of_p("holm", p);
  std::vector<double> adjusted(p.size());
  double largest = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    largest = std::max(largest, std::min(1.0, static_cast<double>(p.size() - i) * p[order[i]]));
    adjusted[order[i]] = largest;
  }
  return adjusted;
}

/// The step-up adjustment of Benjamini and Hochberg: among the hypotheses whose adjusted p-values are at most a level, the
/// expected share of wrong ones is at most that level, for independent tests. In the order given. Throws `Error` at a
/// number that is no probability.
/// Reference: Benjamini and Hochberg, "Controlling the False Discovery Rate", JRSS B 57, 1995.
[[gnu::cold]] inline std::vector<double> benjamini_hochberg(std::span<const double> p) {
  const auto order = detail::order_of_p("benjamini_hochberg", p);
  std::vector<double> adjusted(p.size());
  double smallest = 1;
  for (std::size_t i = order.size(); i-- > 0;) {
    smallest = std::min(smallest, static_cast<double>(p.size()) / static_cast<double>(i + 1) * p[order[i]]);
    adjusted[order[i]] = smallest;
  }
  return adjusted;
}

}  // namespace mtlx
