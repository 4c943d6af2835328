// SPDX-License-Identifier: MIT
// Cross-entropies in which what the model already gets right counts little, g = gamma:
//
// Focal:        p = sigmoid(z), q = p (1 - t) + (1 - p) t, the probability of the wrong answer,
//               ce = -t log p - (1 - t) log(1 - p), a = alpha t + (1 - alpha) (1 - t) (1 if alpha is negative),
//               l = a q^g ce,     dl/dz = a (q^g (p - t) + g q^(g-1) p (1 - p) (1 - 2 t) ce)
// SoftmaxFocal: p = softmax(z), q = 1 - p_t,
//               l = -q^g log p_t,     dl/dz_i = (g q^(g-1) p_t log p_t - q^g) ([i = t] - p_i)
//
// Reference: Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, eq. 5 (SoftmaxFocal: eq. 4); torchvision's
// sigmoid_focal_loss.
#pragma once

#include <mtlx/core/real.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/nn/loss.hpp>

#include <cstddef>
#include <type_traits>

namespace mtlx::nn {

namespace detail {

// q^exponent for a probability q. Small whole exponents, the usual ones, need no logarithm.
template <mtlx::Real exponent, class Number>
Number power(Number q) {
  constexpr double e = exponent.value;
  if constexpr (e == 0)
    return Number(1);
  else if constexpr (e == 1)
    return q;
  else if constexpr (e == 2)
    return q * q;
  else if constexpr (e == 3)
    return q * q * q;
  else  // 1e-30 is 0 for a probability, and has a logarithm and a root in single precision.
    return exponential(Number(e) * logarithm(maximum(q, Number(1e-30))));
}

template <mtlx::Real gamma>
consteval bool check_gamma() {
  constexpr bool sound = gamma.value >= 0 && gamma.value <= 100;
  static_assert(sound, "mtlx: a focal loss takes a gamma from 0 to 100");
  return sound;
}

}  // namespace detail

/// Binary cross-entropy for many easy labels: each label counts by how wrong its answer is, to the power `gamma`, and a
/// yes by `alpha`, a no by 1 - alpha (a negative alpha: both by 1). Mean over the labels that are present.
template <mtlx::Real gamma = 2, mtlx::Real alpha = 0.25>
struct Focal {
  static constexpr auto meaning = Meaning::labels;
  static constexpr int targets(int outputs) { return outputs; }

  template <int Outputs>
  static consteval bool check() {
    constexpr bool below = alpha.value <= 1;
    static_assert(below, "mtlx: Focal takes an alpha up to 1, or a negative one for none");
    if constexpr (below)
      return detail::check_gamma<gamma>();
    else
      return false;
  }

  template <int Outputs>
  static auto evaluate(const auto& s) {
    return detail::sum_over_targets<Outputs>(s, []<class Number>(std::size_t, Number z, Number yes) {
      const Number no = Number(1) - yes;
      // Both sides without a difference from 1, which would lose the small one.
      const Number p = sigmoid(z), rest = sigmoid(-z);
      const Number soft = mtlx::detail::log_of_one_plus(exponential(-absolute(z)));
      const Number entropy = yes * maximum(-z, Number(0)) + no * maximum(z, Number(0)) + soft;
      const Number wrong = p * no + rest * yes;
      Number share(1);
      if constexpr (alpha.value >= 0) share = Number(alpha.value) * yes + Number(1 - alpha.value) * no;
      const Number factor = share * detail::power<gamma>(wrong);
      // p - t, again without a difference from 1.
      Number slope = factor * (p * no - rest * yes);
      if constexpr (gamma.value > 0)
        slope += share * Number(gamma.value) * detail::power<mtlx::Real(gamma.value - 1)>(wrong) * p * rest *
                 (no - yes) * entropy;
      return detail::ValueAndSlope<Number>{factor * entropy, slope};
    });
  }
};

/// Cross-entropy of a softmax in which a sample counts by the probability of its wrong classes to the power `gamma`.
template <mtlx::Real gamma = 2>
struct SoftmaxFocal {
  static constexpr auto meaning = Meaning::classes;
  static constexpr int targets(int) { return 1; }

  template <int Outputs>
  static consteval bool check() {
    return detail::check_gamma<gamma>();
  }

  template <int Outputs>
  static auto evaluate(const auto& s) {
    using Number = typename std::remove_cvref_t<decltype(s)>::Number;
    Number largest = s.z[0];
    for (std::size_t i = 1; i < Outputs; ++i) largest = maximum(largest, s.z[i]);
    Number right(0), others(0), chosen(0);
    for (std::size_t i = 0; i < Outputs; ++i) {
      const Number centred = s.z[i] - largest;
      const Number exponent = exponential(centred);
      s.dz[i] = exponent;
      const auto hit = s.target[0] == Number(static_cast<float>(i));
      right += select(hit, exponent, Number(0));
      others += select(hit, Number(0), exponent);
      chosen = select(hit, centred, chosen);
    }
    const Number total = right + others;
    const Number entropy = logarithm(total) - chosen;
    const Number p = right / total, wrong = others / total;
    const Number factor = detail::power<gamma>(wrong);
    Number slope = factor;
    if constexpr (gamma.value > 0)
      slope += Number(gamma.value) * detail::power<mtlx::Real(gamma.value - 1)>(wrong) * p * entropy;
    const auto there = s.present[0] > Number(0);
    for (std::size_t i = 0; i < Outputs; ++i) {
      const auto hit = s.target[0] == Number(static_cast<float>(i));
      // p_t - 1 without a difference from 1.
      const Number distance = select(hit, -wrong, s.dz[i] / total);
      s.dz[i] = select(there, s.scale * slope * distance, Number(0));
    }
    return select(there, factor * entropy, Number(0));
  }
};

}  // namespace mtlx::nn
