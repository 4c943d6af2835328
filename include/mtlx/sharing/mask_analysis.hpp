// SPDX-License-Identifier: MIT
// How the masks of tasks overlap. With A_t the weights of a layer (or of all) that task t's mask keeps, of those n that may
// be masked:
//   density of t          |A_t| / n;  realised sparsity: 1 less that
//   overlap of t and u    |A_t ∩ A_u| / |A_t ∪ A_u|       (intersection over union)
//   joint overlap         |∩_t A_t| / |∪_t A_t|           (the overlap ratio of Sun et al.)
// An overlap is NaN where both masks (all masks) are empty: there is nothing to share. Each of the n weights is private (one
// task's), shared by some tasks, shared by all, or dead (no task's).
// Reference: Sun et al., "Learning Sparse Sharing Architectures for Multiple Tasks", AAAI 2020, arXiv:1911.05034.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <limits>
#include <mtlx/core/csv.hpp>
#include <mtlx/core/error.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/core/task_set.hpp>
#include <mtlx/sharing/masks.hpp>
#include <string>
#include <vector>

namespace mtlx::sharing {

/// Counts of one layer's weights, or of all layers'.
struct MaskOverlap {
  std::string layer;                ///< "trunk.0.weight", or "all"
  std::size_t weights = 0;          ///< that may be masked
  std::vector<std::size_t> common;  ///< kept by both : (tasks, tasks); on the diagonal by the task
  std::vector<std::size_t> only;    ///< kept by this task and no other : (tasks)
  std::size_t some = 0;             ///< kept by several tasks, not by all
  std::size_t all = 0;              ///< kept by all tasks (of one task, the same as only)
  std::size_t dead = 0;             ///< kept by none

  std::size_t tasks() const { return only.size(); }
  std::size_t alive(std::size_t task) const { return common[task * tasks() + task]; }
  /// From 0 to 1; NaN without weights.
  double density(std::size_t task) const { return share(alive(task), weights); }
  /// Intersection over union of two tasks' masks, from 0 to 1; NaN if both are empty.
  double overlap(std::size_t a, std::size_t b) const {
    const std::size_t both = common[a * tasks() + b];
    return share(both, alive(a) + alive(b) - both);
  }
  /// Weights of all tasks over weights of any, from 0 to 1; NaN if all masks are empty.
  double joint_overlap() const { return share(all, weights - dead); }

  static double share(std::size_t part, std::size_t whole) {
    return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole)
                     : std::numeric_limits<double>::quiet_NaN();
  }
};

/// What `analyse` finds.
struct MaskAnalysis {
  std::vector<std::string> tasks;
  std::vector<MaskOverlap> layers;  ///< those with weights that may be masked, in order
  MaskOverlap total;
  std::size_t unmasked = 0;  ///< shared numbers that belong to all tasks: biases, norms, embeddings

  /// Tables, with shares in percent: a line a layer, and a line for each pair of tasks.
  [[gnu::cold, gnu::noinline]] std::string text() const {
    std::vector<std::vector<std::string>> table{{"layer", "weights"}};
    for (const std::string& task : tasks) table[0].push_back(task + " %");
    for (const std::string& task : tasks) table[0].push_back("only " + task);
    table[0].insert(table[0].end(), {"some", "all", "dead", "joint overlap"});
    const auto row = [&](const MaskOverlap& o) {
      auto& cells = table.emplace_back();
      cells = {o.layer, join(o.weights)};
      for (std::size_t t = 0; t < tasks.size(); ++t) cells.push_back(fixed(100 * o.density(t), 1));
      for (const std::size_t count : o.only) cells.push_back(fixed(100 * MaskOverlap::share(count, o.weights), 1));
      for (const std::size_t count : {o.some, o.all, o.dead})
        cells.push_back(fixed(100 * MaskOverlap::share(count, o.weights), 1));
      cells.push_back(fixed(o.joint_overlap(), 3));
    };
    for (const MaskOverlap& layer : layers) row(layer);
    row(total);
    std::string out =
        "Weights that each task's mask keeps, that one task alone keeps, several, all, none: % of the layer's.\n" +
        aligned(table);
    std::vector<std::vector<std::string>> pairs{{"overlap of masks"}};
    pairs[0].insert(pairs[0].end(), tasks.begin(), tasks.end());
    for (std::size_t a = 0; a < tasks.size(); ++a) {
      pairs.push_back({tasks[a]});
      for (std::size_t b = 0; b < tasks.size(); ++b) pairs.back().push_back(fixed(total.overlap(a, b), 3));
    }
    return out + "Intersection over union, all layers.\n" + aligned(pairs) +
           join(unmasked, " more numbers belong to all tasks.\n");
  }

