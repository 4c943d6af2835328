// SPDX-License-Identifier: MIT
// w_i = m softmax_i(r / T), r_i = L_i(t-1) / L_i(t-2), L_i(t) the mean of task i's losses over epoch t, m the number of
// tasks; w = 1 in the first two epochs.
// Reference: Liu, Johns and Davison, "End-to-End Multi-Task Learning with Attention", CVPR 2019, equation 7.
#pragma once

#include <mtlx/balancing/laws.hpp>
#include <mtlx/balancing/per_task.hpp>
#include <mtlx/core/options.hpp>

namespace mtlx::balancing {

/// Balancer policy: tasks whose loss falls more slowly weigh more (DWA). The last two epochs in which a task had labels
/// count for it; without two, or where the earlier mean is 0, r is 1. A loss below 0 is an `Error`: a ratio would mean
/// nothing.
struct DynamicWeightAverage {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::nothing;

  double temperature = 2;  ///< T: the larger, the more even

  struct State {
    PerTask sum{}, count{};                                // of this epoch
    PerTask last{}, before{};                              // means of the epochs before
    std::array<std::uint8_t, TaskSet::capacity> epochs{};  // whose means are known, at most 2
    std::size_t epoch = 0;
    void reset() { *this = {}; }
  };

  [[gnu::cold]] void validate() const { check_option("DynamicWeightAverage: temperature", temperature, {1e-6}); }
  constexpr Laws laws() const { return {}; }

  void weights(const Problem& problem, State& state, std::span<double> w) const {
    if (problem.epoch != state.epoch) close(state, problem.epoch);
    for (std::size_t i = 0; i < w.size(); ++i) {
      const std::size_t task = problem.task(i);
      const bool known = state.epochs[task] == 2 && state.before[task] > 0;
      // Beyond 1e9 nothing changes but whether the exponent is finite.
      w[i] = (known ? std::min(state.last[task] / state.before[task], 1e9) : 1) / temperature;
    }
    detail::softmax(w);
    for (double& number : w) number *= static_cast<double>(w.size());
  }
  void observe(const Problem& problem, State& state) const {
    detail::check_losses(problem, "DynamicWeightAverage");
    for (std::size_t i = 0; i < problem.losses.size(); ++i) {
      state.sum[problem.task(i)] += detail::loss_of(problem, i, "DynamicWeightAverage");
      state.count[problem.task(i)] += 1;
    }
  }

 private:
  static void close(State& state, std::size_t next) {
    for (std::size_t t = 0; t < TaskSet::capacity; ++t) {
      if (state.count[t] == 0) continue;
      state.before[t] = state.last[t];
      state.last[t] = state.sum[t] / state.count[t];
      if (state.epochs[t] < 2) ++state.epochs[t];
    }
    state.sum = state.count = {};
    state.epoch = next;
  }
};

}  // namespace mtlx::balancing
