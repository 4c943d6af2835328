// SPDX-License-Identifier: MIT
// For each task t alone, with w_0 the first weights (after a joint warm-up, if there is one) and r = 1 - d^(1/n):
//   m <- 1
//   for z = 0 ... n:   w <- trained from w_0 under m;  candidate z is (m, its validation score)
//                      A <- {|w_i| : m_i = 1, i a weight of the trunk};  c <- the round(r |A|)-th of A, counted from 0
//                      m_i <- 0 where |w_i| < c;  w <- w_0
// One threshold for all layers, ties at it stay, biases, norms, embeddings and heads are never pruned: after z rounds
// 100 d^(z/n) % are left, that is 100, 89.13, 79.43 ... 10 for d = 0.1 and n = 20. Each task takes one of its candidates
// 1 to n, and all are trained together from w_0 under them.
// Reference: Sun et al., "Learning Sparse Sharing Architectures for Multiple Tasks", AAAI 2020, algorithm 1; rounding,
// ties and what is pruned as in the authors' program. The pruning is that of Frankle and Carbin, "The Lottery Ticket
// Hypothesis", ICLR 2019.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <mtlx/core/error.hpp>
#include <mtlx/core/options.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/sharing/mask_selection.hpp>
#include <span>
#include <utility>
#include <vector>

namespace mtlx::sharing {

/// Mask rule of sparse sharing: subnets by iterative magnitude pruning of each task alone. Costs `iterations` + 1
/// trainings of each task before the joint one (`Select::density`: only as many as lead to that density), one for the
/// warm-up, and with `Select::joint` up to `iterations` + 1 of all tasks. `Select::joint` tries one number of prunes for
/// all tasks, each in turn, and the choice of `Select::single`. Best is the mean over tasks of the score's gain on the
/// task's first training, that without a mask, in shares of that score.
struct IterativeMagnitude {
  static constexpr std::size_t memory = 0;

  /// How each task's mask is taken from its candidates.
  enum class Select {
    single,   ///< the best validation score of the task trained alone, as the paper; of equal ones the sparser
    joint,    ///< the best validation scores of all tasks trained together
    density,  ///< those nearest to `density`, for all tasks: needs no validation data
  };

  std::size_t iterations = 20;     ///< n, prunes of each task
  double final_density = 0.1;      ///< d, of the weights that the last prune leaves, in (0, 1)
  std::size_t warm_up_epochs = 0;  ///< of all tasks together before the first prune: "multi-task warm-up"; 0: none
  Select select = Select::single;
  double density = 0.3162;  ///< with `Select::density`; the default is the 10th prune of 20, as in the authors' runs

  [[gnu::cold]] void validate() const {
    check_option("IterativeMagnitude: iterations", static_cast<double>(iterations), {.least = 1});
    check_option("IterativeMagnitude: final_density", final_density, {.least = 1e-6, .most = 1, .most_too = false});
    check_option("IterativeMagnitude: density", density, {.most = 1});
  }

  /// What is left of the weights after z prunes.
  double density_after(std::size_t z) const {
    return std::pow(final_density, static_cast<double>(z) / static_cast<double>(iterations));
  }
  /// The prunes after which what is left is nearest to `density`; at least one.
  std::size_t prunes_to_density() const {
    std::size_t best = 1;
    for (std::size_t z = 2; z <= iterations; ++z)
      if (std::fabs(density_after(z) - density) < std::fabs(density_after(best) - density)) best = z;
    return best;
  }

