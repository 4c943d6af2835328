// SPDX-License-Identifier: MIT
// The tasks' gradients are taken at the shared representation h = trunk(x), over the whole batch, in place of the shared
// parameters: delta = sum_i w_i dl_i/dh, and one backward pass of the trunk takes delta on. By the chain rule the
// direction is as far as the weights go Jᵀ w with the parameters' gradients, but the trunk's backward pass is run once and
// not for each task.
// Reference: Sener and Koltun, "Multi-Task Learning as Multi-Objective Optimization", NeurIPS 2018, section 3.3 (MGDA-UB).
#pragma once

#include <mtlx/balancing/balancer.hpp>
#include <mtlx/core/options.hpp>

namespace mtlx::balancing {

/// Balancer policy: another one that needs gradients, of which it sees those at the shared representation. Cheap for many
/// tasks and a large trunk. The sharing strategy must have such a representation, as Hard does; where tasks have inputs of
/// their own, their gradients never meet in a sample, and no two conflict.
template <class M>
struct OnRepresentation {
  static constexpr auto kind = Kind::balancer;
  static constexpr bool on_representation = true;
  using Method = M;
  using State = PolicyState<M>;

  M method{};

  [[gnu::cold]] void validate() const { mtlx::validate(method); }
};

}  // namespace mtlx::balancing
