// SPDX-License-Identifier: MIT
// How well the outputs for yes-or-no labels sort the samples, whatever the threshold. Both keep every score, and sort them
// when asked for their value.
//
// RocAuc:           the chance that a yes has a higher score than a no, equal scores counting half: with the ranks r of
//                   all n scores (equal ones share the mean of their ranks), (sum of r over the yes - p (p + 1) / 2) /
//                   (p (n - p)) for p yes among n.
// AveragePrecision: the sum over the thresholds, from the highest score down, of (R_k - R_(k-1)) P_k, with recall R and
//                   precision P of the samples from that score on; equal scores are one threshold.
//
// Of several labels, the mean. Left out is a label for which the number does not exist: one without a yes, for RocAuc
// also one without a no; without any label left the value is NaN. (scikit-learn's roc_auc_score gives NaN for such a
// label, its average_precision_score 0.) The value is NaN, too, if a score is whose target is present.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <mtlx/core/scalar.hpp>
#include <mtlx/nn/metric.hpp>
#include <span>
#include <string_view>
#include <vector>

namespace mtlx::nn {

namespace detail {

struct ScoredLabel {
  float score;
  bool yes;
};

/// The scores of each label; a target above one half is yes.
class ScoredLabels {
 public:
  static constexpr bool higher_is_better = true;
  static constexpr auto meaning = Meaning::labels;
  static constexpr int targets(int outputs) { return outputs; }

  void add(std::span<const float> z, std::span<const float> target, std::span<const unsigned char> present) {
    labels_.resize(z.size());
    for (std::size_t i = 0; i < z.size(); ++i) {
      if (present[i] == 0) continue;
      nan_ = nan_ || is_nan(z[i]);
      labels_[i].push_back({z[i], target[i] > 0.5F});
    }
  }

 protected:
  [[gnu::cold, gnu::noinline]] static void sort(std::vector<ScoredLabel>& label) {
    std::sort(label.begin(), label.end(), [](const ScoredLabel& a, const ScoredLabel& b) { return a.score > b.score; });
  }
  // One label: its samples of one score after those of higher ones, as function(yes, no) among them.
  template <class Function>
  static void for_each_score(std::vector<ScoredLabel> label, Function function) {
    sort(label);
    for (std::size_t i = 0; i < label.size();) {
      const float score = label[i].score;
      double yes = 0, no = 0;
      for (; i < label.size() && label[i].score == score; ++i) (label[i].yes ? yes : no) += 1;
      function(yes, no);
    }
  }

  /// The mean of one(label, yes, no) over the labels that have as many yes and no as asked for.
  template <class One>
  [[gnu::cold]] double mean(bool needs_no, One one) const {
    Mean mean;
    for (const std::vector<ScoredLabel>& label : labels_) {
      const auto yes = static_cast<double>(
          std::count_if(label.begin(), label.end(), [](const ScoredLabel& sample) { return sample.yes; }));
      const double no = static_cast<double>(label.size()) - yes;
      if (!nan_ && yes > 0 && (no > 0 || !needs_no)) mean.add(one(label, yes, no));
    }
    return mean.value();
  }

 private:
  std::vector<std::vector<ScoredLabel>> labels_;
  bool nan_ = false;
};

}  // namespace detail

/// The area under the curve of true positives over false positives (ROC), the mean over the labels.
class RocAuc : public detail::ScoredLabels {
 public:
  static constexpr std::string_view name = "roc_auc";
  struct Value {
    double roc_auc = 0;
  };

  double value() const {
    return mean(true, [](const std::vector<detail::ScoredLabel>& label, double all_yes, double all_no) {
      double pairs = 0, higher = 0;
      for_each_score(label, [&](double yes, double no) {
        pairs += no * (higher + yes / 2);
        higher += yes;
      });
      return pairs / (all_yes * all_no);
    });
  }
};

/// Average precision, the area under the curve of precision over recall by steps, the mean over the labels.
class AveragePrecision : public detail::ScoredLabels {
 public:
  static constexpr std::string_view name = "average_precision";
  struct Value {
    double average_precision = 0;
  };

  double value() const {
    return mean(false, [](const std::vector<detail::ScoredLabel>& label, double all_yes, double) {
      double total = 0, found = 0, seen = 0;
      for_each_score(label, [&](double yes, double no) {
        found += yes;
        seen += yes + no;
        total += yes / all_yes * (found / seen);
      });
      return total;
    });
  }
};

}  // namespace mtlx::nn
