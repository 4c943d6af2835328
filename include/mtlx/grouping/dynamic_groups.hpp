// SPDX-License-Identifier: MIT
// Groups of one network that step in turns, and change when there is evidence that the relations between tasks have.
//
// In each look the first-order affinities F[j, i] = -<grad L_j, Delta_i> / L_j on held-out samples are taken (j is affected by
// the step of i). The mean over a block of looks, less each row's mean over the other partners (row contrasts) and over
// the usual size of F in row j so far, is C[j, i]: how much better a partner i is for j than others are. For groups P
//   V(P) = mean over tasks j of (mean of C[j, i] over the partners i of j in P),   0 for a task that is alone,
// so that all tasks together and each task alone both have V = 0. After each block b
//   D_b = V_b(candidate) - V_b(present) - margin,   clipped to `clip` times the mean |D| of the blocks before,
// feeds an e-process (statistics/sequential.hpp), and then the candidate for the next blocks is chosen: a candidate is never
// scored on a block that it was chosen on. The e-process' stake is spread over all beginnings: 1 / ((b+1)(b+2)) enters at
// block b after the last change, so that a change of relations is found as well late as early:
//   A_b = (A_(b-1) + 1 / ((b+1)(b+2))) (1 + lambda D_b / c),   M_b = A_b + 1 / (b+2).
// Where M reaches 1 / alpha_k, with alpha_k = alpha / (k (k+1)), the next candidate's groups are taken, and it starts anew. As long
// as no candidate is better than the present groups (in clipped mean, given the blocks before), the chance that
// even one regrouping of a whole training is a false one is at most alpha, whenever one looks.
//
// The method is this library's. Parts of it: Ville 1939 and "e-detectors" (Shin, Ramdas, Rinaldo, 2023) for the sequential
// test; Fifty et al., NeurIPS 2021, for affinities.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <mtlx/core/error.hpp>
#include <mtlx/core/options.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/core/task_set.hpp>
#include <mtlx/grouping/affinity/first_order.hpp>
#include <mtlx/grouping/regrouping.hpp>
#include <mtlx/grouping/statistics/contrasts.hpp>
#include <mtlx/grouping/statistics/sequential.hpp>
#include <numeric>
#include <span>
#include <type_traits>
#include <vector>

namespace mtlx::grouping {

/// Grouping policy: all tasks begin together, and are regrouped when a test that is valid at any stopping time says that other
/// groups are better. A batch costs as many passes as there are groups; a look takes the gradients of all tasks, on the batch
/// and on as many held-out samples. Needs 3 tasks.
struct DynamicGroups {
  static constexpr auto kind = Kind::grouping;

  /// When the candidate's groups are taken.
  enum class When {
    tested,  ///< when the e-process says so
    always,  ///< after every block: to compare with
    never,   ///< to compare with
  };

  double held_out = 0.1;   ///< share of the training samples that is set aside, in (0, 1)
  std::size_t every = 16;  ///< batches from one look to the next
  std::size_t looks = 4;  ///< in a block; every * looks should be at least twice the autocorrelation time of affinities
  std::size_t most = 3;   ///< groups at most, which is passes a batch
  double alpha = 0.05;    ///< the chance of any false regrouping in a whole training, in (0, 1)
  double lambda = 0.5;    ///< the share that is bet, in (0, 1/2]
  double clip = 1;        ///< of D, in its mean size in the blocks before, above 0
  double margin = 0;      ///< V that a regrouping must be worth; 1 is the usual size of what a step does to other tasks
  double decay = 0.9;     ///< of what a block counts in means (the candidate, the size of D), a block, in [0, 1)
  When when = When::tested;

  void validate() const {
    check_option("DynamicGroups::held_out", held_out, {.most = 1, .most_too = false});
    if (!(held_out > 0)) fail("DynamicGroups::held_out must be above 0");
    if (every == 0 || looks == 0 || most == 0) fail("DynamicGroups: every, looks and most must be at least 1");
    check_option("DynamicGroups::clip", clip);
    if (!(clip > 0)) fail("DynamicGroups::clip must be above 0");
    check_option("DynamicGroups::margin", margin);
    check_option("DynamicGroups::decay", decay, {.most = 1, .most_too = false});
    test().validate();
  }

