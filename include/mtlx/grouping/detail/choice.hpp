// SPDX-License-Identifier: MIT
// The best choice among groups that are listed, each with a cost and a score for each of its tasks: at most K groups, of
// no more cost than the budget B together, each task served by that chosen group which does it best. This is facility
// location, and so are the bounds (Cornuejols, Fisher and Nemhauser, "Location of Bank Accounts to Optimize Float",
// Management Science 23, 1977): for any prices u of the tasks and λ >= 0 of a unit of cost,
//   value <= sum_i u_i + λ B + the K largest positive ρ_G,   ρ_G = sum_{i in G} (s_iG - u_i)+ - λ cost_G.
// Prices are found by subgradient steps; then a depth-first search takes groups in falling ρ. With X chosen,
//   value <= sum_i max(u_i, best_i(X)) + λ (B - cost(X)) + the K - |X| largest positive ρ that are left.
// Where that takes longer than to cut the tasks in all ways (partition.hpp), this is done instead.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mtlx/core/task_set.hpp>
#include <mtlx/grouping/detail/partition.hpp>
#include <utility>
#include <vector>

namespace mtlx::grouping::detail {

/// Groups to choose from, the more a score the better.
struct ListedGroups {
  std::size_t tasks = 0;
  std::vector<std::uint64_t> members;
  std::vector<double> costs;          ///< whole numbers
  std::vector<std::size_t> begin{0};  ///< of a group's scores, and the end of the last one's
  std::vector<double> scores;         ///< of the members in order of tasks

  std::size_t size() const { return members.size(); }
  template <class Visit>
  void each_member(std::size_t group, Visit visit) const {
    const double* score = &scores[begin[group]];
    for (std::uint64_t left = members[group]; left != 0; left &= left - 1)
      visit(static_cast<std::size_t>(std::countr_zero(left)), *score++);
  }
};

/// What was chosen.
struct Chosen {
  std::vector<std::size_t> groups;
  double value = impossible;  ///< sum of the tasks' scores; `impossible` where no choice was found
  double bound = impossible;  ///< no choice has more
  bool complete = false;      ///< whether all were looked at, or ruled out
  double work = 0;
};

/// The search; run() once.
class Choice {
 public:
  Choice(const ListedGroups& given, std::size_t most, double budget, double work)
      : c_(given), most_(most), budget_(budget), limit_(work) {}

  Chosen run() {
    set_penalties();
    improve_from_greedy();
    lower_prices();
    search();
    return std::move(found_);
  }

 private:
  using Numbers = std::array<double, TaskSet::capacity>;

  // What a task counts that no chosen group has: so little that any choice which serves all is better.
  void set_penalties() {
    double low = std::numeric_limits<double>::max(), high = -low;
    for (const double s : c_.scores) low = std::min(low, s), high = std::max(high, s);
    unit_ = std::max(std::abs(low), std::abs(high));
    if (!(unit_ > 0)) unit_ = 1;
    const double worst = low - (high - low + unit_) * static_cast<double>(c_.tasks + 1);
    unserved_.fill(worst);
    lowest_ = low;
  }

  bool serves_all(const std::vector<std::size_t>& groups) const {
    std::uint64_t served = 0;
    for (const std::size_t g : groups) served |= c_.members[g];
    return served == TaskSet::first(c_.tasks).bits();
  }
  double cost(const std::vector<std::size_t>& groups) const {
    double sum = 0;
    for (const std::size_t g : groups) sum += c_.costs[g];
    return sum;
  }
  // Each task's best score among groups, but for one of them.
  Numbers bests(const std::vector<std::size_t>& groups, std::size_t without) const {
    Numbers best = unserved_;
    for (std::size_t k = 0; k < groups.size(); ++k)
      if (k != without) c_.each_member(groups[k], [&](std::size_t i, double s) { best[i] = std::max(best[i], s); });
    return best;
  }
  double sum(const Numbers& numbers) const {
    double total = 0;
    for (std::size_t i = 0; i < c_.tasks; ++i) total += numbers[i];
    return total;
  }
  double gain(const Numbers& best, std::size_t group) const {
    double total = 0;
    c_.each_member(group, [&](std::size_t i, double s) { total += s > best[i] ? s - best[i] : 0; });
    return total;
  }
  // Keeps a choice if it is the best that serves all.
  void offer(const std::vector<std::size_t>& groups) {
    if (groups.empty() || !serves_all(groups) || cost(groups) > budget_) return;
    const double value = sum(bests(groups, groups.size()));
    if (value > found_.value) found_.value = value, found_.groups = groups;
  }

