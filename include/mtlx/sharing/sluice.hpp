// SPDX-License-Identifier: MIT
// Sluice networks: a trunk for each of the T tasks; behind every stage its channels are cut into s equal subspaces, and
//   x~_(t,a) = sum_(j,b) alpha_(t,a),(j,b) x_(j,b)        over all T s subspaces, one alpha for a stage;
//   h_t = sum_k beta_tk x~_t,k                            what the head gets, over the stages k
//   Omega = sum_t sum_k sum_(a<b) || G_t,k,a^T G_t,k,b ||_F^2,   the loss grows by orthogonality * Omega
// with G_t,k,a : (inputs, neurons) the weights that lead to subspace a: of the stage's last weight, its neurons a n / s to
// (a + 1) n / s. A stage whose last weight has no such equal parts adds nothing.
// First values: alpha_ii = own, the others (1 - own) / (T s - 1); beta 1 / stages (the authors' "balanced").
// Reference: Ruder, Bingel, Augenstein and Soegaard, "Latent Multi-task Architecture Learning", AAAI 2019.
// Deviations: the paper's layers have one width; here h_t mixes the stages whose output has the last one's shape, and where
// that is the last alone there is no beta. The neurons of two subspaces are made orthogonal; the authors' program has
// (neurons, inputs) for G, of one gate of an LSTM. alpha of two subspaces begins with `own` on its diagonal, theirs with
// another pattern of 0.95 and 0.05.
#pragma once

#include <mtlx/core/options.hpp>
#include <mtlx/sharing/stitching.hpp>

#include <span>

namespace mtlx::sharing {

namespace detail {

/// A weight's neurons: neuron i has the numbers (o * neurons + i) * inner + q, for o below `outer` and q below `inner`.
struct Neurons {
  std::size_t offset = 0, outer = 0, neurons = 0, inner = 0;

  static constexpr Neurons of(const nn::Parameter& p, std::size_t offset) {
    Neurons n{offset, 1, static_cast<std::size_t>(p.shape[static_cast<std::size_t>(p.neurons_at)]), 1};
    for (std::size_t i = 0; i < p.rank(); ++i) {
      if (i < static_cast<std::size_t>(p.neurons_at)) n.outer *= static_cast<std::size_t>(p.shape[i]);
      if (i > static_cast<std::size_t>(p.neurons_at)) n.inner *= static_cast<std::size_t>(p.shape[i]);
    }
    return n;
  }
};

/// The sum of squared inner products of neurons of different subspaces. Where there is a `gradient`, `factor` times that
/// of the sum is added to it.
template <class S>
[[gnu::noinline]] double overlap(const S* all, const Neurons& of, std::size_t subspaces, S* gradient, double factor) {
  if (of.neurons % subspaces != 0) return 0;
  constexpr std::size_t most = 64;  // a neuron with so many others at a time: they are neighbours in a Dense layer
  const std::size_t width = of.neurons / subspaces, step = of.inner;
  std::array<double, most> product;
  std::array<S, most> slope;
  double sum = 0;
  for (std::size_t i = 0; i < of.neurons; ++i)
    for (std::size_t first = (i / width + 1) * width; first < of.neurons; first += most) {
      const std::size_t count = std::min(most, of.neurons - first);
      const auto for_each_input = [&](const auto& function) {
        for (std::size_t o = 0; o < of.outer; ++o)
          for (std::size_t q = 0; q < of.inner; ++q)
            function(of.offset + (o * of.neurons + i) * step + q, of.offset + (o * of.neurons + first) * step + q);
      };
      product.fill(0);
      for_each_input([&](std::size_t one, std::size_t others) {
        const auto a = static_cast<double>(all[one]);
        for (std::size_t j = 0; j < count; ++j) product[j] += a * static_cast<double>(all[others + j * step]);
      });
      for (std::size_t j = 0; j < count; ++j) {
        sum += product[j] * product[j];
        slope[j] = static_cast<S>(2 * factor * product[j]);
      }
      if (gradient == nullptr) continue;
      for_each_input([&](std::size_t one, std::size_t others) {
        S total = 0;
        for (std::size_t j = 0; j < count; ++j) {
          total += slope[j] * all[others + j * step];
          gradient[others + j * step] += slope[j] * all[one];
        }
        gradient[one] += total;
      });
    }
  return sum;
}

}  // namespace detail

/// Sharing policy: a trunk for each task, joined by subspaces behind every stage of `Stages<...>`, and a mixture of stages
/// for each head.
template <class Trunk, int Subspaces, Real Own, class... Heads>
struct SluiceWith {
  static constexpr auto kind = Kind::sharing;

  /// What Omega counts; 0 leaves it out. 0.1 stands in the authors' example.
  double orthogonality = 0.1;

 private:
  using Staged = typename detail::AsStages<Trunk>::type;
  static constexpr detail::StitchedBy by{{Own, false}, Subspaces, true};

 public:
  template <Shape In, class TaskList>
  static consteval bool check() {
    return detail::check_stitched<by, Staged, In, TaskList, Heads...>();
  }

  template <Shape In, class TaskList>
  struct Network : detail::StitchedNetwork<In, Staged, by, TaskList, Heads...> {
    using Strategy = SluiceWith;

    /// Calls function(Neurons) for the last weight of every stage of every trunk.
    template <class Function>
    static void for_each_neurons(Function&& function) {
      const nn::Path nowhere{};
      std::array<detail::Neurons, Staged::count> lasts;
      for (std::size_t t = 0; t < TaskList::count; ++t) {
        lasts = {};
        Network::for_each_staged(nowhere, t,
                                 [&](std::size_t k, const nn::Path&, const nn::Parameter& p, std::size_t offset) {
                                   if (p.role == nn::Role::weight) lasts[k] = detail::Neurons::of(p, offset);
                                 });
        for (const detail::Neurons& weight : lasts)
          if (weight.neurons > 0) function(weight);
      }
    }
  };

  void validate() const { check_option("Sluice: orthogonality", orthogonality); }

  /// orthogonality * Omega
  template <class Network, class S>
  double penalty(std::span<const S> parameters, TaskSet present) const {
    double sum = 0;
    if (active(present))
      Network::for_each_neurons([&](const detail::Neurons& weight) {
        sum += detail::overlap<S>(parameters.data(), weight, Subspaces, nullptr, 0);
      });
    return orthogonality * sum;
  }
  template <class Network, class S>
  void regularise(std::span<const S> parameters, TaskSet present, std::span<S> gradient) const {
    if (active(present))
      Network::for_each_neurons([&](const detail::Neurons& weight) {
        detail::overlap<S>(parameters.data(), weight, Subspaces, gradient.data(), orthogonality);
      });
  }

 private:
  // Every task owns every trunk.
  bool active(TaskSet present) const { return Subspaces > 1 && orthogonality > 0 && !present.empty(); }
};

/// As the paper begins where one task's weights matter most: 0.9 own.
template <class Trunk, int Subspaces, class... Heads>
using Sluice = SluiceWith<Trunk, Subspaces, 0.9, Heads...>;

}  // namespace mtlx::sharing
