// SPDX-License-Identifier: MIT
// The best cut of a set of tasks into a number of parts, when each possible part has a value: the dynamic programme behind
// grouping/search.hpp. For all sets S,
//   f_k(S) = the best sum of at most k parts' values,   f_a+b(S) = max over A within S of f_a(A) + f_b(S \ A),
// a convolution over subsets in the semiring (max, +): 3^tasks / 2 sums, for the last task may stay in A. Numbers of parts
// double. With costs, parts are added one by one.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace mtlx::grouping::detail {

/// The value of what cannot be. Finite, so that sums of it are.
inline constexpr double impossible = -1e300;

// Three tasks make a block of eight sets, so that the inner step is 27 sums of numbers side by side.
inline constexpr std::size_t block_tasks = 3;

template <std::size_t Set, std::size_t Part>
[[gnu::always_inline]] inline void join_sets(const double* a, const double* b, double* most) {
  if constexpr ((Part & ~Set) == 0) {
    const double sum = a[Part] + b[Set ^ Part];
    most[Set] = most[Set] < sum ? sum : most[Set];
  }
}
template <std::size_t... Pair>
[[gnu::always_inline]] inline void join_blocks(const double* a, const double* b, double* most,
                                               std::index_sequence<Pair...>) {
  (join_sets<Pair / 8, Pair % 8>(a, b, most), ...);
}

/// out[S] = max over A within S of a[A] + b[S \ A], for all sets S of `tasks` >= block_tasks tasks; and of what is in `out`,
/// if asked. Of several parts, those that A holds may have S's last task among them: half of the sums are enough.
[[gnu::noinline]] inline void join_parts(const double* a, const double* b, double* out, std::size_t tasks, bool raise) {
  const std::size_t blocks = std::size_t{1} << (tasks - block_tasks);
  for (std::size_t set = 0; set < blocks; ++set) {
    double most[8];
    for (std::size_t k = 0; k < 8; ++k) most[k] = raise ? out[8 * set + k] : 2 * impossible;
    const std::size_t fixed = std::bit_floor(set), free = set ^ fixed;
    for (std::size_t part = free;; part = (part - 1) & free) {
      join_blocks(a + 8 * (fixed | part), b + 8 * (free ^ part), most, std::make_index_sequence<64>());
      if (part == 0) break;
    }
    std::copy(most, most + 8, out + 8 * set);
  }
}

/// Cuts of sets of tasks, as the values of parts say.
class Cuts {
 public:
  /// value : 2^max(tasks, block_tasks) numbers, by the bits of the part; 0 for the empty one. At least one part.
  Cuts(std::vector<double> value, std::size_t tasks, std::size_t parts)
      : tasks_(tasks), parts_(std::min(parts, tasks)) {
    values_.emplace_back(1, std::move(value));
  }

  /// How many sums `best` takes.
  static double work(std::size_t tasks, std::size_t parts) {
    double sums = 0, all = 0.5;
    for (std::size_t t = 0; t < tasks; ++t) all *= 3;
    parts = std::min(parts, tasks);
    if (parts < 3) return sums;
    const std::size_t half = std::bit_floor(parts - 1);
    for (std::size_t have = 1; have < half; have *= 2) sums += all;
    for (std::size_t rest = parts - half; (rest & (rest - 1)) != 0; rest &= rest - 1) sums += all;
    return sums;
  }

  /// The parts of the best cut of all tasks, by their bits.
  std::vector<std::uint64_t> best() {
    std::vector<std::uint64_t> parts;
    cut((std::uint64_t{1} << tasks_) - 1, parts_, parts);
    return parts;
  }

 private:
  // Values of sets cut into at most `parts`; computed where they are not yet there.
  const std::vector<double>& of(std::size_t parts) {
    for (const auto& [count, values] : values_)
      if (count == parts) return values;
    const auto [a, b] = halves(parts);
    of(a);
    of(b);  // now both are there, and stay where they are
    const std::vector<double>&first = of(a), &second = of(b);
    std::vector<double> joined(first.size());
    join_parts(first.data(), second.data(), joined.data(), std::max(tasks_, block_tasks), false);
    return values_.emplace_back(parts, std::move(joined)).second;
  }
  static std::pair<std::size_t, std::size_t> halves(std::size_t parts) {
    const std::size_t a = std::bit_floor(parts - 1);
    return {a, parts - a};
  }
  // Appends the parts of the best cut of a set; the first in the order of the loop where several are equal.
  void cut(std::uint64_t set, std::size_t parts, std::vector<std::uint64_t>& found) {
    if (set == 0) return;
    if (parts == 1) {
      found.push_back(set);
      return;
    }
    const auto [a, b] = halves(parts);
    of(a);
    of(b);
    const std::vector<double>&first = of(a), &second = of(b);
    std::uint64_t best = set;
    double most = first[set] + second[0];
    for (std::uint64_t part = (set - 1) & set;; part = (part - 1) & set) {
      const double sum = first[part] + second[set ^ part];
      if (sum > most) most = sum, best = part;
      if (part == 0) break;
    }
    cut(best, a, found);
    cut(set ^ best, b, found);
  }

