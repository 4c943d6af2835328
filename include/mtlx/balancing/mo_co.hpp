// SPDX-License-Identifier: MIT
// y_i <- y_i - beta / t^sigma (y_i - c_i g_i), c_i = l_i / |g_i|;
// lambda <- P(lambda - gamma / t^sigma (Y Yᵀ lambda + rho lambda)), P the projection onto the simplex;
// the direction is Yᵀ lambda.   t counts the steps from 1, y_i is 0 and lambda 1/m at first
// Reference: Fernando et al., "Mitigating Gradient Bias in Multi-objective Learning: A Provably Convergent Approach", ICLR
// 2023, algorithm 1 (MoCo). c_i is from its public code (without `normalise` it is 1, as in the algorithm); that code has
// a softmax for P, which holds lambda near 1/m.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <mtlx/balancing/balancer.hpp>
#include <mtlx/balancing/laws.hpp>
#include <mtlx/balancing/per_task.hpp>
#include <mtlx/balancing/simplex_state.hpp>
#include <mtlx/core/options.hpp>
#include <span>

namespace mtlx::balancing {

/// Balancer policy: weights towards the shortest convex combination of gradients that are averaged over the steps (MoCo).
/// Keeps a number for each task and shared parameter. The weights sum to 1. A gradient of zeros counts as zeros; a loss below 0 is an `Error`
/// with `normalise`.
struct MoCo {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::gradients;

  double beta = 0.5;      ///< what is new of the average in the first step, in [0, 1]
  double gamma = 0.1;     ///< the weights' step size
  double sigma = 0.5;     ///< how fast both fall with the steps
  double rho = 0;         ///< pulls the weights together
  bool normalise = true;  ///< gradients become as long as the losses are large

  struct State {
    std::uint64_t steps = 0;
    SimplexState lambda{};
    void reset() { *this = {}; }
  };

  [[gnu::cold]] void validate() const {
    check_option("MoCo: beta", beta, {.most = 1});
    check_option("MoCo: gamma", gamma);
    check_option("MoCo: sigma", sigma);
    check_option("MoCo: rho", rho);
  }

  constexpr Laws laws() const {
    return {.scales = normalise || gamma <= 0, .scale_exponent = normalise ? 0.0 : 1.0, .single_task_scale = beta};
  }

  template <class S>
  double absorb(const Problem& problem, const State& state, std::size_t i, std::span<S> gradient,
                std::span<S> memory) const {
    if (normalise) detail::check_losses(problem, "MoCo");  // of any task, before any memory moves
    const double square = problem.g(i, i);
    const auto scale = static_cast<S>(!normalise   ? 1
                                      : square > 0 ? detail::loss_of(problem, i, "MoCo") / std::sqrt(square)
                                                   : 0);
    const auto fresh = static_cast<S>(beta * slowing(state.steps + 1));
    for (std::size_t k = 0; k < gradient.size(); ++k)
      gradient[k] = memory[k] -= fresh * (memory[k] - scale * gradient[k]);
    return 0;
  }
  void weights(const Problem& problem, State& state, std::span<double> w) const {
    ++state.steps;
    state.lambda.descend(problem, gamma * slowing(state.steps), rho, w);
  }

 private:
  double slowing(std::uint64_t step) const { return std::pow(static_cast<double>(step), -sigma); }
};

}  // namespace mtlx::balancing
