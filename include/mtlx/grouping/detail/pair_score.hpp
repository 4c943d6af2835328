// SPDX-License-Identifier: MIT
// Scores of groups by pairs, score(i | G) = mean_{j in G, j != i} M[i][j], and the best group for tasks that are served
// together: for a set S with any helpers H outside it, c_h = sum_{i in S} M[i][h] and
//   f(S) = max over H of [sum_{i, j in S, i != j} M[i][j] + sum_{h in H} c_h] / (|S| + |H| - 1).
// A helper raises such a quotient if and only if its c_h is more than the quotient, so Dinkelbach's iteration finds the
// maximum in a few passes: helpers are those above the last quotient, until it rises no more.
// Reference: Dinkelbach, "On Nonlinear Fractional Programming", Management Science 13 (1967).
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <mtlx/core/task_set.hpp>
#include <span>
#include <utility>
#include <vector>

namespace mtlx::grouping::detail {

/// Tasks that a group serves, best: what they sum up to, and the group.
struct Served {
  double value = 0;
  std::uint64_t members = 0;
};

/// A table of pairs, the more the better.
class PairScores {
 public:
  /// table : (affected, acting), row by row; alone : (tasks).
  PairScores(std::span<const double> table, std::span<const double> alone)
      : alone_(alone.begin(), alone.end()), table_(table.begin(), table.end()) {
    for (std::size_t i = 0; i < tasks(); ++i) table_[i * tasks() + i] = 0;
    for (const double number : table_) unit_ = std::max(unit_, std::abs(number));
  }

  std::size_t tasks() const { return alone_.size(); }
  double at(std::size_t affected, std::size_t acting) const { return table_[affected * tasks() + acting]; }
  const double* row(std::size_t affected) const { return &table_[affected * tasks()]; }
  double alone(std::size_t task) const { return alone_[task]; }
  /// The size of the largest number of the table: what rounding is judged by.
  double unit() const { return unit_; }

  /// The score of a member of a group.
  double operator()(std::size_t task, TaskSet group) const {
    if (group.count() == 1) return alone_[task];
    double sum = 0;
    for (std::uint64_t left = group.bits(); left != 0; left &= left - 1)
      sum += at(task, static_cast<std::size_t>(std::countr_zero(left)));
    return sum / static_cast<double>(group.count() - 1);
  }

  /// The best group that serves a set of tasks which is not empty.
  Served serve(std::uint64_t set) const {
    Sums sums{};
    double inner = 0;
    for (std::uint64_t left = set; left != 0; left &= left - 1) {
      const double* from = row(static_cast<std::size_t>(std::countr_zero(left)));
      for (std::size_t h = 0; h < tasks(); ++h) sums[h] += from[h];
    }
    for (std::uint64_t left = set; left != 0; left &= left - 1)
      inner += sums[static_cast<std::size_t>(std::countr_zero(left))];
    return serve(set, inner, sums.data());
  }

  /// f(S) for all sets S of tasks, by their bits; f of the empty one is 0.
  [[gnu::noinline]] std::vector<double> serve_all() const {
    const std::size_t n = tasks();
    std::vector<double> values(std::size_t{1} << n);
    // Of the sets that share their tasks from the t-th on, as counting goes: sums over these tasks' rows, and inner sums.
    std::vector<double> sums((n + 1) * n), inner(n + 1);
    for (std::uint64_t set = 1; set < values.size(); ++set) {
      const auto task = static_cast<std::size_t>(std::countr_zero(set));
      const std::uint64_t rest = set & (set - 1);
      const std::size_t before = rest == 0 ? n : static_cast<std::size_t>(std::countr_zero(rest));
      double within = inner[before] + sums[before * n + task];
      for (std::uint64_t left = rest; left != 0; left &= left - 1)
        within += at(task, static_cast<std::size_t>(std::countr_zero(left)));
      inner[task] = within;
      for (std::size_t h = 0; h < n; ++h) sums[task * n + h] = sums[before * n + h] + at(task, h);
      values[set] = serve(set, within, &sums[task * n]).value;
    }
    return values;
  }

 private:
  using Sums = std::array<double, TaskSet::capacity>;

  Served serve(std::uint64_t set, double inner, const double* sums) const {
    const std::size_t n = tasks();
    if ((set & (set - 1)) == 0) {
      // One helper is best, for a mean is no more than its largest term.
      const auto task = static_cast<std::size_t>(std::countr_zero(set));
      Served best{alone_[task], set};
      for (std::size_t h = 0; h < n; ++h)
        if (h != task && sums[h] > best.value) best = {sums[h], set | std::uint64_t{1} << h};
      return best;
    }
    Sums outside;
    std::size_t count = 0;
    for (std::size_t h = 0; h < n; ++h) {
      outside[count] = sums[h];
      count += (set >> h & 1) == 0;
    }
    const auto size = static_cast<double>(std::popcount(set) - 1);
    double quotient = inner / size, before = quotient;
    for (;;) {
      double sum = inner, number = size;
      for (std::size_t h = 0; h < count; ++h) {
        sum += outside[h] > quotient ? outside[h] : 0;
        number += outside[h] > quotient ? 1 : 0;
      }
      const double next = sum / number;
      if (!(next > quotient)) break;
      before = quotient;
      quotient = next;
    }
    // The helpers of the last pass that gained.
    std::uint64_t members = set;
    for (std::size_t h = 0; h < n && quotient > before; ++h)
      if ((set >> h & 1) == 0 && sums[h] > before) members |= std::uint64_t{1} << h;
    return {quotient, members};
  }

  std::vector<double> alone_, table_;
  double unit_ = 0;
};

}  // namespace mtlx::grouping::detail
