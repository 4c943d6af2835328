// SPDX-License-Identifier: MIT
// The concept of a loss: a stateless type with a value and a gradient for one sample, over any number type.
//
// Shapes. z : (outputs, batch) is what a head put out, target and present : (targets(outputs), batch), present 1 or 0.
//
// Minimal definition:
//   static constexpr int targets(int outputs);                     targets a sample
//   template <int Outputs> static auto evaluate(const auto& s);    see LossSample
// evaluate returns the sum of the losses of the sample's present targets and assigns
// s.dz[i] = s.scale * d(that sum)/dz[i]. A missing target adds nothing to either, whatever its number is.
//
// Optional:
//   static constexpr Meaning meaning;                              what z must mean: other tasks refuse the loss
//   template <int Outputs> static consteval bool check();          refuses a head, with one static_assert
//
// A batch's loss is the mean over its present targets. Laws, checked by testing/loss_laws.hpp: dz agrees with finite
// differences; missing targets have no influence; evaluate assigns dz whatever it held.
//
// The smallest type that models it is MeanSquaredError below. More losses: cross_entropy.hpp (smoothing and weights),
// focal.hpp, regression_loss.hpp.
//
// SoftmaxCrossEntropy: l = log sum_i e^{z_i} - z_t,          dl/dz_i = softmax(z)_i - [i = t]
// BinaryCrossEntropy:  l_i = log(1 + e^{z_i}) - t_i z_i,     dl/dz_i = sigmoid(z_i) - t_i
// MeanSquaredError:    l_i = (z_i - t_i)²,                   dl/dz_i = 2 (z_i - t_i)
#pragma once

#include <mtlx/backend/reference.hpp>
#include <mtlx/backend/sample.hpp>
#include <mtlx/core/scalar.hpp>

#include <concepts>
#include <cstddef>
#include <type_traits>

namespace mtlx::nn {

/// What the outputs of a head mean: a logit for each class of which one is right, a logit for each yes-or-no label, or
/// the numbers themselves.
enum class Meaning { classes, labels, numbers };

/// What a loss is given for one lane of samples.
template <class S>
struct LossSample {
  using Number = typename S::Number;
  backend::ConstLaneView<S> z;
  backend::ConstLaneView<S> target;
  backend::ConstLaneView<S> present;
  backend::LaneView<S> dz;
  Number scale;
};

/// A loss for a head of `Outputs` numbers; see the head of this file.
template <class L, int Outputs>
concept Loss = requires(const LossSample<backend::ReferenceSlice>& s) {
  { L::targets(Outputs) } -> std::convertible_to<int>;
  { L::template evaluate<Outputs>(s) } -> std::convertible_to<double>;
};

/// Cross-entropy of a softmax against one class a sample (its number as target); mean over the samples that have one.
struct SoftmaxCrossEntropy {
  static constexpr auto meaning = Meaning::classes;
  static constexpr int targets(int) { return 1; }

  template <int Outputs>
  static auto evaluate(const auto& s) {
    using Number = typename std::remove_cvref_t<decltype(s)>::Number;
    Number largest = s.z[0];
    for (std::size_t i = 1; i < Outputs; ++i) largest = maximum(largest, s.z[i]);
    Number total(0);
    Number chosen(0);
    for (std::size_t i = 0; i < Outputs; ++i) {
      const Number centred = s.z[i] - largest;
      const Number power = exponential(centred);
      s.dz[i] = power;
      total += power;
      chosen = select(s.target[0] == Number(static_cast<float>(i)), centred, chosen);
    }
    const auto there = s.present[0] > Number(0);
    const Number scale = select(there, s.scale, Number(0));
    for (std::size_t i = 0; i < Outputs; ++i) {
      const Number hit = select(s.target[0] == Number(static_cast<float>(i)), Number(1), Number(0));
      s.dz[i] = select(there, scale * (s.dz[i] / total - hit), Number(0));
    }
    return select(there, logarithm(total) - chosen, Number(0));
  }
};

namespace detail {

/// What one target's loss is, and its derivative by z.
template <class Number>
struct ValueAndSlope {
  Number value, slope;
};

/// A loss that is a sum over the targets, of one(i, z[i], target[i]) for each that is present: assigns s.dz, returns the
/// sum.
template <int Outputs, class One>
auto sum_over_targets(const auto& s, One one) {
  using Number = typename std::remove_cvref_t<decltype(s)>::Number;
  Number total(0);
  for (std::size_t i = 0; i < Outputs; ++i) {
    const auto there = s.present[i] > Number(0);
    const ValueAndSlope<Number> found = one(i, Number(s.z[i]), Number(s.target[i]));
    total += select(there, found.value, Number(0));
    s.dz[i] = select(there, s.scale * found.slope, Number(0));
  }
  return total;
}

}  // namespace detail

/// Cross-entropy of a sigmoid for each of several yes-or-no labels (targets 0 or 1, soft ones between); mean over the
/// labels that are present. Takes logits, so that no probability is rounded to 0 or 1.
struct BinaryCrossEntropy {
  static constexpr auto meaning = Meaning::labels;
  static constexpr int targets(int outputs) { return outputs; }

  template <int Outputs>
  static auto evaluate(const auto& s) {
    return detail::sum_over_targets<Outputs>(s, []<class Number>(std::size_t, Number z, Number t) {
      return detail::ValueAndSlope<Number>{softplus(z) - t * z, sigmoid(z) - t};
    });
  }
};

/// Squared distance to the target; mean over the targets that are present.
struct MeanSquaredError {
  static constexpr auto meaning = Meaning::numbers;
  static constexpr int targets(int outputs) { return outputs; }

  template <int Outputs>
  static auto evaluate(const auto& s) {
    using Number = typename std::remove_cvref_t<decltype(s)>::Number;
    Number total(0);
    for (std::size_t i = 0; i < Outputs; ++i) {
      const auto there = s.present[i] > Number(0);
      const Number error = s.z[i] - s.target[i];
      total += select(there, error * error, Number(0));
      s.dz[i] = select(there, s.scale * (error + error), Number(0));
    }
    return total;
  }
};

}  // namespace mtlx::nn
