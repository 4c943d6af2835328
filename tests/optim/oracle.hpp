// SPDX-License-Identifier: MIT
// Runs an optimizer through a backend's update as scripts/oracle/optimizers.py ran PyTorch's.
#pragma once

#include <doctest/doctest.h>

#include <mtlx/core/options.hpp>
#include <mtlx/optim/optimizer.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "optimizer_oracle.inc"

namespace oracle {

inline constexpr std::size_t size = 9;
inline constexpr int steps = 50;
inline constexpr int steps_per_epoch = 5;
inline constexpr std::array<int, 4> kept{1, 2, 10, 50};

constexpr double start(std::size_t i) { return (static_cast<int>(i) * 5 % 7 - 3) / 4.0; }
/// Parameter 3 never has a gradient.
constexpr double gradient(int step, std::size_t i) {
  return i == 3 ? 0 : ((step * 7 + static_cast<int>(i) * 13) % 17 - 8) / 8.0;
}

/// The time at a step, which counts from 1, of 10 epochs of 5.
inline mtlx::optim::Now now(int step) {
  double squares = 0;
  for (std::size_t i = 0; i < size; ++i) squares += gradient(step, i) * gradient(step, i);
  const int done = (step - 1) / steps_per_epoch, within = (step - 1) % steps_per_epoch;
  return {static_cast<std::uint64_t>(step), done + within / static_cast<double>(steps_per_epoch),
          steps / steps_per_epoch, steps_per_epoch, std::sqrt(squares)};
}

/// The parameters, or their average where the optimizer keeps one, after the steps that the oracle kept. `cuts`: where
/// update's range is cut (law: without influence).
template <class Back, class Optimizer>
std::vector<std::vector<typename Back::Scalar>> run(const Optimizer& optimizer, std::vector<std::size_t> cuts = {}) {
  using Scalar = typename Back::Scalar;
  // More room than numbers: g++ 12 warns of whole registers beyond a small vector, where none is ever read.
  constexpr std::size_t stride = 64;
  mtlx::validate(optimizer);
  std::vector<Scalar> p(stride), g(stride), state((Optimizer::states + 1) * stride);
  for (std::size_t i = 0; i < size; ++i) p[i] = static_cast<Scalar>(start(i));
  cuts.push_back(size);
  std::vector<std::vector<Scalar>> found;
  for (int step = 1; step <= steps; ++step) {
    for (std::size_t i = 0; i < size; ++i) g[i] = static_cast<Scalar>(gradient(step, i));
    const auto rule = mtlx::optim::rule(optimizer, now(step), {});
    std::size_t begin = 0;
    for (const std::size_t end : cuts) {
      Back::template update<Optimizer::states>(end - begin, p.data() + begin, g.data() + begin, state.data() + begin,
                                               stride, rule);
      begin = end;
    }
    const auto& result = mtlx::optim::averages<Optimizer> ? state : p;
    if (std::find(kept.begin(), kept.end(), step) != kept.end())
      found.emplace_back(result.begin(), result.begin() + size);
  }
  return found;
}

/// `tolerance` is relative to numbers of about 1.
template <class Back, class Optimizer>
void agrees(const Optimizer& optimizer, const double (&expected)[4][size], double tolerance) {
  const auto found = run<Back>(optimizer);
  REQUIRE(found.size() == kept.size());
  for (std::size_t k = 0; k < kept.size(); ++k)
    for (std::size_t i = 0; i < size; ++i) {
      CAPTURE(kept[k]);
      CAPTURE(i);
      CHECK(std::abs(static_cast<double>(found[k][i]) - expected[k][i]) <= tolerance);
    }
  CHECK(run<Back>(optimizer, {1, 4, 6}) == found);
}

}  // namespace oracle
