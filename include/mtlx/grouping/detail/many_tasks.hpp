// SPDX-License-Identifier: MIT
// Groups of more tasks than an exact search can serve, by a table of pairs: a good cut by local search, and a bound on how
// good any can be.
//
// The cut is of the tasks into sets that one group serves each; the best helpers of a set are known (pair_score.hpp). Sets
// are joined two by two; single tasks move and pairs change places while that gains; then some are moved at random, and so
// on from the best.
//
// The bound: let W = (M + Mᵀ) / 2. In a group of s tasks that it serves and m helpers, pairs of the s count both ways, so
//   f(S) = sum_{i in S} [sum_{j in S, j != i} W_ij + sum_{h in H} M_ih] / (s + m - 1) <= sum_{i in S} a_i(s, m),
// with a_i the most that s - 1 partners by W and m others by M can give to i. For any prices u,
//   value <= sum_i u_i + max over sizes s_1 + ... + s_K = tasks of sum_k p(s_k),
//   p(s) = max over m of the sum of the s largest a_i(s, m) - u_i,
// and the prices are lowered by subgradient steps.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mtlx/core/random.hpp>
#include <mtlx/grouping/detail/pair_score.hpp>
#include <mtlx/grouping/detail/partition.hpp>
#include <utility>
#include <vector>

namespace mtlx::grouping::detail {

/// A cut of the tasks into sets that are served together, joined two by two and improved step by step.
class LocalSearch {
 public:
  LocalSearch(const PairScores& scores, std::size_t parts, std::uint64_t seed)
      : scores_(scores), random_(seed, Purpose::group), part_of_(scores.tasks()), sets_(parts), values_(parts) {}

  /// The sets of the best cut, those that are empty too.
  const std::vector<std::uint64_t>& best() const { return best_; }
  double value() const { return best_value_; }

  /// Looks on from the best `rounds` times, while `work` is left; takes what it costs off.
  void run(std::size_t rounds, double& work) {
    join(work);
    rebuild();
    best_ = sets_, best_value_ = total();
    for (std::size_t round = 0; round < rounds; ++round) {
      climb(work);
      if (total() > best_value_) best_ = sets_, best_value_ = total();
      if (work <= 0) return;
      for (std::size_t part = 0; part < sets_.size(); ++part)
        for (std::size_t i = 0; i < part_of_.size(); ++i)
          if ((best_[part] >> i & 1) != 0) part_of_[i] = part;
      // Some tasks elsewhere; all of them now and then.
      const bool all = round % 8 == 7;
      const std::size_t moved =
          all ? part_of_.size() : 2 + random_.below(static_cast<std::uint32_t>(part_of_.size()) / 4 + 1);
      for (std::size_t k = 0; k < moved; ++k)
        part_of_[all ? k : random_.below(static_cast<std::uint32_t>(part_of_.size()))] =
            random_.below(static_cast<std::uint32_t>(sets_.size()));
      rebuild();
    }
  }

