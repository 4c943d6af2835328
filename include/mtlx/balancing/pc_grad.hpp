// SPDX-License-Identifier: MIT
// For each task i, from v = g_i: for every other task j in random order, if <v, g_j> < 0 then
// v <- v - <v, g_j> / |g_j|² g_j. The direction is the sum of the v. Every v is a combination c of the g, so that all of
// it happens on the Gram matrix: <v, g_j> = (G c)_j.
// Reference: Yu et al., "Gradient Surgery for Multi-Task Learning", NeurIPS 2020, algorithm 1.
#pragma once

#include <algorithm>
#include <array>
#include <mtlx/balancing/balancer.hpp>
#include <mtlx/balancing/laws.hpp>
#include <mtlx/balancing/per_task.hpp>

namespace mtlx::balancing {

/// Balancer policy: projects each task's gradient off those that it conflicts with, and sums (PCGrad). With three tasks
/// or more the result depends on the random order; with two it doesn't.
struct PcGrad {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::gradients;

  constexpr Laws laws() const { return {.permutation = Permutation::in_distribution}; }

  void weights(const Problem& problem, NoState&, std::span<double> w) const {
    const std::size_t tasks = problem.tasks.count();
    Random random = problem.random;
    std::array<double, TaskSet::capacity> c;
    std::array<std::size_t, TaskSet::capacity> order;
    std::fill(w.begin(), w.end(), 0.0);
    for (std::size_t i = 0; i < tasks; ++i) {
      std::fill_n(c.begin(), tasks, 0.0);
      c[i] = 1;
      for (const std::size_t j : detail::others_at_random(i, tasks, random, order)) {
        double inner = 0;
        for (std::size_t k = 0; k < tasks; ++k) inner += problem.g(j, k) * c[k];
        // A zero gradient conflicts with nobody, but rounding may say so.
        if (inner < 0 && problem.g(j, j) > 0) c[j] -= inner / problem.g(j, j);
      }
      for (std::size_t k = 0; k < tasks; ++k) w[k] += c[k];
    }
  }
};

}  // namespace mtlx::balancing
