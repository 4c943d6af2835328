// SPDX-License-Identifier: MIT
// w = m softmax(s), G_i = |w_i g_i|, r_i = (l_i / l_i(0)) / mean_j (l_j / l_j(0)), target_i = mean_j G_j · r_i^alpha; s
// descends on sum_i |G_i - target_i| with the targets held fixed:
//   a_i = sign(G_i - target_i) |g_i|,   gradient_i = w_i (a_i - mean_j w_j a_j)
// Reference: Chen et al., "GradNorm: Gradient Normalization for Adaptive Loss Balancing in Deep Multitask Networks", ICML
// 2018, equations 1 and 2, algorithm 1. The paper scales the weights to sum m after each step; the softmax does that.
// It takes the gradients on the last shared layer; here they are on all shared parameters.
#pragma once

#include <mtlx/balancing/laws.hpp>
#include <mtlx/balancing/per_task.hpp>
#include <mtlx/core/options.hpp>

namespace mtlx::balancing {

/// Balancer policy: weights that bring the tasks' gradients to lengths by which all train at the same rate (GradNorm). The
/// weights are the losses': they go for the tasks' own parameters too. l(0) is a task's first loss above 0, unless it is
/// given; a task that had none yet has the mean rate. A loss below 0 is an `Error`: a rate would mean nothing.
struct GradNorm {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::gradients;
  static constexpr bool weighs_own = true;

  double alpha = 1.5;            ///< how strongly rates are pulled together; 0: gradients of the same length
  double learning_rate = 0.025;  ///< of s, by Adam
  PerTask initial{};             ///< l(0); 0: the first loss above 0. The paper: log(classes) where it varies much

  struct State {
    PerTask s{}, first{};
    detail::TaskAdam adam{};
    void reset() { *this = {}; }
  };

  [[gnu::cold]] void validate() const {
    check_option("GradNorm: alpha", alpha);
    check_option("GradNorm: learning_rate", learning_rate);
    for (const double loss : initial) check_option("GradNorm: initial", loss);
  }
  Laws laws() const { return {.permutation = initial == PerTask{} ? Permutation::exact : Permutation::none}; }

  void weights(const Problem& problem, State& state, std::span<double> w) const {
    detail::check_losses(problem, "GradNorm");
    const std::size_t tasks = w.size();
    const auto m = static_cast<double>(tasks);
    PerTask rate, length, a;
    double rates = 0, lengths = 0;
    for (std::size_t i = 0; i < tasks; ++i) w[i] = state.s[problem.task(i)];
    detail::softmax(w);
    for (std::size_t i = 0; i < tasks; ++i) {
      w[i] *= m;
      length[i] = std::sqrt(std::max(problem.g(i, i), 0.0));
      lengths += w[i] * length[i] / m;
      rate[i] = rate_of(problem, state, i);
      rates += std::max(rate[i], 0.0);
    }
    // Tasks without a rate have the mean of the others.
    std::size_t known = 0;
    for (std::size_t i = 0; i < tasks; ++i) known += rate[i] >= 0 ? 1 : 0;
    const double mean_rate = known > 0 ? rates / static_cast<double>(known) : 0;
    double mean = 0;
    for (std::size_t i = 0; i < tasks; ++i) {
      const double relative = rate[i] >= 0 && mean_rate > 0 ? rate[i] / mean_rate : 1;
      const double excess = w[i] * length[i] - lengths * std::pow(relative, alpha);
      a[i] = excess > 0 ? length[i] : excess < 0 ? -length[i] : 0;
      mean += w[i] * a[i] / m;
    }
    for (std::size_t i = 0; i < tasks; ++i)
      state.s[problem.task(i)] -= state.adam.step(problem.task(i), w[i] * (a[i] - mean), learning_rate);
  }

 private:
  // The loss over the first one; -1 as long as there was none.
  double rate_of(const Problem& problem, State& state, std::size_t i) const {
    const std::size_t task = problem.task(i);
    const double loss = detail::loss_of(problem, i, "GradNorm");
    double& first = state.first[task];
    if (first == 0) first = initial[task] > 0 ? initial[task] : loss;
    return first > 0 ? loss / first : -1;
  }
};

}  // namespace mtlx::balancing
