// SPDX-License-Identifier: MIT
// The concept of a task: a type that says what a head puts out, what that is compared with, and how it is judged.
//
// Minimal definition:
//   static constexpr auto name = Name("left");      unique in the model
//   static constexpr int outputs;                   numbers that the head puts out
//   using Loss;                                     see loss.hpp
//   using Metric;                                   see metric.hpp; for several nn::Metrics<...>, the primary one first
//   static constexpr bool accepts(float target);    what a target may be (asked once, at the data border)
//   static constexpr std::string_view targets_are;  the same in words, for the error
//   using Prediction;                               made from the head's outputs: see Answers
// Its score has the member `loss` and one for each metric. testing/task_laws.hpp checks a task.
//
// Optional:
//   static constexpr Meaning meaning;               what the outputs mean: losses and metrics of others are refused
#pragma once

#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <mtlx/core/name.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/core/tasks.hpp>
#include <mtlx/nn/loss.hpp>
#include <mtlx/nn/metric.hpp>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace mtlx {

namespace nn::detail {

// Whether the outputs that P (a loss or metric) is made for may be the task's; what says nothing fits all.
template <class P, class T>
consteval bool means_the_same() {
  if constexpr (requires { P::meaning == T::meaning; })
    return P::meaning == T::meaning;
  else
    return true;
}

// What must hold of a task's metrics beside the concept.
template <class List>
struct MetricFacts;
template <class... M>
struct MetricFacts<Metrics<M...>> {
  static constexpr bool metrics = (Metric<M> && ...);
  template <class T>
  static constexpr bool meaning = (means_the_same<M, T>() && ...);
  template <class T>
  static constexpr bool targets = ((M::targets(T::outputs) == T::Loss::targets(T::outputs)) && ...);
  template <class Value>
  static constexpr int members = (0 + ... + (std::is_same_v<Value, typename M::Value> ? 1 : 0));
  // Each name and each member of the score is one metric's.
  static consteval bool distinct() {
    constexpr std::array<std::string_view, sizeof...(M) + 1> all{"loss", M::name...};
    for (std::size_t i = 0; i < all.size(); ++i)
      for (std::size_t j = 0; j < i; ++j)
        if (all[i] == all[j]) return false;
    return ((members<typename M::Value> == 1) && ...);
  }
};

template <class T>
using MetricsOfTask = MetricFacts<MetricsOf<typename T::Metric>>;

}  // namespace nn::detail

/// A task; see the head of this file.
template <class T>
concept Task = NamedTask<T> && nn::Loss<typename T::Loss, T::outputs> && nn::detail::MetricsOfTask<T>::metrics &&
               nn::detail::MetricsOfTask<T>::distinct() && requires(float target) {
                 { T::accepts(target) } -> std::convertible_to<bool>;
                 { T::targets_are } -> std::convertible_to<std::string_view>;
                 requires std::constructible_from<typename T::Prediction, std::vector<float>>;
               };

/// Whether a named task is a Task whose parts fit together; if not, one sentence has said why.
template <class T>
consteval bool check_task() {
  if constexpr (requires {
                  typename T::Loss;
                  typename T::Metric;
                }) {
    constexpr bool loss = nn::Loss<typename T::Loss, T::outputs>;
    static_assert(loss,
                  "mtlx: the loss of a task lacks `targets(outputs)` or `evaluate<outputs>(sample)`: see nn/loss.hpp");
    constexpr bool metrics = nn::detail::MetricsOfTask<T>::metrics;
    static_assert(!loss || metrics,
                  "mtlx: the metric of a task lacks something of the concept Metric: see nn/metric.hpp");
    if constexpr (!loss || !metrics) {
      return false;
    } else {
      using Facts = nn::detail::MetricsOfTask<T>;
      constexpr bool meaning = nn::detail::means_the_same<typename T::Loss, T>();
      static_assert(meaning,
                    "mtlx: the loss of a task is made for another kind of outputs (classes, labels or numbers)");
      constexpr bool judged = Facts::template meaning<T>;
      static_assert(!meaning || judged,
                    "mtlx: a metric of a task is made for another kind of outputs (classes, labels or numbers)");
      constexpr bool targets = Facts::template targets<T>;
      static_assert(!meaning || !judged || targets,
                    "mtlx: the loss and a metric of a task differ in how many targets a sample has");
      constexpr bool fits = meaning && judged && targets;
      constexpr bool distinct = Facts::distinct();
      static_assert(!fits || distinct,
                    "mtlx: the metrics of a task need names and Values of their own, and none may be named loss");
      constexpr bool task = Task<T>;
      static_assert(!fits || !distinct || task, "mtlx: a task lacks something of the concept Task: see nn/task.hpp");
      if constexpr (!fits || !task)
        return false;
      else if constexpr (requires { T::Loss::template check<T::outputs>(); })
        return T::Loss::template check<T::outputs>();
      else
        return true;
    }
  } else {
    static_assert(Task<T>, "mtlx: a task lacks something of the concept Task: see nn/task.hpp");
    return false;
  }
}