 private:
  double serve(std::uint64_t set) const { return set == 0 ? 0 : scores_.serve(set).value; }
  double total() const {
    double sum = 0;
    for (const double value : values_) sum += value;
    return sum;
  }
  void rebuild() {
    std::fill(sets_.begin(), sets_.end(), std::uint64_t{0});
    for (std::size_t i = 0; i < part_of_.size(); ++i) sets_[part_of_[i]] |= std::uint64_t{1} << i;
    for (std::size_t part = 0; part < sets_.size(); ++part) values_[part] = serve(sets_[part]);
  }
  // Sets for two parts, if they are better than those they have.
  bool better(std::size_t a, std::uint64_t set_a, std::size_t b, std::uint64_t set_b) {
    const double value_a = serve(set_a), value_b = serve(set_b);
    const double before = values_[a] + values_[b];
    if (value_a + value_b <= before + 1e-12 * (scores_.unit() + std::abs(before))) return false;
    sets_[a] = set_a, sets_[b] = set_b;
    values_[a] = value_a, values_[b] = value_b;
    return true;
  }
  // From a set for each task, those two sets are joined that lose least by it, until there are few enough.
  void join(double& work) {
    const std::size_t n = part_of_.size();
    std::vector<std::uint64_t> sets;
    for (std::size_t i = 0; i < n; ++i) sets.push_back(std::uint64_t{1} << i);
    std::vector<double> gains(n * n);
    const auto note = [&](std::size_t a, std::size_t b) {
      gains[std::max(a, b) * n + std::min(a, b)] = serve(sets[a] | sets[b]) - serve(sets[a]) - serve(sets[b]);
      work -= each_serve() * 3;
    };
    for (std::size_t a = 0; a < n; ++a)
      for (std::size_t b = 0; b < a; ++b) note(a, b);
    for (std::size_t left = n; left > sets_.size(); --left) {
      std::size_t first = 1, second = 0;
      for (std::size_t a = 0; a < sets.size(); ++a)
        for (std::size_t b = 0; b < a; ++b)
          if (sets[a] != 0 && sets[b] != 0 &&
              (sets[first] == 0 || sets[second] == 0 || gains[a * n + b] > gains[first * n + second]))
            first = a, second = b;
      sets[second] |= sets[first];
      sets[first] = 0;
      for (std::size_t a = 0; a < n; ++a)
        if (a != second && sets[a] != 0) note(a, second);
    }
    std::size_t part = 0;
    for (const std::uint64_t set : sets) {
      if (set == 0) continue;
      for (std::size_t i = 0; i < n; ++i)
        if ((set >> i & 1) != 0) part_of_[i] = part;
      ++part;
    }
  }
  double each_serve() const { return static_cast<double>(4 * part_of_.size()); }

  void climb(double& work) {
    const std::size_t n = part_of_.size();
    const double each = 2 * each_serve();
    for (bool moved = true; moved && work > 0;) {
      moved = false;
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t to = 0; to < sets_.size(); ++to) {
          const std::size_t from = part_of_[i];
          if (from == to) continue;
          const std::uint64_t bit = std::uint64_t{1} << i;
          work -= each;
          if (better(from, sets_[from] ^ bit, to, sets_[to] | bit)) part_of_[i] = to, moved = true;
        }
      if (moved) continue;
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < i; ++j) {
          const std::size_t a = part_of_[i], b = part_of_[j];
          if (a == b) continue;
          const std::uint64_t both = std::uint64_t{1} << i | std::uint64_t{1} << j;
          work -= each;
          if (better(a, sets_[a] ^ both, b, sets_[b] ^ both)) part_of_[i] = b, part_of_[j] = a, moved = true;
        }
    }
  }

  const PairScores& scores_;
  Random random_;
  std::vector<std::size_t> part_of_;
  std::vector<std::uint64_t> sets_, best_;
  std::vector<double> values_;
  double best_value_ = 0;
};

/// What no cut into `parts` parts can be more than.
class SizeBound {
 public:
  SizeBound(const PairScores& scores, std::size_t parts) : n_(scores.tasks()), parts_(parts), most_(n_ * n_ * n_) {
    std::vector<double> table(n_ * n_);
    for (std::size_t i = 0; i < n_; ++i) {
      // table[a, b]: the most that a partners by W and b others by M give.
      std::fill(table.begin(), table.end(), impossible);
      table[0] = 0;
      for (std::size_t j = 0, seen = 0; j < n_; ++j) {
        if (j == i) continue;
        const double both = (scores.at(i, j) + scores.at(j, i)) / 2, one = scores.at(i, j);
        ++seen;
        for (std::size_t a = seen + 1; a-- > 0;)
          for (std::size_t b = seen - a + 1; b-- > 0;) {
            double& most = table[a * n_ + b];
            if (a > 0) most = std::max(most, table[(a - 1) * n_ + b] + both);
            if (b > 0) most = std::max(most, table[a * n_ + b - 1] + one);
          }
      }
      for (std::size_t s = 1; s <= n_; ++s)
        for (std::size_t m = 0; s + m <= n_; ++m) {
          const std::size_t partners = s + m - 1;
          at(s, m)[i] = partners == 0 ? scores.alone(i) : table[(s - 1) * n_ + m] / static_cast<double>(partners);
        }
    }
  }

