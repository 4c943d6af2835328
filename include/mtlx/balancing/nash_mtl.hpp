// SPDX-License-Identifier: MIT
// G a = 1 / a (number by number): the Nash bargaining solution, where the product of the tasks' gains g_i · d is greatest among
// directions of one length. d = Jᵀ a has the length sqrt(m) whatever the gradients are; it is then made as long as
// `max_norm`, if longer. Solved by Newton's method on 1/2 aᵀ G a - sum log a.
// Reference: Navon et al., "Multi-Task Learning as a Bargaining Game", ICML 2022, equation 2 and algorithm 1. Its code
// approximates by up to 20 convex programs.
#pragma once

#include <mtlx/balancing/laws.hpp>
#include <mtlx/balancing/per_task.hpp>
#include <mtlx/balancing/solvers.hpp>
#include <mtlx/core/options.hpp>

namespace mtlx::balancing {

namespace detail {

// G w = p w^(-1/alpha) for the rows that are not 0, which have weight 0; false and w = 0 where there is no solution.
[[gnu::noinline]] inline bool fair_weights_of_rows(const Problem& problem, std::span<const double> preferences,
                                                   double alpha, std::span<double> w) {
  PerTask some{}, ones{}, solved;
  std::array<std::size_t, TaskSet::capacity> rows;
  Square gram;
  std::size_t count = 0;
  for (std::size_t i = 0; i < w.size(); ++i) {
    w[i] = 0;
    if (!(problem.g(i, i) > 0)) continue;
    some[count] = preferences[i];
    ones[count] = 1;
    rows[count++] = i;
  }
  scaled_gram(problem, {rows.data(), count}, ones.data(), gram.data());
  const bool found = fair_weights({gram.data(), count * count}, {some.data(), count}, alpha, {solved.data(), count});
  for (std::size_t i = 0; i < count; ++i) w[rows[i]] = solved[i];
  return found;
}

}  // namespace detail

/// Balancer policy: the tasks bargain (Nash-MTL). The direction's length tells nothing of the gradients': at most sqrt(m),
/// and with the paper's `max_norm` it is 1. Where some convex combination of the unit gradients is 0 no bargain is better
/// for all than none, and the direction is 0. Rows of zeros are left out. With update_every > 1 it keeps the weights.
struct NashMtl {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::gradients;

  double max_norm = 1;           ///< the longest that the direction may be; 0: any
  std::size_t update_every = 1;  ///< steps for which the weights are kept, if the same tasks are there

  /// What was found last, by the tasks' places in the model.
  struct State {
    PerTask weights{};
    TaskSet tasks{};
    std::size_t used = 0;  ///< steps with these weights; 0: none are there
    void reset() { *this = {}; }
  };

  [[gnu::cold]] void validate() const {
    check_option("NashMtl: max_norm", max_norm);
    check_option("NashMtl: update_every", static_cast<double>(update_every), {1});
  }
  constexpr Laws laws() const {
    return {.scale_exponent = 0,
            .single_task_scale = max_norm > 0 && max_norm < 1 ? max_norm : 1,
            .never_conflicts = NeverConflicts::yes,
            .unsolved = Unsolved::zero};
  }

  void weights(const Problem& problem, State& state, std::span<double> w) const {
    PerTask equal;
    equal.fill(1);
    weights(problem, state, {equal.data(), w.size()}, w);
  }
  /// With preferences: G a = p / a; see Weighted.
  void weights(const Problem& problem, State& state, std::span<const double> preferences, std::span<double> w) const {
    const std::size_t tasks = w.size();
    if (state.used > 0 && state.used < update_every && state.tasks == problem.tasks) {
      for (std::size_t i = 0; i < tasks; ++i) w[i] = state.weights[problem.task(i)];
      ++state.used;
    } else {
      state.used = detail::fair_weights_of_rows(problem, preferences, 1, w) ? 1 : 0;
      state.tasks = problem.tasks;
      for (std::size_t i = 0; i < tasks; ++i) state.weights[problem.task(i)] = w[i];
    }
    if (max_norm <= 0) return;
    double squared = 0;
    for (std::size_t i = 0; i < tasks; ++i)
      for (std::size_t j = 0; j < tasks; ++j) squared += w[i] * problem.g(i, j) * w[j];
    if (squared <= max_norm * max_norm) return;
    for (double& weight : w) weight *= max_norm / std::sqrt(squared);
  }
};

}  // namespace mtlx::balancing