  // Adds what gains most as long as something does; then changes one group for another, or leaves it, while that gains.
  void climb(std::vector<std::size_t> groups) {
    for (bool better = true; better && found_.work < limit_;) {
      better = false;
      for (std::size_t k = groups.size() < most_ ? groups.size() + 1 : groups.size(); k-- > 0;) {
        const Numbers best = bests(groups, k);
        const double free = budget_ - cost(groups) + (k < groups.size() ? c_.costs[groups[k]] : 0);
        const double now = k < groups.size() ? gain(best, groups[k]) : 0;
        double top = now + tolerance();
        std::size_t choice = c_.size();
        for (std::size_t g = 0; g < c_.size(); ++g) {
          if (c_.costs[g] > free) continue;
          const double more = gain(best, g);
          if (more > top) top = more, choice = g;
        }
        found_.work += static_cast<double>(c_.scores.size());
        if (choice == c_.size()) continue;
        if (k < groups.size())
          groups[k] = choice;
        else
          groups.push_back(choice);
        better = true;
        break;
      }
    }
    offer(groups);
  }
  void improve_from_greedy() {
    climb({});
    // Cheaper ones first may leave room for more.
    std::vector<std::size_t> groups;
    Numbers best = unserved_;
    double free = budget_;
    while (groups.size() < most_ && found_.work < limit_) {
      double top = 0;
      std::size_t choice = c_.size();
      for (std::size_t g = 0; g < c_.size(); ++g) {
        if (c_.costs[g] > free) continue;
        const double more = gain(best, g) / std::max(c_.costs[g], 1e-9);
        if (more > top) top = more, choice = g;
      }
      found_.work += static_cast<double>(c_.scores.size());
      if (choice == c_.size()) break;
      groups.push_back(choice);
      free -= c_.costs[choice];
      c_.each_member(choice, [&](std::size_t i, double s) { best[i] = std::max(best[i], s); });
    }
    climb(std::move(groups));
  }

  double tolerance() const { return 1e-12 * (unit_ + std::abs(found_.value > impossible ? found_.value : 0)); }

  // Subgradient steps on the prices, Polyak's length towards the best value that is known.
  void lower_prices() {
    prices_.fill(0);
    for (std::size_t i = 0; i < c_.tasks; ++i) prices_[i] = lowest_;
    if (!found_.groups.empty()) prices_ = bests(found_.groups, found_.groups.size());
    Numbers u = prices_;
    double lambda = 0, length = 1;
    std::vector<std::pair<double, std::size_t>> order;
    const double aim = found_.value > impossible ? found_.value : lowest_ * static_cast<double>(c_.tasks);
    std::size_t since = 0;
    for (std::size_t step = 0; step < 600 && length > 1e-4; ++step) {
      order.clear();
      for (std::size_t g = 0; g < c_.size(); ++g)
        if (const double rho = reduced(u, lambda, g); rho > 0) order.emplace_back(-rho, g);
      found_.work += static_cast<double>(c_.scores.size());
      const std::size_t count = std::min(most_, order.size());
      std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end());
      double bound = sum(u) + lambda_times(lambda, budget_);
      std::vector<std::size_t> taken;
      Numbers slope{};
      double spent = 0;
      for (std::size_t i = 0; i < c_.tasks; ++i) slope[i] = 1;
      for (std::size_t k = 0; k < count; ++k) {
        const std::size_t g = order[k].second;
        bound -= order[k].first;
        spent += c_.costs[g];
        taken.push_back(g);
        c_.each_member(g, [&](std::size_t i, double s) { slope[i] -= s > u[i] ? 1 : 0; });
      }
      offer(taken);
      if (step == 0 || bound < found_.bound - 1e-9 * std::abs(bound)) {
        found_.bound = bound, prices_ = u, price_of_cost_ = lambda;
        since = 0;
      } else if (++since == 15) {
        length /= 2;
        since = 0;
        u = prices_, lambda = price_of_cost_;
        continue;
      }
      if (found_.bound <= found_.value + tolerance() || found_.work >= limit_) break;
      const double over = budget_ < std::numeric_limits<double>::max() ? budget_ - spent : 0;
      double norm = over * over;
      for (std::size_t i = 0; i < c_.tasks; ++i) norm += slope[i] * slope[i];
      if (norm <= 0) break;
      const double stride = length * std::max(bound - std::max(aim, found_.value), 1e-9 * unit_) / norm;
      for (std::size_t i = 0; i < c_.tasks; ++i) u[i] -= stride * slope[i];
      lambda = std::max(0.0, lambda - stride * over);
    }
    if (!found_.groups.empty()) climb(found_.groups);
  }
  static double lambda_times(double lambda, double budget) { return lambda > 0 ? lambda * budget : 0; }
  double reduced(const Numbers& u, double lambda, std::size_t group) const {
    return gain(u, group) - lambda * c_.costs[group];
  }

