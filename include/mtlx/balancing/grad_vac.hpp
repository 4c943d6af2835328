// SPDX-License-Identifier: MIT
// For each task i, from v = g_i: for every other task j in random order, with c = cos(v, g_j) and a target t_ij, if c < t_ij
// then v <- v + |v| (t sqrt(1 - c²) - c sqrt(1 - t²)) / (|g_j| sqrt(1 - t²)) g_j, whose cosine with g_j is t; in any case
// t_ij <- (1 - beta) t_ij + beta c. The direction is the sum of the v. As with PcGrad, all of it happens on the Gram matrix.
// Reference: Wang et al., "Gradient Vaccine: Investigating and Improving Multi-task Optimization in Massively Multilingual
// Models", ICLR 2021, algorithm 1 and equation 5.
#pragma once

#include <mtlx/balancing/laws.hpp>
#include <mtlx/balancing/per_task.hpp>
#include <mtlx/balancing/solvers.hpp>
#include <mtlx/core/options.hpp>

namespace mtlx::balancing {

/// Balancer policy: each pair of gradients is brought to the angle that it usually has (GradVac). Its first step is PcGrad's.
/// It keeps the usual cosines. Where a target nears 1 the quotient is bounded: sqrt(1 - t²) counts as at least 1e-8.
struct GradVac {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::gradients;

  double beta = 0.5;  ///< share of the newest cosine, in [0, 1]

  /// t_ij, by the tasks' places in the model.
  struct State {
    std::array<double, TaskSet::capacity * TaskSet::capacity> target{};
    void reset() { *this = {}; }
  };

  [[gnu::cold]] void validate() const { check_option("GradVac: beta", beta, {0, 1}); }
  constexpr Laws laws() const { return {.permutation = Permutation::in_distribution}; }

  void weights(const Problem& problem, State& state, std::span<double> w) const {
    const std::size_t tasks = w.size();
    Random random = problem.random;
    PerTask c, along;  // v's weights, and its products with every gradient
    std::array<std::size_t, TaskSet::capacity> order;
    std::fill(w.begin(), w.end(), 0.0);
    for (std::size_t i = 0; i < tasks; ++i) {
      for (std::size_t k = 0; k < tasks; ++k) {
        c[k] = 0;
        along[k] = problem.g(i, k);
      }
      c[i] = 1;
      for (const std::size_t j : detail::others_at_random(i, tasks, random, order)) {
        const double squared = detail::dot(c.data(), along.data(), tasks);
        if (!(squared > 0) || !(problem.g(j, j) > 0)) continue;  // a gradient of zeros has no angle
        const double v = std::sqrt(squared), g = std::sqrt(problem.g(j, j));
        const double cosine = std::clamp(along[j] / v / g, -1.0, 1.0);
        double& target = state.target[problem.task(i) * TaskSet::capacity + problem.task(j)];
        if (cosine < target) {
          const double rest = std::max(std::sqrt(std::max(0.0, 1 - target * target)), 1e-8);
          const double more = v / g * (target * std::sqrt(1 - cosine * cosine) - cosine * rest) / rest;
          c[j] += more;
          for (std::size_t k = 0; k < tasks; ++k) along[k] += more * problem.g(j, k);
        }
        target = (1 - beta) * target + beta * cosine;
      }
      for (std::size_t k = 0; k < tasks; ++k) w[k] += c[k];
    }
  }
};

}  // namespace mtlx::balancing
