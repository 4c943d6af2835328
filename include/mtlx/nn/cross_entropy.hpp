// SPDX-License-Identifier: MIT
// Cross-entropies with smoothing or weights, for targets t, C classes, and p = softmax(z) or sigmoid(z).
//
// LabelSmoothing:  l = -(1 - e) log p_t - e/C sum_i log p_i,     dl/dz_i = p_i - (1 - e) [i = t] - e/C
// ClassWeights:    l = -w_t log p_t,                             dl/dz_i = w_t (p_i - [i = t])
// PositiveWeights: l_i = -w_i t_i log p_i - (1 - t_i) log(1 - p_i),
//                  dl_i/dz_i = (1 - t_i + w_i t_i) p_i - w_i t_i
//
// A batch's loss is the mean over its present targets, with weights too: what PyTorch's reduction="none" gives, averaged.
// (Its reduction="mean" divides by the sum of the targets' weights instead, so that a sample's weight depends on what
// else is in the batch.)
//
// Reference: Szegedy et al., "Rethinking the Inception Architecture", CVPR 2016, section 7; PyTorch's CrossEntropyLoss
// (label_smoothing, weight) and BCEWithLogitsLoss (pos_weight).
#pragma once

#include <mtlx/core/scalar.hpp>
#include <mtlx/nn/loss.hpp>

#include <cstddef>
#include <type_traits>

namespace mtlx::nn {

/// Cross-entropy of a softmax against one class a sample, of which `Percent` / 100 is spread evenly over all classes.
template <int Percent>
struct LabelSmoothing {
  static constexpr auto meaning = Meaning::classes;
  static constexpr int targets(int) { return 1; }

  template <int Outputs>
  static consteval bool check() {
    static_assert(Percent >= 0 && Percent < 100, "mtlx: LabelSmoothing takes a percentage from 0 to 99");
    return Percent >= 0 && Percent < 100;
  }

  template <int Outputs>
  static auto evaluate(const auto& s) {
    using Number = typename std::remove_cvref_t<decltype(s)>::Number;
    const Number spread(0.01 * Percent / Outputs), rest(1 - 0.01 * Percent);
    Number largest = s.z[0];
    for (std::size_t i = 1; i < Outputs; ++i) largest = maximum(largest, s.z[i]);
    Number total(0);
    Number expected(0);  // sum of the smoothed target times the centred logit
    for (std::size_t i = 0; i < Outputs; ++i) {
      const Number centred = s.z[i] - largest;
      const Number power = exponential(centred);
      s.dz[i] = power;
      total += power;
      const Number hit = select(s.target[0] == Number(static_cast<float>(i)), rest, Number(0));
      expected += (hit + spread) * centred;
    }
    const auto there = s.present[0] > Number(0);
    const Number scale = select(there, s.scale, Number(0));
    for (std::size_t i = 0; i < Outputs; ++i) {
      const Number hit = select(s.target[0] == Number(static_cast<float>(i)), rest, Number(0));
      s.dz[i] = select(there, scale * (s.dz[i] / total - (hit + spread)), Number(0));
    }
    return select(there, logarithm(total) - expected, Number(0));
  }
};

namespace detail {

// Whether a template argument is an array of weights, each a number from 0 on.
template <auto weights>
consteval bool are_weights() {
  if constexpr (requires { weights[weights.size() - 1] + 1.0; }) {
    bool sound = weights.size() > 0;
    for (const auto weight : weights) sound = sound && weight >= 0 && is_finite(static_cast<double>(weight));
    return sound;
  } else {
    return false;
  }
}

}  // namespace detail

/// Cross-entropy of a softmax, times the weight of the target's class: `ClassWeights<std::array{1.0, 5.0, 0.5}>`.
template <auto weights>
struct ClassWeights {
  static constexpr auto meaning = Meaning::classes;
  static constexpr int targets(int) { return 1; }

  template <int Outputs>
  static consteval bool check() {
    constexpr bool sound = [] {
      if constexpr (detail::are_weights<weights>())
        return weights.size() == Outputs;
      else
        return false;
    }();
    static_assert(sound, "mtlx: ClassWeights takes a std::array with a weight from 0 on for each class");
    return sound;
  }

  template <int Outputs>
  static auto evaluate(const auto& s) {
    using Number = typename std::remove_cvref_t<decltype(s)>::Number;
    Number weight(0);
    if constexpr (detail::are_weights<weights>())
      for (std::size_t i = 0; i < weights.size(); ++i)
        weight = select(s.target[0] == Number(static_cast<float>(i)), Number(static_cast<double>(weights[i])), weight);
    auto weighted = s;
    // A missing target's number, which nothing is known of, has no weight.
    weighted.scale = select(s.present[0] > Number(0), s.scale * weight, Number(0));
    return weight * SoftmaxCrossEntropy::evaluate<Outputs>(weighted);
  }
};

/// Binary cross-entropy in which a yes counts as often as its weight says, for rare labels. One weight for each label,
/// or one for all: `PositiveWeights<std::array{9.0}>`.
template <auto weights>
struct PositiveWeights {
  static constexpr auto meaning = Meaning::labels;
  static constexpr int targets(int outputs) { return outputs; }

  template <int Outputs>
  static consteval bool check() {
    constexpr bool sound = [] {
      if constexpr (detail::are_weights<weights>())
        return weights.size() == 1 || weights.size() == Outputs;
      else
        return false;
    }();
    static_assert(sound, "mtlx: PositiveWeights takes a std::array with one weight from 0 on, or one for each label");
    return sound;
  }

  template <int Outputs>
  static auto evaluate(const auto& s) {
    return detail::sum_over_targets<Outputs>(s, []<class Number>(std::size_t i, Number z, Number t) {
      const Number yes = Number(weight(i)) * t, no = Number(1) - t;
      // -log sigmoid(z) = max(-z, 0) + soft and -log(1 - sigmoid(z)) = max(z, 0) + soft.
      const Number soft = mtlx::detail::log_of_one_plus(exponential(-absolute(z)));
      return detail::ValueAndSlope<Number>{
          yes * maximum(-z, Number(0)) + no * maximum(z, Number(0)) + (yes + no) * soft, (yes + no) * sigmoid(z) - yes};
    });
  }

 private:
  static constexpr double weight(std::size_t i) {
    if constexpr (detail::are_weights<weights>())
      return static_cast<double>(weights[weights.size() == 1 ? 0 : i]);
    else
      return 0;
  }
};

}  // namespace mtlx::nn
