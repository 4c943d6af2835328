// SPDX-License-Identifier: MIT
// What mask rules share: which weights may be masked, and choosing the best of them by a score.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <mtlx/core/options.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/core/task_set.hpp>
#include <mtlx/sharing/masks.hpp>
#include <span>
#include <string_view>
#include <vector>

namespace mtlx::sharing::detail {

using Places = std::vector<std::size_t>;

/// The places of all weights that may be masked, in order.
[[gnu::cold, gnu::noinline]] inline Places prunable(std::span<const MaskBlock> blocks) {
  Places places;
  for (const MaskBlock& block : blocks)
    for (std::size_t i = 0; block.prunable() && i < block.parameter.size(); ++i) places.push_back(block.offset + i);
  return places;
}

/// So many of them are a share; halves go to the even number, as NumPy rounds.
inline std::size_t share_of(double share, std::size_t numbers) {
  return std::min(numbers, static_cast<std::size_t>(std::nearbyint(share * static_cast<double>(numbers))));
}

/// A score that can be compared: one that is not finite counts as the lowest.
inline double comparable(double score) { return is_finite(score) ? score : std::numeric_limits<double>::lowest(); }

/// |w|, and 0 if it is NaN.
template <class S>
S size_of(S w) {
  return is_nan(w) ? S(0) : absolute(w);
}

/// A place and its score side by side, so that ordering many looks nothing up.
struct Scored {
  double score;
  std::size_t place;
};
inline std::vector<Scored> scored(std::span<const std::size_t> places, std::span<const double> scores) {
  std::vector<Scored> pairs(places.size());
  for (std::size_t r = 0; r < pairs.size(); ++r) pairs[r] = {scores[places[r]], places[r]};
  return pairs;
}

/// Orders by score, the highest first, and of equal ones the first place.
struct Higher {
  bool operator()(const Scored& a, const Scored& b) const {
    return a.score > b.score || (!(b.score > a.score) && a.place < b.place);
  }
};

/// Moves the `count` with the highest scores to the front, in no order; then comes the next one, and the rest.
[[gnu::noinline]] inline void highest_first(std::span<Scored> pairs, std::size_t count) {
  if (count < pairs.size())
    std::nth_element(pairs.begin(), pairs.begin() + static_cast<std::ptrdiff_t>(count), pairs.end(), Higher());
}
/// The same for places alone; of equal ones the first. scores : by place
[[gnu::noinline]] inline void highest_first(std::span<std::size_t> places, std::size_t count,
                                            std::span<const double> scores) {
  std::vector<Scored> pairs = scored(places, scores);
  highest_first(pairs, count);
  for (std::size_t r = 0; r < pairs.size(); ++r) places[r] = pairs[r].place;
}

/// Those of the places for which `takes(place)`, in order.
template <class Takes>
void filter(std::span<const std::size_t> places, Places& taken, Takes&& takes) {
  taken.resize(places.size());
  std::size_t count = 0;
  for (const std::size_t i : places) {  // without a branch, which nobody could predict
    taken[count] = i;
    count += takes(i) ? 1 : 0;
  }
  taken.resize(count);
}

/// All tasks that are not in the set.
inline TaskSet others_than(TaskSet tasks) {
  TaskSet others = TaskSet::first(TaskSet::capacity);
  for (std::size_t t = 0; t < TaskSet::capacity; ++t)
    if (tasks.has(t)) others = others.without(t);
  return others;
}

/// The tasks own the first `count` places and none of the others.
[[gnu::cold, gnu::noinline]] inline void own_first(std::span<TaskSet> owners, TaskSet tasks,
                                                   std::span<const std::size_t> places, std::size_t count) {
  const TaskSet others = others_than(tasks);
  for (std::size_t i = 0; i < places.size(); ++i)
    owners[places[i]] = i < count ? owners[places[i]] | tasks : owners[places[i]] & others;
}

/// Weights that no task owns become 0, and the optimizer forgets them.
template <class S>
[[gnu::cold, gnu::noinline]] void clear_dead(const MaskStep<S>& step) {
  for (std::size_t i = 0; i < step.owners.size(); ++i)
    if (step.owners[i].empty()) {
      step.parameters[i] = S(0);
      step.forget(i);
    }
}

[[gnu::cold]] inline void check_density(std::string_view option, double density) {
  check_option(option, density, {.most = 1});
}

}  // namespace mtlx::sharing::detail
