// SPDX-License-Identifier: MIT
// s_t = sum over the first batches of |w dL_t/dw| at the first weights;  m_t = [s_t is among the task's largest], one
// ranking for each task over all weights of the trunk;  every task's mask is the union of all m_t: a weight goes only if
// all tasks agree.
// The paper divides s_t by its sum, which no ranking within a task can see.
// Reference: Sun et al., "DiSparse: Disentangled Sparsification for Multitask Model Compression", CVPR 2022, section 3.2
// (static scheme).
#pragma once

#include <cstddef>
#include <mtlx/core/options.hpp>
#include <mtlx/sharing/mask_selection.hpp>
#include <mtlx/sharing/snip.hpp>
#include <vector>

namespace mtlx::sharing {

/// Mask rule: each task's own saliency in the first batches, and the union of what tasks want to keep. Nothing is updated
/// in those steps. With a union, more than `density` of the weights stay: `analyse(model.masks())` tells how many.
struct DiSparse {
  static constexpr std::size_t memory = 1;
  using State = detail::Looks;

  double density = 0.3;      ///< of the weights that each task wants to keep, in [0, 1]
  std::size_t batches = 50;  ///< of each task
  bool unite = true;         ///< false: each task keeps to its own mask (not in the paper)

  [[gnu::cold]] void validate() const {
    detail::check_density("DiSparse: density", density);
    check_option("DiSparse: batches", static_cast<double>(batches), {.least = 1});
  }

  bool holds(std::size_t, const State& looks) const { return looks.looking; }

  template <class S>
  void step(const MaskStep<S>& step, State& looks) const {
    if (!detail::look(step, looks, batches, [](S& sum, S gradient, S weight) { sum += absolute(gradient * weight); }))
      return;
    detail::Places places = detail::prunable(step.blocks);
    std::vector<double> scores(step.parameters.size());
    const std::size_t count = detail::share_of(density, places.size());
    for (std::size_t t = 0; t < step.tasks; ++t) {
      if (!step.labelled.has(t)) continue;
      for (const std::size_t i : places)
        scores[i] = detail::comparable(static_cast<double>(step.remembered(t, 0, 1)[i]));
      detail::highest_first(places, count, scores);
      detail::own_first(step.owners, TaskSet::only(t), places, count);
    }
    if (unite)
      for (const std::size_t i : places)
        if (step.owners[i].meets(step.labelled)) step.owners[i] = step.owners[i] | step.labelled;
    detail::clear_dead(step);
  }
};

}  // namespace mtlx::sharing
