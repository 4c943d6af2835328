// SPDX-License-Identifier: MIT
// theta <- theta - M * update, with a mask M that is fixed before the first step: of the weights that come into a neuron,
// the largest few by magnitude move, and the others keep their bits.
// Reference: Zhang et al., "Proactive Gradient Conflict Mitigation in Multi-Task Learning: A Sparse Training
// Perspective", arXiv 2411.18615, 2024.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <mtlx/balancing/balancer.hpp>
#include <mtlx/core/options.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/nn/layer.hpp>
#include <span>
#include <vector>

namespace mtlx::balancing {

/// Balancer policy: another one, which trains some weights of each neuron of the shared part and leaves the rest as they
/// began. Meant for weights that were trained before (`load_weights` before the first `fit`). Biases, norms and embeddings
/// move. What doesn't move is no part of the problem: its gradients count as 0, and the optimizer's memory of it stays 0.
template <class M>
struct SparseTraining {
  static constexpr auto kind = Kind::balancer;
  static constexpr bool masks = true;
  using Method = M;
  using State = PolicyState<M>;

  M method{};
  double share = 0.3;  ///< of a neuron's incoming weights that move, at most 1; rounded up, and at least one does

  [[gnu::cold]] void validate() const {
    mtlx::validate(method);
    check_option("SparseTraining: share", share, {.most = 1});
  }

  /// Of equal magnitudes, the first ones move.
  template <class S>
  [[gnu::cold]] void mask(const nn::Parameter& parameter, std::span<const S> values, std::span<S> mask) const {
    std::fill(mask.begin(), mask.end(), S(1));
    if (parameter.role != nn::Role::weight) return;
    // Where the neurons stand among the extents; what stands before and after them comes in.
    const auto axis = static_cast<std::size_t>(parameter.neurons_at);
    std::size_t after = 1, neurons = 1;
    for (std::size_t i = axis; i < parameter.rank(); ++i)
      (i == axis ? neurons : after) *= static_cast<std::size_t>(parameter.shape[i]);
    const std::size_t incoming = values.size() / neurons;
    const auto most = static_cast<std::size_t>(std::ceil(share * static_cast<double>(incoming)));
    std::vector<std::size_t> places(incoming);
    for (std::size_t n = 0; n < neurons; ++n) {
      for (std::size_t i = 0; i < incoming; ++i) places[i] = (i / after * neurons + n) * after + i % after;
      const auto size = [&](std::size_t at) { return is_nan(values[at]) ? S(0) : absolute(values[at]); };
      std::stable_sort(places.begin(), places.end(), [&](std::size_t a, std::size_t b) { return size(a) > size(b); });
      for (std::size_t i = std::max<std::size_t>(most, 1); i < incoming; ++i) mask[places[i]] = S(0);
    }
  }
};

}  // namespace mtlx::balancing