  // Depth first, groups in falling ρ.
  void search() {
    std::vector<std::pair<double, std::size_t>> order;
    for (std::size_t g = 0; g < c_.size(); ++g) order.emplace_back(-reduced(prices_, price_of_cost_, g), g);
    std::sort(order.begin(), order.end());
    for (const auto& [rho, g] : order) order_.push_back(g), falling_.push_back(std::max(0.0, -rho));
    sums_.assign(1, 0.0);
    for (const double rho : falling_) sums_.push_back(sums_.back() + rho);
    deepest_ = 0;
    const double start = sum(prices_) + lambda_times(price_of_cost_, budget_);
    const double root = found_.bound;
    found_.complete = true;
    descend(0, prices_, start, 0, 0);
    if (found_.complete)
      found_.bound = found_.value;
    else
      found_.bound = std::max(found_.value, std::min(root, start + next(deepest_, most_)));
  }
  // The sum of the `count` largest positive ρ from the place on.
  double next(std::size_t place, std::size_t count) const {
    return sums_[std::min(place + count, falling_.size())] - sums_[place];
  }

  // best: each task's best score in what is taken, or its price if that is more; bound: their sum, and what is left of the
  // budget at its price.
  void descend(std::size_t place, const Numbers& best, double bound, double spent, std::uint64_t served) {
    const std::size_t left = most_ - taken_.size();
    const std::uint64_t all = TaskSet::first(c_.tasks).bits();
    for (std::size_t at = place; at < order_.size(); ++at) {
      if (taken_.empty()) deepest_ = at;
      if (bound + next(at, left) <= found_.value + tolerance()) return;
      if (++found_.work >= limit_) {
        found_.complete = false;
        return;
      }
      const std::size_t group = order_[at];
      const double cost = c_.costs[group];
      if (spent + cost > budget_) continue;
      const std::uint64_t now = served | c_.members[group];
      if (left == 1 && now != all) continue;
      double then = bound - price_of_cost_ * cost;
      const double* score = &c_.scores[c_.begin[group]];
      for (std::uint64_t members = c_.members[group]; members != 0; members &= members - 1, ++score) {
        const auto i = static_cast<std::size_t>(std::countr_zero(members));
        then += *score > best[i] ? *score - best[i] : 0;
      }
      found_.work += static_cast<double>(c_.begin[group + 1] - c_.begin[group]);
      if (then + next(at + 1, left - 1) <= found_.value + tolerance()) continue;
      taken_.push_back(group);
      if (now == all) offer(taken_);
      if (left > 1) {
        Numbers higher = best;
        c_.each_member(group, [&](std::size_t i, double s) { higher[i] = std::max(higher[i], s); });
        descend(at + 1, higher, then, spent + cost, now);
      }
      taken_.pop_back();
      if (!found_.complete) return;
    }
  }

