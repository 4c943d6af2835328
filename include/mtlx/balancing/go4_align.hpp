// SPDX-License-Identifier: MIT
// p_i <- p_i e^(-step_size l_i), scaled to sum 1;  v_i = p_i sum_j l_j / l_i;  the numbers v are cut into `groups` groups
// of least squared distance to their means (k-means in one dimension);  w_i = the mean of i's group.
// Reference: Shen et al., "GO4Align: Group Optimization for Multi-Task Alignment", NeurIPS 2024, algorithm 1 and its
// code. On a line the best groups are runs of the sorted numbers, found exactly (Wang and Song, "Ckmeans.1d.dp", R
// Journal 2011) where the code iterates from a random start.
#pragma once

#include <mtlx/balancing/laws.hpp>
#include <mtlx/balancing/per_task.hpp>
#include <mtlx/core/options.hpp>
#include <numeric>

namespace mtlx::balancing {

namespace detail {

/// Cuts numbers into at most `groups` groups of least squared distance to their means; each becomes its group's mean.
[[gnu::noinline]] inline void cluster(std::span<double> x, std::size_t groups) {
  const std::size_t n = x.size();
  if (n == 0) return;
  groups = std::min(groups, n);
  std::array<std::size_t, TaskSet::capacity> order;
  std::iota(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(n), std::size_t{0});
  std::sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(n),
            [&](std::size_t a, std::size_t b) { return x[a] < x[b]; });

  // cost[e]: the least for the first e numbers in so many groups; begin[g][e]: where the last of g + 1 groups begins.
  std::array<double, TaskSet::capacity + 1> cost{}, fewer{};
  std::array<std::array<std::uint8_t, TaskSet::capacity + 1>, TaskSet::capacity> begin;
  for (std::size_t g = 0; g < groups; ++g) {
    fewer = cost;
    for (std::size_t e = g + 1; e <= n; ++e) {
      cost[e] = -1;
      double mean = 0, squares = 0;  // of the run [b, e)
      for (std::size_t b = e; b-- > g;) {
        const double difference = x[order[b]] - mean;
        mean += difference / static_cast<double>(e - b);
        squares += difference * (x[order[b]] - mean);
        if (g == 0 && b > 0) continue;
        if (cost[e] >= 0 && fewer[b] + squares >= cost[e]) continue;
        cost[e] = fewer[b] + squares;
        begin[g][e] = static_cast<std::uint8_t>(b);
      }
    }
  }
  for (std::size_t g = groups, end = n; g-- > 0;) {
    const std::size_t first = begin[g][end];
    double sum = 0;
    for (std::size_t k = first; k < end; ++k) sum += x[order[k]];
    for (std::size_t k = first; k < end; ++k) x[order[k]] = sum / static_cast<double>(end - first);
    end = first;
  }
}

}  // namespace detail

/// Balancer policy: tasks in a like state share a weight (GO4Align). The larger a task's loss, the smaller its weight. A
/// loss below 0 is an `Error`; one below 1e-30 counts as that. With fewer tasks than groups each task is one.
struct Go4Align {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::losses;

  std::size_t groups = 2;   ///< at least 1
  double step_size = 1e-4;  ///< of p

  struct State {
    PerTask log_p{};  // up to a number that all have
    void reset() { *this = {}; }
  };

  [[gnu::cold]] void validate() const {
    check_option("Go4Align: groups", static_cast<double>(groups), {1});
    check_option("Go4Align: step_size", step_size);
  }
  constexpr Laws laws() const { return {}; }

  void weights(const Problem& problem, State& state, std::span<double> w) const {
    detail::check_losses(problem, "Go4Align");
    double total = 0, largest = -Range{}.most;
    for (std::size_t i = 0; i < w.size(); ++i) {
      const double loss = std::max(detail::loss_of(problem, i, "Go4Align"), detail::least_loss);
      total += loss;
      double& log_p = state.log_p[problem.task(i)];
      log_p -= step_size * loss;
      w[i] = log_p;
      largest = std::max(largest, log_p);
    }
    // A number that all have is taken out, so that it does not grow for ever.
    for (double& log_p : state.log_p) log_p -= largest;
    detail::softmax(w);
    for (std::size_t i = 0; i < w.size(); ++i) w[i] *= total / std::max(problem.losses[i], detail::least_loss);
    detail::cluster(w, groups);
  }
};

}  // namespace mtlx::balancing