  /// The bound, lowered until it is `value` or steps change it no more.
  double lower(double value, std::size_t steps, double& work) {
    std::vector<double> u(n_), best(n_);
    for (std::size_t i = 0; i < n_; ++i) u[i] = value / static_cast<double>(n_);
    best = u;
    double lowest = std::numeric_limits<double>::max(), length = 1;
    std::size_t since = 0;
    std::vector<double> slope(n_);
    for (std::size_t step = 0; step < steps && length > 1e-4; ++step) {
      const double bound = at_prices(u, slope);
      work -= static_cast<double>(n_ * n_ * n_);
      if (bound < lowest - 1e-9 * std::abs(lowest)) {
        lowest = bound, best = u;
        since = 0;
      } else if (++since == 15) {
        length /= 2;
        since = 0;
        u = best;
        continue;
      }
      if (lowest <= value || work <= 0) break;
      double norm = 0;
      for (const double d : slope) norm += d * d;
      if (norm <= 0) break;
      for (std::size_t i = 0; i < n_; ++i) u[i] -= length * (bound - value) / norm * slope[i];
    }
    return std::max(value, lowest);
  }

 private:
  double* at(std::size_t s, std::size_t m) { return &most_[((s - 1) * n_ + m) * n_]; }

  // The bound at some prices; slope: 1 less how often each task is counted in it.
  double at_prices(const std::vector<double>& u, std::vector<double>& slope) {
    std::vector<double> p(n_ + 1, impossible), left(n_);
    std::vector<std::size_t> helpers(n_ + 1);
    p[0] = 0;
    for (std::size_t s = 1; s <= n_; ++s)
      for (std::size_t m = 0; s + m <= n_; ++m) {
        const double* a = at(s, m);
        for (std::size_t i = 0; i < n_; ++i) left[i] = a[i] - u[i];
        const auto cut = left.begin() + static_cast<std::ptrdiff_t>(s);
        if (s < n_) std::nth_element(left.begin(), cut, left.end(), [](double x, double y) { return x > y; });
        double sum = 0;
        for (auto number = left.begin(); number != cut; ++number) sum += *number;
        if (sum > p[s]) p[s] = sum, helpers[s] = m;
      }
    // sizes[k, t]: the size of the last of k parts with t tasks together.
    std::vector<double> value(n_ + 1, impossible), next(n_ + 1);
    std::vector<std::size_t> sizes(parts_ * (n_ + 1));
    value[0] = 0;
    for (std::size_t k = 0; k < parts_; ++k) {
      for (std::size_t t = 0; t <= n_; ++t) {
        next[t] = impossible;
        for (std::size_t s = 0; s <= t; ++s)
          if (value[t - s] > impossible / 2 && value[t - s] + p[s] > next[t])
            next[t] = value[t - s] + p[s], sizes[k * (n_ + 1) + t] = s;
      }
      std::swap(value, next);
    }
    std::fill(slope.begin(), slope.end(), 1.0);
    std::vector<std::size_t> order(n_);
    for (std::size_t k = parts_, t = n_; k-- > 0;) {
      const std::size_t s = sizes[k * (n_ + 1) + t];
      t -= s;
      if (s == 0) continue;
      const double* a = at(s, helpers[s]);
      for (std::size_t i = 0; i < n_; ++i) order[i] = i;
      std::sort(order.begin(), order.end(), [&](std::size_t x, std::size_t y) {
        const double gx = a[x] - u[x], gy = a[y] - u[y];
        return gx > gy || (gx == gy && x < y);
      });
      for (std::size_t i = 0; i < s; ++i) slope[order[i]] -= 1;
    }
    double sum = value[n_];
    for (const double price : u) sum += price;
    return sum;
  }

  std::size_t n_, parts_;
  std::vector<double> most_;  // a_i(s, m) : (s - 1, m, i)
};

}  // namespace mtlx::grouping::detail
