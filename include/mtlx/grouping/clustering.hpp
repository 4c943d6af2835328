// SPDX-License-Identifier: MIT
// Groups of any number of tasks that do not overlap, by an affinity table: for hundreds of tasks, where the search of
// grouping/search.hpp is out of reach. Neither is exact. A table is (tasks, tasks): row the task that is AFFECTED, column
// the task whose step it was (ACTING); the diagonal is not read. Labels count groups from 0 in order of their first task.
//
//   spectral_groups   W = (M + Mᵀ) / 2, made non-negative; the eigenvectors of D^(-1/2) W D^(-1/2), D the row sums, of the
//                     `groups` largest eigenvalues, divided by D^(1/2); k-means on their rows.
//                     Shi and Malik, "Normalized Cuts and Image Segmentation", PAMI 22 (2000); von Luxburg, "A Tutorial on
//                     Spectral Clustering", Statistics and Computing 17 (2007). For tasks: Li et al., "Boosting Multitask
//                     Learning on Graphs through Higher-Order Task Affinities", KDD 2023, who symmetrise so
//   greedy_groups     joins those two groups that gain most, then moves single tasks while that gains. What is to gain is
//                     the sum over tasks i of mean_{j in G(i), j != i} M[i][j], as the search has it
//   affinity_propagation   finds the number of groups too; see grouping/affinity_propagation.hpp
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mtlx/core/error.hpp>
#include <mtlx/core/random.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/grouping/affinity_propagation.hpp>
#include <utility>
#include <vector>

#include <Eigen/Core>
#include <Eigen/Eigenvalues>

namespace mtlx::grouping {

/// Options of `spectral_groups`.
struct SpectralOptions {
  std::size_t starts = 10;       ///< of k-means, the best of which counts
  std::size_t iterations = 100;  ///< of k-means, at most
  std::uint64_t seed = 0;
};

/// Options of `greedy_groups`.
struct GreedyOptions {
  double alone = -1e6;       ///< the score of a task in a group of its own
  std::size_t sweeps = 100;  ///< over all tasks, at most, while moving one gains
};

namespace detail {

using Rows = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using GivenTable = Eigen::Ref<const Eigen::MatrixXd>;

[[gnu::cold, gnu::noinline]] inline void check_clustering(const GivenTable& table, std::size_t groups) {
  const auto tasks = static_cast<std::size_t>(table.rows());
  if (tasks == 0 || table.rows() != table.cols())
    fail("grouping: a table is tasks x tasks, and this one is ", table.rows(), " x ", table.cols());
  if (groups < 1 || groups > tasks) fail("grouping: ", groups, " groups of ", tasks, " tasks; it takes 1 to ", tasks);
  for (Eigen::Index i = 0; i < table.rows(); ++i)
    for (Eigen::Index j = 0; j < table.cols(); ++j)
      if (i != j && !is_finite(table(i, j)))
        fail("grouping: the table's row ", i, " (affected), column ", j, " (acting) is not finite");
}

// Labels anew: 0 is the group of the first item, 1 that of the first item outside it, ...
[[gnu::cold]] inline void in_order(std::vector<std::size_t>& labels) {
  const std::size_t none = labels.size();
  std::vector<std::size_t> named(labels.size() + 1, none);
  std::size_t next = 0;
  for (std::size_t& label : labels) {
    if (named[label] == none) named[label] = next++;
    label = named[label];
  }
}

// k-means of the rows of `points`, from a start as k-means++ chooses it: writes labels, returns the sum of squared
// distances. A group that loses all its items takes the one that is farthest from its centre.
[[gnu::cold, gnu::noinline]] inline double k_means(const Rows& points, std::size_t groups, std::size_t iterations,
                                                   Random& random, std::vector<std::size_t>& labels) {
  const auto n = static_cast<std::size_t>(points.rows());
  const auto row = [](const Rows& m, std::size_t i) { return m.row(static_cast<Eigen::Index>(i)); };
  const auto square = [&](const Rows& centres, std::size_t i, std::size_t g) {
    return (row(points, i) - row(centres, g)).squaredNorm();
  };
  Rows centres(static_cast<Eigen::Index>(groups), points.cols());
  std::vector<double> nearest(n, std::numeric_limits<double>::max());
  std::size_t chosen = random.below(static_cast<std::uint32_t>(n));
  for (std::size_t g = 0; g < groups; ++g) {
    centres.row(static_cast<Eigen::Index>(g)) = row(points, chosen);
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) sum += nearest[i] = std::min(nearest[i], square(centres, i, g));
    double left = sum * random.uniform();
    for (std::size_t i = 0; i < n; ++i)
      if (nearest[i] > 0 && (left -= nearest[chosen = i]) < 0) break;
  }
  labels.assign(n, groups);
  double total = 0;
  std::vector<std::size_t> sizes(groups);
  for (std::size_t iteration = 0; iteration < iterations; ++iteration) {
    bool changed = false;
    total = 0;
    std::fill(sizes.begin(), sizes.end(), std::size_t{0});
    for (std::size_t i = 0; i < n; ++i) {
      std::size_t best = 0;
      nearest[i] = square(centres, i, 0);
      for (std::size_t g = 1; g < groups; ++g)
        if (const double distance = square(centres, i, g); distance < nearest[i]) nearest[i] = distance, best = g;
      changed = changed || labels[i] != best;
      labels[i] = best;
      total += nearest[i];
      ++sizes[best];
    }
    for (std::size_t g = 0; g < groups; ++g) {
      if (sizes[g] > 0) continue;
      std::size_t farthest = n;
      for (std::size_t i = 0; i < n; ++i)
        if (sizes[labels[i]] > 1 && (farthest == n || nearest[i] > nearest[farthest])) farthest = i;
      --sizes[labels[farthest]];
      ++sizes[labels[farthest] = g];
      total -= nearest[farthest];
      nearest[farthest] = 0;
      changed = true;
    }
    if (!changed) break;
    centres.setZero();
    for (std::size_t i = 0; i < n; ++i)
      centres.row(static_cast<Eigen::Index>(labels[i])) += row(points, i) / static_cast<double>(sizes[labels[i]]);
  }
  return total;
}

}  // namespace detail

