// SPDX-License-Identifier: MIT
// w = argmin |Jᵀ w|² over w >= 0, sum w = 1: the shortest convex combination of the gradients. With a normalisation s the
// rows are g_i / s_i, and the direction is theirs, times the harmonic mean h of s: w_i = a_i h / s_i,
// a = argmin |sum_i a_i g_i / s_i|². (Sener and Koltun's code has the same a, and w = a: their direction, made of the
// gradients as they are, can make a task worse.)
// Reference: Désidéri, "Multiple-gradient descent algorithm (MGDA) for multiobjective optimization", C. R. Math. 350
// (2012); Sener and Koltun, "Multi-Task Learning as Multi-Objective Optimization", NeurIPS 2018, equation 3; the
// normalisations are those of its code.
#pragma once

#include <mtlx/balancing/laws.hpp>
#include <mtlx/balancing/per_task.hpp>
#include <mtlx/balancing/solvers.hpp>

namespace mtlx::balancing {

/// Balancer policy: the point of the gradients' convex hull that is nearest to 0 (MGDA); no task gets worse, and where that
/// is all that can be had, the direction is 0. The scale is that of a mean. A row of zeros stops all tasks under
/// `Normalisation::none`, and under `loss`; under the others it is left out.
struct Mgda {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::gradients;

  /// What each gradient is divided by: nothing, |g|, its loss, or both. Losses must be at least 0; a task whose loss is 0
  /// is left out where it would divide.
  enum class Normalisation { none, l2, loss, loss_plus };
  Normalisation normalisation = Normalisation::none;

  constexpr Laws laws() const { return {.never_conflicts = NeverConflicts::yes}; }

  void weights(const Problem& problem, NoState&, std::span<double> w) const {
    const std::size_t tasks = w.size();
    const bool by_length = normalisation == Normalisation::l2 || normalisation == Normalisation::loss_plus;
    const bool by_loss = normalisation == Normalisation::loss || normalisation == Normalisation::loss_plus;
    PerTask inverse, found;
    std::array<std::size_t, TaskSet::capacity> rows;
    detail::Square gram;
    std::fill(w.begin(), w.end(), 0.0);
    std::size_t count = 0;
    for (std::size_t i = 0; i < tasks; ++i) {
      const double loss = by_loss ? detail::loss_of(problem, i, "Mgda") : 1;
      const double length = by_length ? std::sqrt(problem.g(i, i)) : 1;
      if (!(loss > 0) || !(length > 0)) continue;
      rows[count] = i;
      inverse[count++] = 1 / loss / length;
    }
    if (count == 0) return;
    detail::scaled_gram(problem, {rows.data(), count}, inverse.data(), gram.data());
    least_norm_on_simplex(Equilibrated({gram.data(), count * count}, count), {found.data(), count});
    double sum = 0;
    for (std::size_t i = 0; i < count; ++i) sum += inverse[i];
    const double mean = static_cast<double>(count) / sum;
    for (std::size_t i = 0; i < count; ++i) w[rows[i]] = found[i] * inverse[i] * mean;
  }
};

}  // namespace mtlx::balancing
