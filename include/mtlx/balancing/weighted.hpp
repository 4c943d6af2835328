// SPDX-License-Identifier: MIT
// Preferences among the tasks. Most methods see the losses p_i l_i, whose gradients are p_i g_i: w_i = p_i w'_i with w' the
// method's weights for them. With UpGrad and DualProjection that is what their papers mean by preferences. Methods to which
// such a scale says nothing take preferences themselves, as their heads say (AlignedMtl, NashMtl, FairGrad).
#pragma once

#include <mtlx/balancing/laws.hpp>
#include <mtlx/balancing/per_task.hpp>
#include <mtlx/balancing/solvers.hpp>
#include <mtlx/core/options.hpp>
#include <numeric>

namespace mtlx::balancing {

/// Balancer policy: another one, with preferences. It stands within wrappers: `PerLayer<Weighted<UpGrad>>`. A method takes
/// preferences itself if it has
/// `void weights(const Problem&, State&, std::span<const double> preferences, std::span<double> w) const`.
template <class M>
struct Weighted {
  static constexpr bool weights_alone =
      Weighs<M> && !LooksBack<M> && !Observes<M> && !Combines<M> && !Remembers<M> && !detail::Wrapper<M>;
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Core<M>::needs;
  static constexpr std::size_t batches = balancing::batches<M>;
  static constexpr bool weighs_own = balancing::weighs_own<M>;
  using State = PolicyState<M>;

  M method{};
  PerTask preferences{};  ///< of the model's tasks, in order; above 0 for all that there are

  static consteval bool check() {
    static_assert(
        weights_alone,
        "mtlx: Weighted takes a balancer that has weights and no more, and it stands within wrappers, not around them");
    return weights_alone;
  }
  [[gnu::cold]] void validate() const {
    mtlx::validate(method);
    for (const double preference : preferences) check_option("Weighted: preferences", preference);
  }
  /// The method's, but that each task has a preference of its own; p_i g_i and g_i conflict with the same directions.
  Laws laws() const
    requires Lawful<M>
  {
    Laws all = method.laws();
    all.permutation = Permutation::none;
    if (preferences[0] > 0) {
      // The weight of a first task alone whose gradient is 1 long.
      const double one = 1;
      State fresh{};
      weights({.tasks = TaskSet::only(0), .losses = {&one, 1}, .gram = {&one, 1}}, fresh, {&all.single_task_scale, 1});
    }
    return all;
  }

  void weights(const Problem& problem, State& state, std::span<double> w) const {
    if constexpr (weights_alone) {
      const std::size_t tasks = w.size();
      PerTask own{}, losses;
      for (std::size_t i = 0; i < tasks; ++i) {
        own[i] = preferences[problem.task(i)];
        if (!(own[i] > 0)) fail("Weighted: the preference of task ", problem.task(i), " (the first is 0) is not given");
      }
      if constexpr (requires { method.weights(problem, state, std::span<const double>{}, w); }) {
        method.weights(problem, state, {own.data(), tasks}, w);
      } else {
        std::array<std::size_t, TaskSet::capacity> all;
        detail::Square gram;
        Problem scaled = problem;
        for (std::size_t i = 0; i < problem.losses.size(); ++i) losses[i] = own[i] * problem.losses[i];
        scaled.losses = {losses.data(), problem.losses.size()};
        if (!problem.gram.empty()) {
          std::iota(all.begin(), all.end(), std::size_t{0});
          detail::scaled_gram(problem, {all.data(), tasks}, own.data(), gram.data());
          scaled.gram = {gram.data(), tasks * tasks};
        }
        method.weights(scaled, state, w);
        for (std::size_t i = 0; i < tasks; ++i) w[i] *= own[i];
      }
    }
  }
};

}  // namespace mtlx::balancing
