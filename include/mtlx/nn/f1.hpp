// SPDX-License-Identifier: MIT
// The F1 score, the harmonic mean of precision and recall: F1 = 2 TP / (2 TP + FP + FN).
//
// Macro: the mean of the classes' scores. Micro: the score of the sums of TP, FP and FN over the classes. As
// scikit-learn's f1_score with zero_division=0: of classes, those count that are someone's target or prediction; of
// labels, all do, and one without a yes, predicted or true, has 0.
//
// Labels without any target that is present don't count. A NaN among a sample's outputs is a wrong answer: for classes
// a prediction of none of them, for labels one of the other side.
#pragma once

#include <cstddef>
#include <limits>
#include <mtlx/core/scalar.hpp>
#include <mtlx/nn/metric.hpp>
#include <span>
#include <string_view>
#include <vector>

namespace mtlx::nn {

namespace detail {

/// Right and wrong answers of one class or label.
struct AnswerCounts {
  double true_positives = 0, false_positives = 0, false_negatives = 0;
  bool present = false;

  double f1() const {
    const double all = 2 * true_positives + false_positives + false_negatives;
    return all > 0 ? 2 * true_positives / all : 0;
  }
};

inline double macro_f1(std::span<const AnswerCounts> counts) {
  Mean mean;
  for (const AnswerCounts& one : counts)
    if (one.present) mean.add(one.f1());
  return mean.value();
}

inline double micro_f1(std::span<const AnswerCounts> counts) {
  AnswerCounts total;
  for (const AnswerCounts& one : counts) {
    total.true_positives += one.true_positives;
    total.false_positives += one.false_positives;
    total.false_negatives += one.false_negatives;
    total.present = total.present || one.present;
  }
  return total.present ? total.f1() : std::numeric_limits<double>::quiet_NaN();
}

class ClassCounts {
 public:
  static constexpr bool higher_is_better = true;
  static constexpr auto meaning = Meaning::classes;
  static constexpr int targets(int) { return 1; }

  void add(std::span<const float> z, std::span<const float> target, std::span<const unsigned char> present) {
    if (present[0] == 0) return;
    counts_.resize(z.size());
    const std::size_t answer = predicted_class(z);
    for (std::size_t i = 0; i < z.size(); ++i) {
      const bool is = static_cast<float>(i) == target[0], said = i == answer;
      counts_[i].true_positives += is && said;
      counts_[i].false_positives += !is && said;
      counts_[i].false_negatives += is && !said;
      counts_[i].present = counts_[i].present || is || said;
    }
  }

 protected:
  std::vector<AnswerCounts> counts_;
};

class LabelCounts {
 public:
  static constexpr bool higher_is_better = true;
  static constexpr auto meaning = Meaning::labels;
  static constexpr int targets(int outputs) { return outputs; }

  void add(std::span<const float> z, std::span<const float> target, std::span<const unsigned char> present) {
    counts_.resize(z.size());
    for (std::size_t i = 0; i < z.size(); ++i) {
      if (present[i] == 0) continue;
      const bool is = target[i] > 0.5F, said = is_nan(z[i]) ? !is : z[i] > 0;
      counts_[i].true_positives += is && said;
      counts_[i].false_positives += !is && said;
      counts_[i].false_negatives += is && !said;
      counts_[i].present = true;
    }
  }

 protected:
  std::vector<AnswerCounts> counts_;
};

}  // namespace detail

/// The mean of the classes' F1 scores.
class MacroF1 : public detail::ClassCounts {
 public:
  static constexpr std::string_view name = "f1";
  struct Value {
    double f1 = 0;
  };
  double value() const { return detail::macro_f1(counts_); }
};

/// The F1 score over all classes together (the accuracy, but for outputs with a NaN).
class MicroF1 : public detail::ClassCounts {
 public:
  static constexpr std::string_view name = "micro_f1";
  struct Value {
    double micro_f1 = 0;
  };
  double value() const { return detail::micro_f1(counts_); }
};

/// The mean of the labels' F1 scores. A logit above 0 says yes, a target above one half is yes.
class BinaryMacroF1 : public detail::LabelCounts {
 public:
  static constexpr std::string_view name = "f1";
  using Value = MacroF1::Value;
  double value() const { return detail::macro_f1(counts_); }
};

/// The F1 score over all labels together. A logit above 0 says yes, a target above one half is yes.
class BinaryMicroF1 : public detail::LabelCounts {
 public:
  static constexpr std::string_view name = "micro_f1";
  using Value = MicroF1::Value;
  double value() const { return detail::micro_f1(counts_); }
};

}  // namespace mtlx::nn
