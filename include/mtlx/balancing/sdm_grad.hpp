// SPDX-License-Identifier: MIT
// w = argmin over the simplex of |J1ᵀ (w + lambda p)|², p = (1/m, ..., 1/m);
// the direction is J2ᵀ (w + lambda p) / (1 + lambda). J1 and J2 are the tasks' gradients on two batches that know nothing
// of each other. Rows of zeros are left out of the argmin and have lambda p_i alone; w = p if all are.
// Reference: Xiao, Ban and Ji, "Direction-oriented Multi-objective Learning: Simple and Provable Stochastic Algorithms",
// NeurIPS 2023, algorithm 1 (SDMGrad). The paper comes near w in some steps of gradient descent, which public code takes
// too long to be stable; here w is exact.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <mtlx/balancing/balancer.hpp>
#include <mtlx/balancing/laws.hpp>
#include <mtlx/balancing/per_task.hpp>
#include <mtlx/balancing/solvers.hpp>
#include <mtlx/core/options.hpp>
#include <span>

namespace mtlx::balancing {

/// Balancer policy: a direction between the shortest convex combination and the mean (SDMGrad). Each step's batch is cut
/// into two: the weights are found on the first half, the shared direction is made of the other, so that the weights don't
/// follow its noise; a task's own parameters follow the whole batch. The weights sum to 1. A row of zeros
/// (a task without labels in its half) takes no weight from the others: it is left out, and has its share of the mean.
struct SdmGrad {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::gradients;
  static constexpr std::size_t batches = 2;

  double lambda = 0.3;  ///< 0: the shortest convex combination; large: the mean

  [[gnu::cold]] void validate() const { check_option("SdmGrad: lambda", lambda); }
  Laws laws() const { return {}; }

  void weights(const Problem& problem, NoState&, std::span<double> w) const {
    const std::size_t m = w.size();
    const double each = lambda / static_cast<double>(m);
    std::array<std::size_t, TaskSet::capacity> rows;
    std::size_t n = 0;
    for (std::size_t i = 0; i < m; ++i)
      if (problem.g(i, i) > 0) rows[n++] = i;
    std::fill(w.begin(), w.end(), n > 0 ? 0 : 1 / static_cast<double>(m));
    // With the sum of w at 1, Jᵀ (w + lambda p) is a convex combination of the rows g_i + lambda Jᵀ p.
    std::array<double, TaskSet::capacity> c{}, found;
    std::array<double, TaskSet::capacity * TaskSet::capacity> moved;
    double sum = 0;
    const auto g = [&](std::size_t i, std::size_t j) { return problem.g(rows[i], rows[j]); };
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) sum += each * g(i, j) * each, c[i] += each * g(i, j);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) moved[i * n + j] = g(i, j) + c[i] + c[j] + sum;
    if (n > 0) least_norm_on_simplex(Equilibrated({moved.data(), n * n}, n), {found.data(), n});
    for (std::size_t i = 0; i < n; ++i) w[rows[i]] = found[i];
    for (double& weight : w) weight = (weight + each) / (1 + lambda);
  }
};

}  // namespace mtlx::balancing