  std::vector<Group> plan(std::size_t tasks) const { return {{TaskSet::first(tasks), TaskSet::first(tasks)}}; }

  static constexpr std::size_t memory(std::size_t tasks) { return 4 * tasks * tasks + 3 * tasks + 6 + stored; }

  void begin(Regrouping& now) const {
    if (now.tasks() < 3)
      fail("DynamicGroups: which partner is better takes at least 3 tasks, and there are ", now.tasks());
    Memory(now).keep(EProcess(test()));
  }
  std::size_t turns(Regrouping& now, std::span<TaskSet> to) const { return now.deal_shuffled(to); }
  bool wants(const Regrouping& now) const { return now.batches() % every == 0; }

  [[gnu::cold, gnu::noinline]] void look(Regrouping& now, Moment& moment) const {
    Memory memory(now);
    std::vector<double> table(now.tasks() * now.tasks(), std::numeric_limits<double>::quiet_NaN());
    FirstOrder{}.look(moment, table);
    for (std::size_t cell = 0; cell < table.size(); ++cell)
      if (!is_nan(table[cell])) memory.sums[cell] += table[cell], memory.counts[cell] += 1;
    if (++memory.looks < static_cast<double>(looks)) return;
    end_block(now, memory);
    std::fill(memory.sums.begin(), memory.sums.end(), 0.0);
    std::fill(memory.counts.begin(), memory.counts.end(), 0.0);
    memory.looks = 0;
  }

  /// The e-process so far: M, and what it must reach.
  static EProcess evidence(const Regrouping& now) { return Memory(now).kept(); }
  /// V of groups by a table of contrasts : (tasks, tasks), row = affected; labels : (tasks). NaN is what isn't known.
  [[gnu::cold, gnu::noinline]] static double value(std::span<const double> contrasts,
                                                   std::span<const std::size_t> labels) {
    const std::size_t tasks = labels.size();
    double value = 0, rows = 0;
    for (std::size_t j = 0; j < tasks; ++j) {
      double sum = 0, partners = 0, known = 0;
      for (std::size_t i = 0; i < tasks; ++i) {
        const double contrast = contrasts[j * tasks + i];
        if (i == j || is_nan(contrast)) continue;
        known += 1;
        if (labels[i] == labels[j]) sum += contrast, partners += 1;
      }
      if (known > 0) rows += 1;
      if (partners > 0) value += sum / partners;
    }
    return rows > 0 ? value / rows : 0;
  }
  /// Groups of a higher V, at most `most`, by moving one task at a time from `labels` on, the best move first, as long as
  /// that gains.
  [[gnu::cold, gnu::noinline]] static std::vector<std::size_t> improve(std::span<const double> contrasts,
                                                                       std::vector<std::size_t> labels,
                                                                       std::size_t most) {
    const std::size_t tasks = labels.size();
    double best = value(contrasts, labels);
    for (bool better = true; better;) {
      better = false;
      std::size_t task = 0, to = 0;
      for (std::size_t t = 0; t < tasks; ++t) {
        const std::size_t from = labels[t];
        for (std::size_t group = 0; group < std::min(most, tasks); ++group) {
          labels[t] = group;
          // Rounding is no gain: moves there and back would never end.
          if (const double moved = value(contrasts, labels); moved > best + 1e-12 * (1 + std::abs(best)))
            best = moved, task = t, to = group, better = true;
        }
        labels[t] = from;
      }
      if (better) labels[task] = to;
    }
    return labels;
  }

 private:
  static_assert(std::is_trivially_copyable_v<EProcess>);
  static constexpr std::size_t stored = (sizeof(EProcess) + sizeof(double) - 1) / sizeof(double);

  EProcessOptions test() const { return {.bound = 1, .lambda = lambda, .alpha = alpha}; }

  // A rule's numbers by name. Tables are (affected, acting).
  struct Memory {
    std::span<double> all;
    std::size_t tasks;
    std::span<double> sums = part(0), counts = part(1);    // of the block
    std::span<double> means = part(2), weights = part(3);  // of contrasts over blocks, decaying
    std::span<double> sizes = all.subspan(4 * tasks * tasks, tasks),
                      seen = all.subspan(4 * tasks * tasks + tasks, tasks);
    std::span<double> candidate = all.subspan(4 * tasks * tasks + 2 * tasks, tasks);  // labels; read once there is one
    double* rest = all.data() + 4 * tasks * tasks + 3 * tasks;
    double &looks = rest[0], &invested = rest[1], &blocks = rest[2], &size = rest[3], &scored = rest[4],
           &chosen = rest[5];

