// SPDX-License-Identifier: MIT
// The rising curve that is closest to points (x_i, y_i) in weighted least squares, by pooling adjacent violators: neighbours in
// the order of x whose means fall are put together until none does. Between points the curve is a straight line, outside of
// them it is level.
// Reference: Barlow, Bartholomew, Bremner, Brunk, "Statistical Inference under Order Restrictions", Wiley 1972, chapter 1.
#pragma once

#include <algorithm>
#include <cstddef>
#include <mtlx/core/error.hpp>
#include <mtlx/core/scalar.hpp>
#include <numeric>
#include <span>
#include <vector>

namespace mtlx::grouping {

/// A curve that never falls.
struct Isotonic {
  std::vector<double> x{};  ///< rising, each once
  std::vector<double> y{};  ///< its values there

  /// Its value at any place.
  [[gnu::cold]] double at(double place) const {
    const auto right = static_cast<std::size_t>(std::lower_bound(x.begin(), x.end(), place) - x.begin());
    if (right == 0) return y.front();
    if (right == x.size()) return y.back();
    const double part = (place - x[right - 1]) / (x[right] - x[right - 1]);
    return y[right - 1] + part * (y[right] - y[right - 1]);
  }
};

/// The closest rising curve. x, y : (points); weights : (points), above 0, or none for equal ones. Points of equal x count as
/// one, at their mean. Throws `Error` for no point, unequal numbers of them, and numbers that are not finite.
[[gnu::cold, gnu::noinline]] inline Isotonic isotonic(std::span<const double> x, std::span<const double> y,
                                                      std::span<const double> weights = {}) {
  if (x.empty() || y.size() != x.size() || (!weights.empty() && weights.size() != x.size()))
    fail("isotonic: ", x.size(), " places, ", y.size(), " values and ", weights.size(),
         " weights; expected as many, from 1 on");
  std::vector<std::size_t> order(x.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (const std::size_t i : order)
    if (!is_finite(x[i]) || !is_finite(y[i]) || (!weights.empty() && !(is_finite(weights[i]) && weights[i] > 0)))
      fail("isotonic: point ", i, " has a number that is not finite, or a weight that is not above 0");
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return x[a] < x[b]; });
  struct Block {
    double sum, weight;
    std::size_t places;
    double mean() const { return sum / weight; }
  };
  std::vector<Block> blocks;
  Isotonic curve;
  for (const std::size_t i : order) {
    const double weight = weights.empty() ? 1 : weights[i];
    if (curve.x.empty() || x[i] > curve.x.back()) {
      curve.x.push_back(x[i]);
      blocks.push_back({weight * y[i], weight, 1});
    } else {
      blocks.back().sum += weight * y[i], blocks.back().weight += weight;
    }
  }
  std::size_t last = 0;  // blocks that are done, less one
  for (std::size_t b = 1; b < blocks.size(); ++b) {
    blocks[++last] = blocks[b];
    for (; last > 0 && blocks[last - 1].mean() >= blocks[last].mean(); --last) {
      Block &left = blocks[last - 1], &right = blocks[last];
      left.sum += right.sum, left.weight += right.weight, left.places += right.places;
    }
  }
  for (std::size_t b = 0; b <= last; ++b) curve.y.insert(curve.y.end(), blocks[b].places, blocks[b].mean());
  return curve;
}

}  // namespace mtlx::grouping
