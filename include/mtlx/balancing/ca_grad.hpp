// SPDX-License-Identifier: MIT
// d = argmax of min_i g_i · d over |d - g0| <= c |g0|, g0 = 1/m sum_i g_i. The paper solves its dual,
// w = argmin of g_w · g0 + c |g0| |g_w| over the simplex, g_w = Jᵀ w, and d = g0 + c |g0| g_w / |g_w|. Here: how far must one
// go from g0, r(t) = |d - g0|, for g_i · d >= t for all i? That is a quadratic program like those of solvers.hpp, r grows with
// t and is convex, and Newton's method finds where it is c |g0|.
// Reference: Liu et al., "Conflict-Averse Gradient Descent for Multi-task Learning", NeurIPS 2021, equations 2 to 4.
#pragma once

#include <mtlx/balancing/laws.hpp>
#include <mtlx/balancing/per_task.hpp>
#include <mtlx/balancing/solvers.hpp>
#include <mtlx/core/options.hpp>

namespace mtlx::balancing {

/// Balancer policy: the direction near the mean gradient that helps the task that it helps least as much as can be (CAGrad).
/// Where some convex combination of the gradients is 0 and t = 0 is the best to be had, the paper's direction is not
/// defined; here it is the one nearest to the mean, which is that of DualProjection. Rows of zeros are in the mean, not among
/// those to be helped. The scale is that of a mean, 1 + c times as long unless `rescale` says otherwise.
struct CaGrad {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::gradients;

  /// What the direction is divided by: 1, 1 + c² or 1 + c (0, 1 and 2 in public code).
  enum class Rescale { none, squared, linear };
  double c = 0.5;  ///< how far from the mean, in its lengths; from 1 on no task gets worse
  Rescale rescale = Rescale::none;

  [[gnu::cold]] void validate() const { check_option("CaGrad: c", c); }
  constexpr Laws laws() const {
    return {.single_task_scale = (1 + c) / divisor(),
            .never_conflicts = c >= 1 ? NeverConflicts::yes : NeverConflicts::no,
            .unsolved = Unsolved::other};
  }

  void weights(const Problem& problem, NoState&, std::span<double> w) const {
    correction(Equilibrated(problem.gram, w.size()), c, w);
    for (double& weight : w) weight = (1 / static_cast<double>(w.size()) + weight) / divisor();
  }

 private:
  constexpr double divisor() const {
    return rescale == Rescale::squared ? 1 + c * c : rescale == Rescale::linear ? 1 + c : 1;
  }

  // w with Jᵀ w = d - g0.
  [[gnu::noinline]] static void correction(const Equilibrated& all, double c, std::span<double> w) {
    const std::size_t tasks = all.size();
    std::fill(w.begin(), w.end(), 0.0);
    std::array<std::size_t, TaskSet::capacity> rows;
    std::size_t n = 0;
    double longest = 0;
    for (std::size_t i = 0; i < tasks; ++i) {
      if (!all.zero(i)) rows[n++] = i;
      longest = std::max(longest, all.length(i));
    }
    if (n == 0) return;
    // In units of the longest row: mean_i = g_i · g0 over D_i.
    PerTask share, mean, sizes, a, b, scales, x;
    detail::Square square;
    for (std::size_t i = 0; i < n; ++i) share[i] = all.length(rows[i]) / longest / static_cast<double>(tasks);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) square[i * n + j] = all(rows[i], rows[j]);
    double squared = 0, shortest = longest;
    for (std::size_t i = 0; i < n; ++i) {
      mean[i] = detail::dot(square.data() + i * n, share.data(), n);
      sizes[i] = detail::dot_of_sizes(square.data() + i * n, share.data(), n);
      squared += share[i] * mean[i];
      shortest = std::min(shortest, all.length(rows[i]));
    }
    const double length = std::sqrt(std::max(0.0, squared)), radius = c * length;
    if (!(radius > 0)) return;
    for (std::size_t i = 0; i < n; ++i) a[i] = shortest / all.length(rows[i]);

    // x is best for t, a number in units of shortest times longest; returns the distance from g0.
    const auto distance = [&](double t) {
      for (std::size_t i = 0; i < n; ++i) {
        b[i] = t * a[i] - mean[i];
        scales[i] = std::abs(t) * a[i] + sizes[i];
      }
      nonnegative_minimum({square.data(), n * n}, {b.data(), n}, {scales.data(), n}, {x.data(), n});
      double sum = 0;
      for (std::size_t i = 0; i < n; ++i) sum += x[i] * detail::dot(square.data() + i * n, x.data(), n);
      return std::sqrt(std::max(0.0, sum));
    };
    double t = 0, found = distance(t);
    if (found <= radius) {
      // Of rows of like length, so that this is not lost among long ones that cancel.
      const double least = least_norm_on_simplex(Equilibrated({square.data(), n * n}, n), {scales.data(), n});
      if (least < 1e-13) {
        for (std::size_t i = 0; i < n; ++i) w[rows[i]] = x[i] * longest / all.length(rows[i]);
        return;
      }
      // No direction within the ball does more for all than t <= g_v · d <= |g_v| |d|, for any weights v of the simplex.
      t = 2 * std::sqrt(least) / detail::dot(a.data(), scales.data(), n) * (length + radius);
      found = distance(t);
    }
    for (int step = 0; step < 60 && found > radius * (1 + 1e-15); ++step) {
      const double rise = detail::dot(a.data(), x.data(), n);  // found times its slope
      const double next = t - (found - radius) * found / rise;
      if (!(next < t)) break;
      t = next;
      found = distance(t);
    }
    const double exact = found > 0 ? radius / found : 0;
    for (std::size_t i = 0; i < n; ++i) w[rows[i]] = exact * x[i] * longest / all.length(rows[i]);
  }
};

}  // namespace mtlx::balancing