namespace detail {

template <class... T>
struct EachTask {
  static consteval bool check() { return true; }
};
template <class First, class... Rest>
struct EachTask<First, Rest...> {
  static consteval bool check() {
    if constexpr (check_task<First>())
      return EachTask<Rest...>::check();
    else
      return false;
  }
};
template <class... T>
struct EachTask<Tasks<T...>> : EachTask<T...> {};

}  // namespace detail

/// Whether a list's tasks are in order; if not, one sentence has said why, of the first that isn't.
template <class TaskList>
consteval bool check_each_task() {
  return detail::EachTask<TaskList>::check();
}

/// What a model answers for one task: values : (samples, outputs), a sample's numbers together.
template <int Outputs>
class Answers {
 public:
  explicit Answers(std::vector<float> values) : values_(std::move(values)) {}

  /// Number of samples.
  std::size_t size() const { return values_.size() / Outputs; }
  /// One sample's numbers.
  std::span<const float, Outputs> operator[](std::size_t sample) const {
    return std::span<const float, Outputs>(values_.data() + sample * Outputs, Outputs);
  }
  /// All of them, (samples, outputs).
  std::span<const float> values() const { return values_; }

 protected:
  std::vector<float> values_;
};

/// Probabilities of the classes; they sum to 1.
template <int Classes>
struct ClassAnswers : Answers<Classes> {
  [[gnu::noinline]] explicit ClassAnswers(std::vector<float> logits) : Answers<Classes>(std::move(logits)) {
    for (std::size_t first = 0; first < this->values_.size(); first += Classes) {
      float* z = this->values_.data() + first;
      float largest = z[0];
      for (int i = 1; i < Classes; ++i) largest = maximum(largest, z[i]);
      float total = 0;
      for (int i = 0; i < Classes; ++i) total += z[i] = std::exp(z[i] - largest);
      for (int i = 0; i < Classes; ++i) z[i] /= total;
    }
  }
  /// The most probable class of a sample (the first of equals).
  int label(std::size_t sample) const {
    const auto probabilities = (*this)[sample];
    int best = 0;
    for (int i = 1; i < Classes; ++i)
      if (probabilities[static_cast<std::size_t>(i)] > probabilities[static_cast<std::size_t>(best)]) best = i;
    return best;
  }
};

/// Probabilities of yes.
template <int Count>
struct LabelAnswers : Answers<Count> {
  [[gnu::noinline]] explicit LabelAnswers(std::vector<float> logits) : Answers<Count>(std::move(logits)) {
    for (float& z : this->values_) z = sigmoid(z);
  }
};

/// One class out of `Classes` for each sample. Targets: the class as a number from 0. Loss: softmax cross-entropy;
/// metric: accuracy; or others: `Classification<"left", 10, nn::LabelSmoothing<10>, nn::Metrics<nn::Accuracy,
/// nn::MacroF1>>`. Predictions are probabilities.
template <Name TaskName, int Classes, class L = nn::SoftmaxCrossEntropy, class M = nn::Accuracy>
struct Classification {
  static constexpr auto name = TaskName;
  static constexpr int outputs = Classes;
  static constexpr auto meaning = nn::Meaning::classes;
  using Loss = L;
  using Metric = M;
  static constexpr std::string_view targets_are = "whole numbers from 0 to the number of classes less 1";
  static constexpr bool accepts(float target) {
    return target >= 0 && target < Classes && static_cast<float>(static_cast<int>(target)) == target;
  }
  using Prediction = ClassAnswers<Classes>;
};

/// `Count` yes-or-no labels for each sample. Targets: from 0 (no) to 1 (yes). Loss: binary cross-entropy; metric: share
/// of right labels; or others. Predictions are probabilities of yes.
template <Name TaskName, int Count, class L = nn::BinaryCrossEntropy, class M = nn::BinaryAccuracy>
struct BinaryLabels {
  static constexpr auto name = TaskName;
  static constexpr int outputs = Count;
  static constexpr auto meaning = nn::Meaning::labels;
  using Loss = L;
  using Metric = M;
  static constexpr std::string_view targets_are = "numbers from 0 to 1";
  static constexpr bool accepts(float target) { return target >= 0 && target <= 1; }
  using Prediction = LabelAnswers<Count>;
};

/// `Outputs` real numbers for each sample. Loss: mean squared error; metric: its square root; or others.
template <Name TaskName, int Outputs, class L = nn::MeanSquaredError, class M = nn::RootMeanSquaredError>
struct Regression {
  static constexpr auto name = TaskName;
  static constexpr int outputs = Outputs;
  static constexpr auto meaning = nn::Meaning::numbers;
  using Loss = L;
  using Metric = M;
  static constexpr std::string_view targets_are = "finite numbers";
  static bool accepts(float target) { return is_finite(target); }
  using Prediction = Answers<Outputs>;
};

}  // namespace mtlx