  /// layer,measure,task,partner,count,of,share: the measures are density, only, overlap (of pairs), some, all, dead and
  /// joint overlap; `share` is empty where `of` is 0.
  [[gnu::cold, gnu::noinline]] std::string csv() const {
    std::string out = "layer,measure,task,partner,count,of,share\n";
    const auto rows = [&](const MaskOverlap& o) {
      const auto line = [&](const char* measure, const std::string& task, const std::string& partner, std::size_t count,
                            std::size_t of) {
        out += join(csv_text(o.layer), ",", measure, ",", csv_text(task), ",", csv_text(partner), ",", count, ",", of,
                    ",", csv_number(MaskOverlap::share(count, of)), "\n");
      };
      for (std::size_t t = 0; t < tasks.size(); ++t) line("density", tasks[t], "", o.alive(t), o.weights);
      for (std::size_t t = 0; t < tasks.size(); ++t) line("only", tasks[t], "", o.only[t], o.weights);
      for (std::size_t a = 0; a < tasks.size(); ++a)
        for (std::size_t b = a + 1; b < tasks.size(); ++b) {
          const std::size_t both = o.common[a * tasks.size() + b];
          line("overlap", tasks[a], tasks[b], both, o.alive(a) + o.alive(b) - both);
        }
      line("some", "", "", o.some, o.weights);
      line("all", "", "", o.all, o.weights);
      line("dead", "", "", o.dead, o.weights);
      line("joint overlap", "", "", o.all, o.weights - o.dead);
    };
    for (const MaskOverlap& layer : layers) rows(layer);
    rows(total);
    return out;
  }

 private:
  static std::string fixed(double number, int decimals) {
    if (!is_finite(number)) return "-";
    char digits[40];
    std::snprintf(digits, sizeof digits, "%.*f", decimals, number);
    return digits;
  }
  // The first column to the left, the others to the right.
  [[gnu::cold, gnu::noinline]] static std::string aligned(const std::vector<std::vector<std::string>>& table) {
    std::vector<std::size_t> widths(table[0].size());
    for (const auto& row : table)
      for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
    std::string out;
    for (const auto& row : table) {
      for (std::size_t c = 0; c < row.size(); ++c) {
        const std::string space(widths[c] - row[c].size(), ' ');
        out += c == 0 ? row[c] + space : "  " + space + row[c];
      }
      out += '\n';
    }
    return out;
  }
};

/// How masks overlap, layer by layer and in all. Throws `Error` if the blocks don't cover the owners in order, or a weight
/// is a task's that the masks don't name.
[[gnu::cold, gnu::noinline]] inline MaskAnalysis analyse(const Masks& masks) {
  const std::size_t tasks = masks.tasks.size();
  if (tasks == 0 || tasks > TaskSet::capacity) fail("masks have from 1 to 64 tasks, not ", tasks);
  const TaskSet known = TaskSet::first(tasks);
  const auto empty = [&](const std::string& name) {
    return MaskOverlap{name, 0, std::vector<std::size_t>(tasks * tasks), std::vector<std::size_t>(tasks)};
  };
  MaskAnalysis result{masks.tasks, {}, empty("all")};
  MaskOverlap& total = result.total;
  std::size_t at = 0;
  for (const MaskBlock& block : masks.blocks) {
    const std::size_t size = block.parameter.size();
    if (block.offset != at || size > masks.owners.size() - at)
      fail("masks of ", masks.owners.size(), " numbers: the block ", block.path, " is ", size, " numbers from ",
           block.offset, " on, after ", at);
    at += size;
    if (!block.prunable()) {
      result.unmasked += size;
      continue;
    }
    MaskOverlap& layer = result.layers.emplace_back(empty(block.path));
    layer.weights = size;
    for (std::size_t i = block.offset; i < at; ++i) {
      const TaskSet owners = masks.owners[i];
      if (!((owners & known) == owners))
        fail("masks of ", tasks, " tasks: the number ", i - block.offset, " of ", block.path, " is another task's");
      const std::size_t count = owners.count();
      if (count == tasks) ++layer.all;
      if (count == 0) ++layer.dead;
      if (count > 1 && count < tasks) ++layer.some;
      for (std::size_t a = 0; a < tasks; ++a) {
        if (!owners.has(a)) continue;
        if (count == 1) ++layer.only[a];
        for (std::size_t b = 0; b < tasks; ++b)
          if (owners.has(b)) ++layer.common[a * tasks + b];
      }
    }
    total.weights += size;
    total.some += layer.some, total.all += layer.all, total.dead += layer.dead;
    for (std::size_t i = 0; i < tasks * tasks; ++i) total.common[i] += layer.common[i];
    for (std::size_t t = 0; t < tasks; ++t) total.only[t] += layer.only[t];
  }
  if (at != masks.owners.size()) fail("masks of ", masks.owners.size(), " numbers: the blocks are ", at, " in all");
  return result;
}

}  // namespace mtlx::sharing
