// SPDX-License-Identifier: MIT
// The concept of a metric: what a task's predictions are judged by. It collects sample after sample on the host, in
// double, and then has a value.
//
// Minimal definition:
//   static constexpr std::string_view name;
//   static constexpr bool higher_is_better;
//   void add(std::span<const float> z, std::span<const float> target, std::span<const unsigned char> present);
//   double value() const;                       NaN where nothing was present
// z are the head's outputs of one sample (logits for classes and labels); missing targets must not count.
#pragma once

#include <cmath>
#include <concepts>
#include <cstddef>
#include <limits>
#include <mtlx/core/scalar.hpp>
#include <span>
#include <string_view>

namespace mtlx::nn {

/// A metric; see the head of this file.
template <class M>
concept Metric = std::default_initializable<M> &&
                 requires(M m, const M c, std::span<const float> z, std::span<const unsigned char> present) {
                   { M::name } -> std::convertible_to<std::string_view>;
                   { M::higher_is_better } -> std::convertible_to<bool>;
                   m.add(z, z, present);
                   { c.value() } -> std::convertible_to<double>;
                 };

/// A sum and a count of what was present.
struct Mean {
  double total = 0;
  double count = 0;

  void add(double number) { total += number, count += 1; }
  double value() const { return count > 0 ? total / count : std::numeric_limits<double>::quiet_NaN(); }
};

/// Share of samples whose largest output is the target class (the first of equals). Outputs with a NaN are no hit.
class Accuracy {
 public:
  static constexpr std::string_view name = "accuracy";
  static constexpr bool higher_is_better = true;

  void add(std::span<const float> z, std::span<const float> target, std::span<const unsigned char> present) {
    if (present[0] == 0) return;
    std::size_t best = 0;
    bool valid = true;
    for (std::size_t i = 0; i < z.size(); ++i) {
      if (z[i] > z[best]) best = i;
      valid = valid && !is_nan(z[i]);
    }
    hits_.add(valid && static_cast<float>(best) == target[0] ? 1 : 0);
  }
  double value() const { return hits_.value(); }

 private:
  Mean hits_;
};

/// Share of the labels, over all samples and labels that are present, whose logit has the target's side (above 0: yes).
/// NaN has neither.
class BinaryAccuracy {
 public:
  static constexpr std::string_view name = "accuracy";
  static constexpr bool higher_is_better = true;

  void add(std::span<const float> z, std::span<const float> target, std::span<const unsigned char> present) {
    for (std::size_t i = 0; i < z.size(); ++i)
      if (present[i] != 0) hits_.add(!is_nan(z[i]) && (z[i] > 0) == (target[i] > 0.5F) ? 1 : 0);
  }
  double value() const { return hits_.value(); }

 private:
  Mean hits_;
};

/// Square root of the mean squared error over all targets that are present, in the targets' unit.
class RootMeanSquaredError {
 public:
  static constexpr std::string_view name = "rmse";
  static constexpr bool higher_is_better = false;

  void add(std::span<const float> z, std::span<const float> target, std::span<const unsigned char> present) {
    for (std::size_t i = 0; i < z.size(); ++i) {
      const double error = static_cast<double>(z[i]) - static_cast<double>(target[i]);
      if (present[i] != 0) squares_.add(error * error);
    }
  }
  double value() const { return std::sqrt(squares_.value()); }

 private:
  Mean squares_;
};

}  // namespace mtlx::nn