/// `groups` groups by spectral clustering of the table made symmetric. Where an affinity is negative, the least is taken off
/// all of them. Throws `Error` for a table that is not square, or a number outside the diagonal that is not finite.
[[gnu::cold, gnu::noinline]] inline std::vector<std::size_t> spectral_groups(
    const Eigen::Ref<const Eigen::MatrixXd>& table, std::size_t groups, const SpectralOptions& options = {}) {
  detail::check_clustering(table, groups);
  const Eigen::Index n = table.rows();
  Eigen::MatrixXd w = (table + table.transpose()) / 2;
  w.diagonal().setConstant(0);
  if (const double least = w.minCoeff(); least < 0) w.array() -= least;
  w.diagonal().setConstant(0);
  // A task that nothing goes with has a degree of 1, as if alone.
  Eigen::VectorXd scale(n);
  for (Eigen::Index i = 0; i < n; ++i) {
    const double degree = w.row(i).sum();
    scale(i) = degree > 0 ? 1 / std::sqrt(degree) : 1;
  }
  w = scale.asDiagonal() * w * scale.asDiagonal();
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solved(w);
  const detail::Rows points = scale.asDiagonal() * solved.eigenvectors().rightCols(static_cast<Eigen::Index>(groups));

  Random random(options.seed, Purpose::group);
  std::vector<std::size_t> best, labels;
  double least = 0;
  for (std::size_t start = 0; start < std::max<std::size_t>(options.starts, 1); ++start) {
    const double distance =
        detail::k_means(points, groups, std::max<std::size_t>(options.iterations, 1), random, labels);
    if (start == 0 || distance < least) least = distance, best = labels;
  }
  detail::in_order(best);
  return best;
}

