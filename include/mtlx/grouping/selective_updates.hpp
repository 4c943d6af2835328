// SPDX-License-Identifier: MIT
// Selective task group updates: groups step on one network in turns, in a random order on each batch, and the losses between
// the turns say how much a group's step did for each task. For group G's step from losses L to L' on the same batch:
//   a_t = (1 - L'_t / L_t) / |G|
//   B[t, s] <- (1 - beta) B[t, s] + beta v      for each s in G (acting) and each task t (affected), where
//     t = s:          v = a_t, only if a_t >= 0
//     t in G, t != s: v = a_t if a_t a_s >= 0, else -max(a_t, a_s)
//     t not in G:     v = a_t
// Groups are those of affinity propagation on X = (Y + Y^T) / 2, Y[t, s] = B[t, s] / B[t, t], the preference its median.
// Reference: "Selective Task Group Updates for Multi-Task Optimization", ICLR 2025.
//
// Where this is not the published code: there L' is measured before G's step, so that G is credited with what the group
// before it did; here it is what G did. B is a weighted mean of what was seen, which needs no division by what is still 0:
// groups stay as they are until all pairs of tasks that have labels were seen.
#pragma once

#include <algorithm>
#include <cstddef>
#include <mtlx/core/error.hpp>
#include <mtlx/core/options.hpp>
#include <mtlx/core/task_set.hpp>
#include <mtlx/grouping/affinity_propagation.hpp>
#include <mtlx/grouping/regrouping.hpp>
#include <numeric>
#include <span>
#include <vector>

namespace mtlx::grouping {

/// Grouping policy: groups of one network step in turns, and are formed anew from what their steps do. The effect of a batch's
/// last group is left out, which costs nothing and favours nobody, for the order is random; where all tasks are one group it
/// takes one more forward pass.
struct SelectiveUpdates {
  static constexpr auto kind = Kind::grouping;
  double beta = 0.001;        ///< how much a new effect counts, in (0, 1)
  std::size_t warm_up = 100;  ///< batches before the first regrouping: each task is a group of its own
  std::size_t every = 100;    ///< batches from one regrouping to the next, at least 1

  void validate() const {
    check_option("SelectiveUpdates::beta", beta, {.most = 1, .most_too = false});
    if (!(beta > 0)) fail("SelectiveUpdates::beta must be above 0");
    if (every == 0) fail("SelectiveUpdates::every must be at least 1, and is 0");
  }

  std::vector<Group> plan(std::size_t tasks) const { return {{TaskSet::first(tasks), TaskSet::first(tasks)}}; }

  /// Sums of effects and of their weights, (affected, acting) each.
  static constexpr std::size_t memory(std::size_t tasks) { return 2 * tasks * tasks; }

  void begin(Regrouping& now) const {
    std::vector<std::size_t> each(now.tasks());
    std::iota(each.begin(), each.end(), std::size_t{0});
    now.regroup(each);
  }
  std::size_t turns(Regrouping& now, std::span<TaskSet> to) const {
    if (now.batches() >= warm_up && now.batches() > 0 && (now.batches() - warm_up) % every == 0) regroup(now);
    return now.deal_shuffled(to);
  }
  bool looks_after(const Regrouping& now) const { return now.groups() == 1; }

  void took(Regrouping& now, const GroupStep& step) const {
    const std::size_t tasks = now.tasks();
    const auto effect = [&](std::size_t t) {
      return (1 - step.after[t] / step.before[t]) / static_cast<double>(step.acting.count());
    };
    // A loss that can't be divided by says nothing.
    const auto known = [&](std::size_t t) { return step.present.has(t) && step.before[t] > 0; };
    for (std::size_t s = 0; s < tasks; ++s) {
      if (!step.acting.has(s) || !known(s)) continue;
      const double own = effect(s);
      for (std::size_t t = 0; t < tasks; ++t) {
        if (!known(t) || (t == s && own < 0)) continue;
        double v = effect(t);
        if (step.acting.has(t) && v * own < 0) v = -std::max(v, own);
        double& sum = now.memory()[t * tasks + s];
        double& weight = now.memory()[(tasks + t) * tasks + s];
        sum += beta * (v - sum);
        weight += beta * (1 - weight);
      }
    }
  }

  /// The mean effects so far, (affected, acting); 0 where none was seen.
  static double effect(const Regrouping& now, std::size_t affected, std::size_t acting) {
    const std::size_t cell = affected * now.tasks() + acting;
    const double weight = now.memory()[now.tasks() * now.tasks() + cell];
    return weight > 0 ? now.memory()[cell] / weight : 0;
  }

 private:
  [[gnu::cold, gnu::noinline]] static void regroup(Regrouping& now) {
    std::vector<std::size_t> items, labels(now.tasks());
    for (std::size_t t = 0; t < now.tasks(); ++t)
      if (now.labelled().has(t)) items.push_back(t);
    const std::size_t n = items.size();
    if (n < 2) return;
    std::vector<double> ratio(n * n), similarity(n * n);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t k = 0; k < n; ++k) {
        const double own = effect(now, items[i], items[i]);
        const bool seen = now.memory()[(now.tasks() + items[i]) * now.tasks() + items[k]] > 0;
        if (!seen || !(own > 0)) return;
        ratio[i * n + k] = effect(now, items[i], items[k]) / own;
      }
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t k = 0; k < n; ++k) similarity[i * n + k] = (ratio[i * n + k] + ratio[k * n + i]) / 2;
    const Exemplars found =
        affinity_propagation(similarity, n, median_similarity(similarity), {.iterations = 1050, .convergence = 50});
    if (!found.converged) return;
    // Those without labels are in groups of their own, and have no turn.
    for (std::size_t t = 0; t < labels.size(); ++t) labels[t] = n + t;
    for (std::size_t i = 0; i < n; ++i) labels[items[i]] = found.labels[i];
    now.regroup(labels);
  }
};

}  // namespace mtlx::grouping
