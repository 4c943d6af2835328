// SPDX-License-Identifier: MIT
// m_i <- g_i / (l_i + 1e-8) + beta / t^sigma (m_i - g_i / (l_i + 1e-8)), the moving mean of the gradients of log l_i;
// w_i = longest / max(|m_i|, 1e-8 longest), longest = max_j |m_j|; the direction is sum_i w_i m_i.   t counts the steps
// from 1, m_i is 0 at first. The paper has longest / (|m_i| + 1e-8): here its 1e-8 is a share of the longest, so that tiny
// gradients are treated as large ones.
// Reference: Lin et al., "Dual-Balancing for Multi-Task Learning", arXiv 2308.12029, 2023, algorithm 1 (DB-MTL).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <mtlx/balancing/balancer.hpp>
#include <mtlx/balancing/laws.hpp>
#include <mtlx/balancing/per_task.hpp>
#include <mtlx/core/options.hpp>
#include <span>

namespace mtlx::balancing {

/// Balancer policy: log losses, and gradients of one length, the longest one's (DB-MTL). Keeps a number for each task and
/// shared parameter. A task's own parameters follow the gradient of its log loss. The mean begins at 0 and isn't corrected
/// for that: the first step is 1 - beta of the later ones. A mean that is shorter than 1e-8 of the longest is not made longer
/// than 1e8 times itself, so that a task whose gradient has become 0 fades out. A loss below 0 is an `Error`.
struct DbMtl {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::gradients;

  double beta = 0.9;  ///< what is kept of the mean in a step, in [0, 1)
  double sigma = 0;   ///< how fast that falls with the steps

  struct State {
    std::uint64_t steps = 0;
    void reset() { *this = {}; }
  };

  [[gnu::cold]] void validate() const {
    check_option("DbMtl: beta", beta, {.most = 1, .most_too = false});
    check_option("DbMtl: sigma", sigma);
  }

  constexpr Laws laws() const { return {.single_task_scale = 1 - beta}; }

  template <class S>
  double absorb(const Problem& problem, const State& state, std::size_t i, std::span<S> gradient,
                std::span<S> memory) const {
    detail::check_losses(problem, "DbMtl");  // of any task, before any memory moves
    const auto scale = static_cast<S>(of_log(problem, i));
    const auto keep = static_cast<S>(beta / std::pow(static_cast<double>(state.steps + 1), sigma));
    for (std::size_t k = 0; k < gradient.size(); ++k) {
      const S g = scale * gradient[k];
      gradient[k] = memory[k] = g + keep * (memory[k] - g);
    }
    return 0;
  }
  void weights(const Problem& problem, State& state, std::span<double> w) const {
    ++state.steps;
    double longest = 0;
    for (std::size_t i = 0; i < w.size(); ++i) longest = std::max(longest, w[i] = std::sqrt(problem.g(i, i)));
    for (double& weight : w) weight = longest > 0 ? longest / std::max(weight, 1e-8 * longest) : 0;
  }
  void own_weights(const Problem& problem, const State&, std::span<double> w) const {
    for (std::size_t i = 0; i < w.size(); ++i) w[i] = of_log(problem, i);
  }

 private:
  // The derivative of log(loss + 1e-8).
  static double of_log(const Problem& problem, std::size_t i) {
    return 1 / (detail::loss_of(problem, i, "DbMtl") + 1e-8);
  }
};

}  // namespace mtlx::balancing