    explicit Memory(const Regrouping& now) : all(now.memory()), tasks(now.tasks()) {}

    EProcess kept() const {
      EProcess process;
      std::memcpy(static_cast<void*>(&process), rest + 6, sizeof process);
      return process;
    }
    void keep(const EProcess& process) { std::memcpy(rest + 6, &process, sizeof process); }

   private:
    std::span<double> part(std::size_t i) const { return all.subspan(i * tasks * tasks, tasks * tasks); }
  };

  [[gnu::cold, gnu::noinline]] void end_block(Regrouping& now, Memory& memory) const {
    const std::size_t tasks = now.tasks();
    std::vector<double> table(tasks * tasks, std::numeric_limits<double>::quiet_NaN());
    for (std::size_t cell = 0; cell < table.size(); ++cell)
      if (memory.counts[cell] > 0) table[cell] = memory.sums[cell] / memory.counts[cell];
    std::vector<double> contrasts = row_contrasts(table, tasks);
    // In units of what was usual before this block: a block that scaled itself would not be free of its own chance.
    for (std::size_t j = 0; j < tasks; ++j) {
      double size = 0, cells = 0;
      for (std::size_t i = 0; i < tasks; ++i) {
        double& contrast = contrasts[j * tasks + i];
        if (i == j || is_nan(contrast)) continue;
        size += std::abs(table[j * tasks + i]), cells += 1;
        contrast = memory.sizes[j] > 0 ? contrast * memory.seen[j] / memory.sizes[j]
                                       : std::numeric_limits<double>::quiet_NaN();
      }
      if (cells > 0) memory.sizes[j] += size / cells, memory.seen[j] += 1;
    }
    std::vector<std::size_t> present(tasks), candidate(tasks);
    for (std::size_t t = 0; t < tasks; ++t) {
      present[t] = now.group_of(t);
      candidate[t] = static_cast<std::size_t>(memory.candidate[t]);
    }
    const bool rejects =
        memory.chosen > 0 && bet(memory, value(contrasts, candidate) - value(contrasts, present) - margin);

    for (std::size_t cell = 0; cell < contrasts.size(); ++cell) {
      memory.means[cell] *= decay;
      memory.weights[cell] *= decay;
      if (is_nan(contrasts[cell])) continue;
      memory.means[cell] += contrasts[cell];
      memory.weights[cell] += 1;
    }
    for (std::size_t cell = 0; cell < contrasts.size(); ++cell)
      contrasts[cell] = memory.weights[cell] > 0 ? memory.means[cell] / memory.weights[cell]
                                                 : std::numeric_limits<double>::quiet_NaN();
    candidate = improve(contrasts, present, most);
    memory.chosen = candidate != present ? 1 : 0;
    if (when == When::always || (when == When::tested && rejects)) {
      now.regroup(candidate);
      memory.chosen = 0;
    }
    if (rejects) {
      EProcess process = memory.kept();
      process.restart();
      memory.keep(process);
      memory.invested = memory.blocks = 0;
    }
    std::copy(candidate.begin(), candidate.end(), memory.candidate.begin());
  }

  // Puts a block's difference to the test. Whether that rejects.
  bool bet(Memory& memory, double difference) const {
    EProcess process = memory.kept();
    bool rejects = false;
    if (memory.scored > 0 && memory.size > 0) {
      const double bound = clip * memory.size / memory.scored;
      const double d = std::clamp(difference / bound, -1.0, 1.0);
      const double in = memory.invested + 1 / ((memory.blocks + 1) * (memory.blocks + 2));
      // Of the whole stake, in + 1 / (blocks + 2), only what is in already is at risk.
      rejects = process.add(d * in / (in + 1 / (memory.blocks + 2)));
      memory.invested = in * (1 + lambda * d);
      memory.blocks += 1;
      memory.keep(process);
    }
    memory.size = decay * memory.size + std::abs(difference);
    memory.scored = decay * memory.scored + 1;
    return rejects;
  }
};

}  // namespace mtlx::grouping