/// At most `groups` groups, greedily. Throws `Error` as `spectral_groups` does.
[[gnu::cold, gnu::noinline]] inline std::vector<std::size_t> greedy_groups(
    const Eigen::Ref<const Eigen::MatrixXd>& table, std::size_t groups, const GreedyOptions& options = {}) {
  detail::check_clustering(table, groups);
  if (!is_finite(options.alone)) fail("greedy_groups: alone is not finite");
  const auto n = static_cast<std::size_t>(table.rows());
  // between(g, h): the sum of all affinities between two groups, both ways; within a group on the diagonal.
  detail::Rows between = table + table.transpose();
  between.diagonal().setZero();
  const auto sum = [&](std::size_t g, std::size_t h) -> double& {
    return between(static_cast<Eigen::Index>(g), static_cast<Eigen::Index>(h));
  };
  const auto value = [&](double within, std::size_t size) {
    return size == 0 ? 0.0 : size == 1 ? options.alone : within / static_cast<double>(size - 1);
  };
  std::vector<std::size_t> labels(n), sizes(n, 1);
  for (std::size_t i = 0; i < n; ++i) labels[i] = i;
  for (std::size_t left = n; left > 1; --left) {
    double most = 0;
    std::size_t first = n, second = n;
    for (std::size_t g = 0; g < n; ++g)
      for (std::size_t h = g + 1; sizes[g] > 0 && h < n; ++h) {
        if (sizes[h] == 0) continue;
        const double gain = value(sum(g, g) + sum(h, h) + sum(g, h), sizes[g] + sizes[h]) - value(sum(g, g), sizes[g]) -
                            value(sum(h, h), sizes[h]);
        if (first == n || gain > most) most = gain, first = g, second = h;
      }
    if (left <= groups && most <= 0) break;
    sum(first, first) += sum(second, second) + sum(first, second);
    for (std::size_t g = 0; g < n; ++g)
      if (g != first && g != second) sum(first, g) = sum(g, first) += sum(g, second);
    sizes[first] += std::exchange(sizes[second], 0);
    for (std::size_t& label : labels)
      if (label == second) label = first;
  }
  detail::in_order(labels);

  // Single tasks to other groups. shared[g]: the affinities between a task and group g, both ways.
  const std::size_t count = *std::max_element(labels.begin(), labels.end()) + 1;
  std::vector<double> within(count), shared(count);
  sizes.assign(count, 0);
  const auto pair = [&](std::size_t i, std::size_t j) {
    const auto a = static_cast<Eigen::Index>(i), b = static_cast<Eigen::Index>(j);
    return table(a, b) + table(b, a);
  };
  for (std::size_t i = 0; i < n; ++i) {
    ++sizes[labels[i]];
    for (std::size_t j = 0; j < i; ++j)
      if (labels[i] == labels[j]) within[labels[i]] += pair(i, j);
  }
  double unit = 0;  // the size of the largest affinity
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j)
      if (i != j) unit = std::max(unit, std::abs(table(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j))));
  bool moved = true;
  for (std::size_t sweep = 0; sweep < options.sweeps && moved; ++sweep) {
    moved = false;
    for (std::size_t i = 0; i < n; ++i) {
      std::fill(shared.begin(), shared.end(), 0.0);
      for (std::size_t j = 0; j < n; ++j)
        if (j != i) shared[labels[j]] += pair(i, j);
      const std::size_t from = labels[i];
      const double leaves = value(within[from] - shared[from], sizes[from] - 1) - value(within[from], sizes[from]);
      double most = 1e-12 * (unit + std::abs(leaves));
      std::size_t to = from;
      for (std::size_t g = 0; g < count; ++g) {
        if (g == from) continue;
        const double gain = leaves + value(within[g] + shared[g], sizes[g] + 1) - value(within[g], sizes[g]);
        if (gain > most) most = gain, to = g;
      }
      if (to == from) continue;
      within[from] -= shared[from], --sizes[from];
      within[to] += shared[to], ++sizes[to];
      labels[i] = to;
      moved = true;
    }
  }
  detail::in_order(labels);
  return labels;
}

}  // namespace mtlx::grouping