  std::size_t tasks_, parts_;
  std::vector<std::pair<std::size_t, std::vector<double>>> values_;
};

/// The best group for each set of tasks that it may serve, as far as groups were offered.
class BestGroups {
 public:
  explicit BestGroups(std::size_t tasks)
      : values(std::size_t{1} << std::max(tasks, block_tasks), impossible), groups(values.size()) {
    values[0] = 0;
  }

  std::vector<double> values;
  std::vector<std::uint32_t> groups;  ///< their names

  /// scores: of the members in order of tasks.
  [[gnu::noinline]] void offer(std::uint64_t members, const double* scores, std::uint32_t name) {
    sums_.assign(std::size_t{1} << std::popcount(members), 0.0);
    std::uint64_t set = 0;
    for (std::size_t k = 1; k < sums_.size(); ++k) {
      set = (set - members) & members;
      sums_[k] = sums_[k & (k - 1)] + scores[std::countr_zero(k)];
      if (sums_[k] > values[set]) values[set] = sums_[k], groups[set] = name;
    }
  }

 private:
  std::vector<double> sums_;
};

/// Cuts of all tasks into parts that groups of several costs serve, within a budget:
///   h_k,b(S) = max over costs c and parts A with S's last task of f_c(A) + h_k-1,b-c(S \ A).
/// Where the budget allows no more groups than `most` anyway, k is left out.
class BudgetCuts {
 public:
  /// What each cost, at least 1, buys: in ascending order of costs.
  using Bought = std::vector<std::pair<std::size_t, BestGroups>>;

  BudgetCuts(const Bought& bought, std::size_t tasks, std::size_t most, std::size_t budget)
      : bought_(bought),
        tasks_(tasks),
        budget_(budget),
        counted_(most < budget / bought[0].first),
        counts_(counted_ ? most : 1) {}

  /// How many sums `best` takes, for costs from `least` on, `kinds` of them.
  static double work(std::size_t tasks, std::size_t most, std::size_t budget, std::size_t least, std::size_t kinds) {
    double all = 0.5;
    for (std::size_t t = 0; t < tasks; ++t) all *= 3;
    const double layers = most < budget / least ? static_cast<double>(most) : 1;
    return all * static_cast<double>(kinds) * static_cast<double>(budget) * layers;
  }

  /// The names of the groups of the best choice; none if there is no choice. `value`: the sum of what they score.
  std::vector<std::uint32_t> best(double& value) {
    const std::size_t size = bought_[0].second.values.size();
    nothing_.assign(size, impossible);
    nothing_[0] = 0;
    layers_.assign(counts_ * (budget_ + 1), {});
    for (std::size_t k = 1; k <= (counted_ ? counts_ - 1 : 1); ++k)
      for (std::size_t b = bought_[0].first; b + bought_[0].first <= budget_; ++b) {
        std::vector<double>& layer = layers_[place(k, b)];
        layer = nothing_;
        for (const auto& [cost, groups] : bought_)
          if (cost <= b)
            join_parts(groups.values.data(), of(before(k), b - cost).data(), layer.data(),
                       std::max(tasks_, block_tasks), true);
      }
    std::vector<std::uint32_t> names;
    value = 0;
    std::uint64_t left = (std::uint64_t{1} << tasks_) - 1;
    for (std::size_t k = counts_, b = budget_; left != 0;) {
      double most = impossible / 2;
      std::uint64_t part = 0;
      std::size_t kind = 0;
      const std::uint64_t fixed = std::bit_floor(left), free = left ^ fixed;
      for (std::size_t c = 0; c < bought_.size() && bought_[c].first <= b; ++c) {
        const std::vector<double>& rest = of(before(k), b - bought_[c].first);
        for (std::uint64_t a = free;; a = (a - 1) & free) {
          const double sum = bought_[c].second.values[fixed | a] + rest[free ^ a];
          if (sum > most) most = sum, part = fixed | a, kind = c;
          if (a == 0) break;
        }
      }
      if (part == 0) return {};
      names.push_back(bought_[kind].second.groups[part]);
      value += bought_[kind].second.values[part];
      left ^= part;
      b -= bought_[kind].first;
      k = before(k);
    }
    return names;
  }

 private:
  std::size_t before(std::size_t k) const { return counted_ ? k - 1 : k; }
  std::size_t place(std::size_t k, std::size_t b) const { return (k - 1) * (budget_ + 1) + b; }
  const std::vector<double>& of(std::size_t k, std::size_t b) const {
    return k == 0 || b < bought_[0].first ? nothing_ : layers_[place(k, b)];
  }

  const Bought& bought_;
  std::size_t tasks_, budget_;
  bool counted_;
  std::size_t counts_;
  std::vector<double> nothing_;
  std::vector<std::vector<double>> layers_;  // (k - 1, b)
};

}  // namespace mtlx::grouping::detail
