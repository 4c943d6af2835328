// SPDX-License-Identifier: MIT
// L = mu log sum_i exp(f_i / mu), a smooth maximum: dL/df = softmax(f / mu).
//   warm_up > 0   f_i = log(l_i / nadir_i), and L is multiplied by the number of tasks m: w_i = m softmax_i(f / mu) / l_i.
//                 During the first `warm_up` epochs L = sum_i log l_i; nadir_i is the mean of l_i over the last of them.
//   warm_up = 0   f_i = weight_i (l_i - reference_i), w_i = weight_i softmax_i(f / mu)
// Reference: Lin et al., "Smooth Tchebycheff Scalarization for Multi-Objective Optimization", ICML 2024, equation 7 and,
// for losses of unlike scale, the multi-task experiments (section 5).
#pragma once

#include <mtlx/balancing/laws.hpp>
#include <mtlx/balancing/per_task.hpp>
#include <mtlx/core/options.hpp>

namespace mtlx::balancing {

/// Balancer policy: the worst task counts most (STCH). With a warm-up a loss below 0 is an `Error`, and one below 1e-30
/// has weight 0; a task without labels in the warm-up's last epoch takes its next loss as nadir.
struct SmoothTchebycheff {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::losses;

  double mu = 1;            ///< above 0; the smaller, the nearer to the maximum
  std::size_t warm_up = 4;  ///< epochs; 0: the paper's plain form, on the losses themselves
  PerTask weight{};         ///< in the plain form; all 0: 1 / m
  PerTask reference{};      ///< in the plain form: the losses that would be ideal

  struct State {
    PerTask sum{}, count{};  // of the losses that make the nadir
    void reset() { *this = {}; }
  };

  [[gnu::cold]] void validate() const {
    check_option("SmoothTchebycheff: mu", mu, {1e-12});
    for (const double w : weight) check_option("SmoothTchebycheff: weight", w);
    for (const double z : reference) check_option("SmoothTchebycheff: reference", z, {-Range{}.most});
  }
  Laws laws() const {
    const bool own = weight != PerTask{} || reference != PerTask{};
    return {.single_task_scale = warm_up == 0 && weight[0] > 0 ? weight[0] : 1,
            .permutation = warm_up == 0 && own ? Permutation::none : Permutation::exact};
  }

  void weights(const Problem& problem, State& state, std::span<double> w) const {
    if (warm_up == 0)
      plain(problem, w);
    else
      relative(problem, state, w);
  }

 private:
  void plain(const Problem& problem, std::span<double> w) const {
    const bool even = weight == PerTask{};
    const auto share = [&](std::size_t i) {
      return even ? 1 / static_cast<double>(w.size()) : weight[problem.task(i)];
    };
    for (std::size_t i = 0; i < w.size(); ++i) w[i] = share(i) * (problem.losses[i] - reference[problem.task(i)]);
    const double largest = w.empty() ? 0 : *std::max_element(w.begin(), w.end());
    // Before the division, so that a small mu does not overflow.
    for (double& f : w) f = (f - largest) / mu;
    detail::softmax(w);
    for (std::size_t i = 0; i < w.size(); ++i) w[i] *= share(i);
  }
  void relative(const Problem& problem, State& state, std::span<double> w) const {
    detail::check_losses(problem, "SmoothTchebycheff");
    PerTask log_loss;
    const bool warming = problem.epoch < warm_up, last = problem.epoch + 1 == warm_up;
    for (std::size_t i = 0; i < w.size(); ++i) {
      const std::size_t task = problem.task(i);
      log_loss[i] = detail::log_loss_of(problem, i, "SmoothTchebycheff");
      if (last || (!warming && state.count[task] == 0)) {
        state.sum[task] += problem.losses[i];
        state.count[task] += 1;
      }
      if (warming) continue;
      w[i] = (log_loss[i] - std::log(std::max(state.sum[task] / state.count[task], detail::least_loss))) / mu;
    }
    if (!warming) detail::softmax(w);
    for (std::size_t i = 0; i < w.size(); ++i) {
      const double factor = warming ? 1 : w[i] * static_cast<double>(w.size());
      w[i] = problem.losses[i] > detail::least_loss ? factor / problem.losses[i] : 0;
    }
  }
};

}  // namespace mtlx::balancing
