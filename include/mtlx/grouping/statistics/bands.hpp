// SPDX-License-Identifier: MIT
// Numbers in bands: the partition of a line into `count` intervals with the least weighted sum of squares about their means,
// sum_k sum_{i in k} w_i (x_i - m_k)^2. It is k-means in one dimension, where the best solution is found: sorted, a band is a run
// of numbers, and D[k][i] = min_j D[k-1][j] + cost(j, i).
// Reference: Wang and Song, "Ckmeans.1d.dp: Optimal k-means Clustering in One Dimension by Dynamic Programming", The R Journal
// 3, 2011; Fisher, "On Grouping for Maximum Homogeneity", JASA 53, 1958.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <mtlx/core/error.hpp>
#include <mtlx/core/scalar.hpp>
#include <numeric>
#include <span>
#include <vector>

namespace mtlx::grouping {

/// Bands of numbers, from the lowest.
struct Bands {
  std::vector<std::size_t> labels{};  ///< (numbers): the band of each
  std::vector<double> means{};        ///< (bands): weighted, rising
  double cost = 0;                    ///< the weighted sum of squares

  std::size_t count() const { return means.size(); }
};

/// The best `count` bands; fewer, if there are fewer different numbers. x, weights : (numbers); weights above 0. Throws `Error`
/// for a count of 0, unequal numbers of them, and numbers that are not finite. O(count numbers^2).
[[gnu::cold, gnu::noinline]] inline Bands bands(std::span<const double> x, std::span<const double> weights,
                                                std::size_t count) {
  if (count == 0 || weights.size() != x.size())
    fail("bands: ", count, " bands of ", x.size(), " numbers with ", weights.size(),
         " weights; expected 1 or more, and as many");
  const std::size_t n = x.size();
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (const std::size_t i : order)
    if (!is_finite(x[i]) || !(is_finite(weights[i]) && weights[i] > 0))
      fail("bands: number ", i, " or its weight is not finite, or the weight is not above 0");
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return x[a] < x[b]; });
  std::size_t different = n == 0 ? 0 : 1;
  for (std::size_t i = 1; i < n; ++i) different += x[order[i]] > x[order[i - 1]] ? 1 : 0;
  count = std::min(count, different);
  Bands result{.labels = std::vector<std::size_t>(n)};
  if (n == 0) return result;

  // Sums of the first numbers, about the middle one: squares of large numbers would lose the digits that count.
  const double middle = x[order[n / 2]];
  std::vector<double> w(n + 1), wx(n + 1), wxx(n + 1);
  for (std::size_t i = 0; i < n; ++i) {
    const double weight = weights[order[i]], place = x[order[i]] - middle;
    w[i + 1] = w[i] + weight, wx[i + 1] = wx[i] + weight * place, wxx[i + 1] = wxx[i] + weight * place * place;
  }
  const auto cost = [&](std::size_t from, std::size_t to) {
    const double sum = wx[to] - wx[from];
    return std::max(0.0, wxx[to] - wxx[from] - sum * sum / (w[to] - w[from]));
  };
  // best[k][i]: of the first i numbers in k + 1 bands; first[k][i]: where the last of them begins.
  std::vector<std::vector<double>> best(count, std::vector<double>(n + 1, std::numeric_limits<double>::max()));
  std::vector<std::vector<std::size_t>> first(count, std::vector<std::size_t>(n + 1));
  for (std::size_t i = 1; i <= n; ++i) best[0][i] = cost(0, i);
  for (std::size_t k = 1; k < count; ++k)
    for (std::size_t i = k + 1; i <= n; ++i)
      for (std::size_t j = k; j < i; ++j)
        // Equal numbers are in one band.
        if (x[order[j]] > x[order[j - 1]] && best[k - 1][j] < std::numeric_limits<double>::max())
          if (const double sum = best[k - 1][j] + cost(j, i); sum < best[k][i]) best[k][i] = sum, first[k][i] = j;
  result.cost = best[count - 1][n];
  result.means.resize(count);
  for (std::size_t k = count, end = n; k-- > 0;) {
    const std::size_t begin = k == 0 ? 0 : first[k][end];
    result.means[k] = middle + (wx[end] - wx[begin]) / (w[end] - w[begin]);
    for (std::size_t i = begin; i < end; ++i) result.labels[order[i]] = k;
    end = begin;
  }
  return result;
}

/// The most bands, up to `most`, whose neighbours are apart: by more than `errors` times the size of a single number's error in
/// the two of them, the root of its mean square. So a band is not crossed by what one number may be off. Weights are
/// 1 / errors^2. x, error : (numbers), errors above 0. Throws `Error` as `bands` does.
[[gnu::cold, gnu::noinline]] inline Bands bands_apart(std::span<const double> x, std::span<const double> error,
                                                      std::size_t most, double errors = 2) {
  std::vector<double> weights;
  for (const double e : error) weights.push_back(1 / (e * e));
  for (std::size_t count = most;; --count) {
    Bands found = bands(x, weights, count);
    std::vector<double> squares(found.count()), sizes(found.count());
    for (std::size_t i = 0; i < x.size(); ++i)
      squares[found.labels[i]] += error[i] * error[i], sizes[found.labels[i]] += 1;
    bool apart = true;
    for (std::size_t k = 1; k < found.count(); ++k) {
      const double off = std::sqrt((squares[k] + squares[k - 1]) / (sizes[k] + sizes[k - 1]));
      apart = apart && found.means[k] - found.means[k - 1] > errors * off;
    }
    if (apart || count <= 1) return found;
    count = std::max<std::size_t>(2, std::min(count, found.count()));
  }
}

}  // namespace mtlx::grouping
