// SPDX-License-Identifier: MIT
// The concept of a metric: what a task's predictions are judged by. It collects sample after sample on the host, in
// double, and then has a value.
//
// Minimal definition:
//   static constexpr std::string_view name;
//   static constexpr bool higher_is_better;
//   struct Value { double accuracy = 0; };      one number: names the member that it becomes in a task's score
//   static constexpr int targets(int outputs);  targets a sample, as the loss has (loss.hpp)
//   void add(std::span<const float> z, std::span<const float> target, std::span<const unsigned char> present);
//   double value() const;                       NaN where nothing was present
// z : (outputs) are the head's outputs of one sample (logits for classes and labels), target and present :
// (targets(outputs)); missing targets must not count.
//
// Optional:
//   static constexpr Meaning meaning;           what z must mean: other tasks refuse the metric
//   void begin_sequence();                      called before each sample that doesn't go on with the sequence (sentence)
//                                               of the sample before it: see data::Targets::in_sequences
//
// Laws, checked by testing/metric_laws.hpp: the order of samples (of sequences, for those that are told) doesn't matter;
// missing targets don't count; two metrics share nothing; a value is finite where z is, and says so with NaN at most where
// it isn't.
//
// The smallest type that models it is AbsoluteError below. More metrics: f1.hpp, span_f1.hpp, ranking.hpp, r2.hpp.
#pragma once

#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <limits>
#include <mtlx/core/scalar.hpp>
#include <mtlx/nn/loss.hpp>
#include <span>
#include <string_view>
#include <tuple>
#include <type_traits>

namespace mtlx::nn {

/// A metric; see the head of this file.
template <class M>
concept Metric =
    std::default_initializable<M> && std::is_aggregate_v<typename M::Value> &&
    requires(M m, const M c, std::span<const float> z, std::span<const unsigned char> present, double number) {
      { M::name } -> std::convertible_to<std::string_view>;
      { M::higher_is_better } -> std::convertible_to<bool>;
      { M::targets(1) } -> std::convertible_to<int>;
      (typename M::Value{number});
      m.add(z, z, present);
      { c.value() } -> std::convertible_to<double>;
    };

/// Several metrics of one task: `Metrics<Accuracy, MacroF1>`. The first is the primary one, which the task is compared
/// by; the score has a member for each.
template <class First, class... More>
class Metrics {
 public:
  static constexpr std::size_t count = 1 + sizeof...(More);
  static constexpr std::string_view name = First::name;
  static constexpr bool higher_is_better = First::higher_is_better;
  static constexpr std::array<std::string_view, count> names{First::name, More::name...};
  static constexpr std::array<bool, count> directions{First::higher_is_better, More::higher_is_better...};

  void add(std::span<const float> z, std::span<const float> target, std::span<const unsigned char> present) {
    std::apply([&](auto&... metric) { (metric.add(z, target, present), ...); }, metrics_);
  }
  /// For those that look at sequences.
  void begin_sequence() {
    const auto begin = [](auto& metric) {
      if constexpr (requires { metric.begin_sequence(); }) metric.begin_sequence();
    };
    std::apply([&](auto&... metric) { (begin(metric), ...); }, metrics_);
  }
  /// The value of each.
  std::array<double, count> values() const {
    return std::apply([](const auto&... metric) { return std::array<double, count>{metric.value()...}; }, metrics_);
  }

 private:
  std::tuple<First, More...> metrics_;
};

namespace detail {

template <class M>
struct ListOfMetrics {
  using type = Metrics<M>;
};
template <class... M>
struct ListOfMetrics<Metrics<M...>> {
  using type = Metrics<M...>;
};

}  // namespace detail

/// One metric or several, as a list.
template <class M>
using MetricsOf = typename detail::ListOfMetrics<M>::type;

/// A sum and a count of what was present.
struct Mean {
  double total = 0;
  double count = 0;

  void add(double number) { total += number, count += 1; }
  double value() const { return count > 0 ? total / count : std::numeric_limits<double>::quiet_NaN(); }
};

/// The class with the largest output (the first of equals), or the number of classes if an output is NaN.
inline std::size_t predicted_class(std::span<const float> z) {
  std::size_t best = 0;
  bool valid = true;
  for (std::size_t i = 0; i < z.size(); ++i) {
    if (z[i] > z[best]) best = i;
    valid = valid && !is_nan(z[i]);
  }
  return valid ? best : z.size();
}

/// Share of samples whose largest output is the target class (the first of equals). Outputs with a NaN are no hit.
class Accuracy {
 public:
  static constexpr std::string_view name = "accuracy";
  static constexpr bool higher_is_better = true;
  static constexpr auto meaning = Meaning::classes;
  static constexpr int targets(int) { return 1; }
  struct Value {
    double accuracy = 0;
  };

  void add(std::span<const float> z, std::span<const float> target, std::span<const unsigned char> present) {
    if (present[0] != 0) hits_.add(static_cast<float>(predicted_class(z)) == target[0] ? 1 : 0);
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
  static constexpr auto meaning = Meaning::labels;
  static constexpr int targets(int outputs) { return outputs; }
  using Value = Accuracy::Value;

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
  static constexpr auto meaning = Meaning::numbers;
  static constexpr int targets(int outputs) { return outputs; }
  struct Value {
    double rmse = 0;
  };

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

/// Mean of the absolute errors over all targets that are present, in the targets' unit.
class AbsoluteError {
 public:
  static constexpr std::string_view name = "mae";
  static constexpr bool higher_is_better = false;
  static constexpr auto meaning = Meaning::numbers;
  static constexpr int targets(int outputs) { return outputs; }
  struct Value {
    double mae = 0;
  };

  void add(std::span<const float> z, std::span<const float> target, std::span<const unsigned char> present) {
    for (std::size_t i = 0; i < z.size(); ++i)
      if (present[i] != 0) errors_.add(std::abs(static_cast<double>(z[i]) - static_cast<double>(target[i])));
  }
  double value() const { return errors_.value(); }

 private:
  Mean errors_;
};

}  // namespace mtlx::nn