  const ListedGroups& c_;
  std::size_t most_;
  double budget_, limit_;
  Numbers unserved_{}, prices_{};
  double unit_ = 1;  // the size of the largest score
  double lowest_ = 0, price_of_cost_ = 0;
  std::vector<std::size_t> order_, taken_;
  std::vector<double> falling_, sums_;
  std::size_t deepest_ = 0;
  Chosen found_;
};

/// What the cuts of partition.hpp take for this: every part with every group that has it. The largest number where they are
/// out of the question.
[[gnu::cold, gnu::noinline]] inline double cut_work(const ListedGroups& choices, std::size_t most, double budget) {
  const double never = std::numeric_limits<double>::max();
  const std::size_t tasks = choices.tasks;
  if (tasks > 20) return never;
  double work = 0;
  for (const std::uint64_t members : choices.members) work += std::ldexp(1.0, std::popcount(members));
  if (budget == never) return work + Cuts::work(tasks, most);
  std::vector<double> costs = choices.costs;
  std::sort(costs.begin(), costs.end());
  costs.erase(std::unique(costs.begin(), costs.end()), costs.end());
  budget = std::min(budget, static_cast<double>(most) * costs.back());
  if (costs[0] < 1 || budget > 1000) return never;
  const auto units = static_cast<std::size_t>(budget), least = static_cast<std::size_t>(costs[0]);
  const double cuts = least > units ? 0 : BudgetCuts::work(tasks, most, units, least, costs.size());
  // Memory, at 8 bytes a set.
  const double layers =
      static_cast<double>(units) * static_cast<double>(least > units ? 1 : std::min(most, units / least));
  if ((layers + 2 * static_cast<double>(costs.size())) * std::ldexp(8.0, static_cast<int>(tasks)) > 1e9) return never;
  return work + cuts;
}

/// The same choice by cuts, exact.
[[gnu::cold, gnu::noinline]] inline Chosen choose_by_cuts(const ListedGroups& choices, std::size_t most,
                                                          double budget) {
  Chosen found;
  found.complete = true;
  BudgetCuts::Bought bought;
  const bool limited = budget < std::numeric_limits<double>::max();
  double dearest = 0;
  for (std::size_t g = 0; g < choices.size(); ++g) {
    const std::size_t cost = limited ? static_cast<std::size_t>(choices.costs[g]) : 1;
    dearest = std::max(dearest, choices.costs[g]);
    auto kind = std::find_if(bought.begin(), bought.end(), [&](const auto& one) { return one.first == cost; });
    if (kind == bought.end()) kind = bought.emplace(kind, cost, BestGroups(choices.tasks));
    kind->second.offer(choices.members[g], &choices.scores[choices.begin[g]], static_cast<std::uint32_t>(g));
  }
  std::sort(bought.begin(), bought.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::uint32_t> names;
  double value = 0;
  if (limited) {
    const auto units = static_cast<std::size_t>(std::min(budget, static_cast<double>(most) * dearest));
    if (bought[0].first <= units) names = BudgetCuts(bought, choices.tasks, most, units).best(value);
  } else {
    for (const std::uint64_t set : Cuts(bought[0].second.values, choices.tasks, most).best()) {
      names.push_back(bought[0].second.groups[set]);
      value += bought[0].second.values[set];
    }
    if (value < impossible / 2) names.clear();
  }
  if (names.empty()) return found;
  found.groups.assign(names.begin(), names.end());
  found.value = found.bound = value;
  return found;
}

/// The best choice: by branch and bound, and by cuts where these are quicker after all.
[[gnu::cold, gnu::noinline]] inline Chosen choose(const ListedGroups& choices, std::size_t most, double budget,
                                                  double work) {
  const double cuts = cut_work(choices, most, budget);
  Chosen found = Choice(choices, most, budget, std::min(cuts, work)).run();
  if (!found.complete && cuts <= work - found.work) return choose_by_cuts(choices, most, budget);
  return found;
}

}  // namespace mtlx::grouping::detail
