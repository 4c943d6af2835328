// SPDX-License-Identifier: MIT
// The concept of a task: a type that says what a head puts out, what that is compared with, and how it is judged.
//
// Minimal definition:
//   static constexpr auto name = Name("left");      unique in the model
//   static constexpr int outputs;                   numbers that the head puts out
//   using Loss; using Metric;                       see loss.hpp and metric.hpp
//   struct Score;                                   an aggregate: {loss, the metric}
//   static constexpr bool accepts(float target);    what a target may be (asked once, at the data border)
//   static constexpr std::string_view targets_are;  the same in words, for the error
//   using Prediction;                               made from the head's outputs: see Answers
#pragma once

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
#include <utility>
#include <vector>

namespace mtlx {

/// A task; see the head of this file.
template <class T>
concept Task = NamedTask<T> && nn::Metric<typename T::Metric> && requires(float target) {
  { T::Loss::targets(T::outputs) } -> std::convertible_to<int>;
  typename T::Score;
  { T::accepts(target) } -> std::convertible_to<bool>;
  { T::targets_are } -> std::convertible_to<std::string_view>;
  requires std::constructible_from<typename T::Prediction, std::vector<float>>;
};

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

/// One class out of `Classes` for each sample. Targets: the class as a number from 0. Loss: softmax cross-entropy;
/// metric: accuracy. Predictions are probabilities.
template <Name TaskName, int Classes>
struct Classification {
  static constexpr auto name = TaskName;
  static constexpr int outputs = Classes;
  using Loss = nn::SoftmaxCrossEntropy;
  using Metric = nn::Accuracy;
  struct Score {
    double loss = 0;
    double accuracy = 0;
  };
  static constexpr std::string_view targets_are = "whole numbers from 0 to the number of classes less 1";
  static constexpr bool accepts(float target) {
    return target >= 0 && target < Classes && static_cast<float>(static_cast<int>(target)) == target;
  }

  /// Probabilities of the classes; they sum to 1.
  struct Prediction : Answers<Classes> {
    explicit Prediction(std::vector<float> logits) : Answers<Classes>(std::move(logits)) {
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
};

/// `Count` yes-or-no labels for each sample. Targets: from 0 (no) to 1 (yes). Loss: binary cross-entropy; metric: share
/// of right labels. Predictions are probabilities of yes.
template <Name TaskName, int Count>
struct BinaryLabels {
  static constexpr auto name = TaskName;
  static constexpr int outputs = Count;
  using Loss = nn::BinaryCrossEntropy;
  using Metric = nn::BinaryAccuracy;
  struct Score {
    double loss = 0;
    double accuracy = 0;
  };
  static constexpr std::string_view targets_are = "numbers from 0 to 1";
  static constexpr bool accepts(float target) { return target >= 0 && target <= 1; }

  struct Prediction : Answers<Count> {
    explicit Prediction(std::vector<float> logits) : Answers<Count>(std::move(logits)) {
      for (float& z : this->values_) z = sigmoid(z);
    }
  };
};

/// `Outputs` real numbers for each sample. Loss: mean squared error; metric: its square root.
template <Name TaskName, int Outputs>
struct Regression {
  static constexpr auto name = TaskName;
  static constexpr int outputs = Outputs;
  using Loss = nn::MeanSquaredError;
  using Metric = nn::RootMeanSquaredError;
  struct Score {
    double loss = 0;
    double rmse = 0;
  };
  static constexpr std::string_view targets_are = "finite numbers";
  static bool accepts(float target) { return is_finite(target); }
  using Prediction = Answers<Outputs>;
};

}  // namespace mtlx
