// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <mtlx/balancing/balancer.hpp>
#include <mtlx/balancing/laws.hpp>

namespace mtlx::balancing {

/// Balancer policy: the plain sum of the losses, w = 1.
struct EqualWeights {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::nothing;

  constexpr Laws laws() const { return {}; }

  void weights(const Problem&, NoState&, std::span<double> w) const { std::fill(w.begin(), w.end(), 1.0); }
};

}  // namespace mtlx::balancing
