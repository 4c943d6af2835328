// SPDX-License-Identifier: MIT
// Each layer's parameters are a problem of their own: its rows, its Gram matrix, its weights, its state.
// Reference: Wang et al., "Gradient Vaccine", ICLR 2021, compares the whole model, layers and matrices.
#pragma once

#include <mtlx/balancing/balancer.hpp>
#include <mtlx/core/options.hpp>

namespace mtlx::balancing {

/// Balancer policy: another one that needs gradients, for each layer of the shared part apart, or with
/// Blocks::parameters for each matrix and each bias. With one layer it is that other one.
template <class M, Blocks Split = Blocks::layers>
struct PerLayer {
  static constexpr auto kind = Kind::balancer;
  static constexpr Blocks blocks = Split;
  using Method = M;
  using State = PolicyState<M>;

  M method{};

  [[gnu::cold]] void validate() const { mtlx::validate(method); }
};

}  // namespace mtlx::balancing
