// SPDX-License-Identifier: MIT
// s = |w dL/dw| at the first weights, L = sum_t L_t over the first batches;  m_t = [s is among the largest], one ranking
// over all weights of the trunk, the same mask for every task
// Reference: Lee, Ajanthan and Torr, "SNIP: Single-shot Network Pruning based on Connection Sensitivity", ICLR 2019,
// algorithm 1.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <mtlx/core/options.hpp>
#include <mtlx/sharing/mask_selection.hpp>
#include <span>
#include <vector>

namespace mtlx::sharing {

namespace detail {

/// What a rule remembers that looks at the first batches of each task before anything moves.
struct Looks {
  std::array<std::uint32_t, TaskSet::capacity> seen{};  ///< batches of each task
  bool looking = false;                                 ///< in this step
  bool done = false;
};

/// Calls add(memory, gradient, weight) for each shared parameter and each present task that has not been seen `batches`
/// times. True once, when all labelled tasks have.
template <class S, class Add>
bool look(const MaskStep<S>& step, Looks& looks, std::size_t batches, Add&& add) {
  looks.looking = !looks.done;
  if (looks.done) return false;
  looks.done = true;
  for (std::size_t t = 0; t < step.tasks; ++t) {
    if (step.present.has(t) && looks.seen[t] < batches) {
      ++looks.seen[t];
      const std::span<S> memory = step.remembered(t, 0, 1);
      for (std::size_t i = 0; i < memory.size(); ++i) add(memory[i], step.gradients[t][i], step.parameters[i]);
    }
    if (step.labelled.has(t) && looks.seen[t] < batches) looks.done = false;
  }
  return looks.done;
}

}  // namespace detail

/// Mask rule: one mask for all tasks, found in the first batches by what the summed loss would feel of each weight's
/// removal. Nothing is updated in those steps: until each task has been seen `batches` times.
struct Snip {
  static constexpr std::size_t memory = 1;
  using State = detail::Looks;

  double density = 0.3;     ///< of the weights that stay, in [0, 1]
  std::size_t batches = 1;  ///< of each task; their gradients are summed first

  [[gnu::cold]] void validate() const {
    detail::check_density("Snip: density", density);
    check_option("Snip: batches", static_cast<double>(batches), {.least = 1});
  }

  bool holds(std::size_t, const State& looks) const { return looks.looking; }

  template <class S>
  void step(const MaskStep<S>& step, State& looks) const {
    if (!detail::look(step, looks, batches, [](S& sum, S gradient, S) { sum += gradient; })) return;
    detail::Places places = detail::prunable(step.blocks);
    std::vector<double> scores(step.parameters.size());
    for (const std::size_t i : places) {
      double gradient = 0;
      for (std::size_t t = 0; t < step.tasks; ++t)
        if (step.labelled.has(t)) gradient += static_cast<double>(step.remembered(t, 0, 1)[i]);
      scores[i] = detail::comparable(std::fabs(gradient * static_cast<double>(step.parameters[i])));
    }
    const std::size_t count = detail::share_of(density, places.size());
    detail::highest_first(places, count, scores);
    detail::own_first(step.owners, step.labelled, places, count);
    detail::clear_dead(step);
  }
};

}  // namespace mtlx::sharing