  template <class S, class Train>
  [[gnu::cold]] FoundMasks<S> find(const MaskSearch<S>& search, Train&& train) const {
    const detail::Places places = detail::prunable(search.blocks);
    std::size_t shared = 0;
    for (const MaskBlock& block : search.blocks) shared += block.parameter.size();
    FoundMasks<S> found{std::vector<TaskSet>(shared, TaskSet::first(search.tasks)),
                        std::vector<S>(search.start.begin(), search.start.end())};
    const std::vector<TaskSet> full = found.owners;
    if (warm_up_epochs > 0) {
      found.start =
          train(search.labelled, std::span<const S>(found.start), std::span<const TaskSet>(full), warm_up_epochs)
              .parameters;
      ++found.trainings;
    }
    const std::span<const S> start = found.start;
    const std::size_t last = select == Select::density ? prunes_to_density() : iterations;

    // prunes[t][i]: the prune that took weight i of the trunk from task t; last + 1 if none did.
    std::vector<std::vector<std::size_t>> prunes(search.tasks);
    std::vector<std::vector<double>> scores(search.tasks);
    std::vector<std::size_t> chosen(search.tasks, last);
    for (std::size_t t = 0; t < search.tasks; ++t) {
      if (!search.labelled.has(t)) continue;
      prunes[t].assign(shared, last + 1);
      std::vector<TaskSet> owners = full;
      // The last candidate is trained for its score alone.
      const std::size_t trainings = select == Select::density ? last : last + 1;
      for (std::size_t z = 0; z < trainings; ++z) {
        const TrainedMasks<S> trained =
            train(TaskSet::only(t), start, std::span<const TaskSet>(owners), std::size_t{0});
        ++found.trainings;
        if (select != Select::density) scores[t].push_back(score_of(trained, t));
        if (z < last) prune<S>(places, trained.parameters, t, z + 1, owners, prunes[t]);
      }
      if (select == Select::density) continue;
      chosen[t] = 1;
      for (std::size_t z = 2; z <= last; ++z)
        if (scores[t][z] >= scores[t][chosen[t]]) chosen[t] = z;
    }

    found.owners = masks(full, prunes, chosen);
    if (select == Select::joint) {
      double best = 0;
      std::vector<std::size_t> best_choice;
      const auto attempt = [&](const std::vector<std::size_t>& choice) {
        const std::vector<TaskSet> owners = masks(full, prunes, choice);
        const TrainedMasks<S> trained = train(search.labelled, start, std::span<const TaskSet>(owners), std::size_t{0});
        ++found.trainings;
        double gain = 0;
        for (std::size_t t = 0; t < search.tasks; ++t)
          if (search.labelled.has(t)) {
            const double alone = scores[t][0], together = score_of(trained, t);
            gain += (together - alone) / (alone < 0 || alone > 0 ? std::fabs(alone) : 1);
          }
        if (!best_choice.empty() && !(gain >= best)) return;
        best = gain;
        best_choice = choice;
        found.owners = owners;
      };
      bool level = true;  // whether the single choice is one of those that come anyway
      for (std::size_t t = 0, first = search.tasks; t < search.tasks; ++t) {
        if (!search.labelled.has(t)) continue;
        if (first == search.tasks) first = t;
        level = level && chosen[t] == chosen[first];
      }
      if (!level) attempt(chosen);
      for (std::size_t z = 1; z <= last; ++z) attempt(std::vector<std::size_t>(search.tasks, z));
    }
    for (std::size_t i = 0; i < shared; ++i)
      if (found.owners[i].empty()) found.start[i] = S(0);
    return found;
  }

 private:
  template <class S>
  static double score_of(const TrainedMasks<S>& trained, std::size_t t) {
    if (t >= trained.scores.size() || !is_finite(trained.scores[t]))
      fail("IterativeMagnitude chooses masks by validation scores, and task ", t,
           " has none: give fit options.validation, or use Select::density");
    return trained.scores[t];
  }

  // The z-th prune of task t.
  template <class S>
  void prune(const detail::Places& places, std::span<const S> trained, std::size_t t, std::size_t z,
             std::vector<TaskSet>& owners, std::vector<std::size_t>& prunes) const {
    std::vector<S> sizes;
    for (const std::size_t i : places)
      if (owners[i].has(t)) sizes.push_back(detail::size_of(trained[i]));
    if (sizes.empty()) return;
    const double rate = 1 - std::pow(final_density, 1 / static_cast<double>(iterations));
    const auto cut =
        sizes.begin() + static_cast<std::ptrdiff_t>(std::min(detail::share_of(rate, sizes.size()), sizes.size() - 1));
    std::nth_element(sizes.begin(), cut, sizes.end());
    for (const std::size_t i : places)
      if (owners[i].has(t) && detail::size_of(trained[i]) < *cut) {
        owners[i] = owners[i].without(t);
        prunes[i] = z;
      }
  }

  // The masks after choice[t] prunes of each task; tasks without candidates keep full ones.
  static std::vector<TaskSet> masks(std::vector<TaskSet> owners, const std::vector<std::vector<std::size_t>>& prunes,
                                    const std::vector<std::size_t>& choice) {
    for (std::size_t t = 0; t < prunes.size(); ++t)
      for (std::size_t i = 0; i < prunes[t].size(); ++i)
        if (prunes[t][i] <= choice[t]) owners[i] = owners[i].without(t);
    return owners;
  }
};

}  // namespace mtlx::sharing
