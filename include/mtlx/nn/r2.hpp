// SPDX-License-Identifier: MIT
// The coefficient of determination of each output, R² = 1 - sum (z - t)² / sum (t - mean t)², and the mean of these. As
// scikit-learn's r2_score, but for an output whose targets are all the same (or one only): there R² does not exist, and
// the output is left out.
//
// R² may be 0 or negative, where a relative improvement (study::delta_m) says nothing: as a task's primary metric take an
// error, and R² beside it.
#pragma once

#include <cstddef>
#include <mtlx/nn/metric.hpp>
#include <span>
#include <string_view>
#include <vector>

namespace mtlx::nn {

/// Share of the targets' variance that the outputs explain, the mean over the outputs: 1 at best, 0 for the targets'
/// mean, below 0 for less. NaN if no output has two different targets.
class R2 {
 public:
  static constexpr std::string_view name = "r2";
  static constexpr bool higher_is_better = true;
  static constexpr auto meaning = Meaning::numbers;
  static constexpr int targets(int outputs) { return outputs; }
  struct Value {
    double r2 = 0;
  };

  void add(std::span<const float> z, std::span<const float> target, std::span<const unsigned char> present) {
    outputs_.resize(z.size());
    for (std::size_t i = 0; i < z.size(); ++i) {
      if (present[i] == 0) continue;
      Output& output = outputs_[i];
      const auto t = static_cast<double>(target[i]), error = static_cast<double>(z[i]) - t;
      // Welford's recurrence: far from 0 nothing cancels, and equal targets have a spread of exactly 0.
      const double distance = t - output.mean;
      output.count += 1;
      output.mean += distance / output.count;
      output.spread += distance * (t - output.mean);
      output.errors += error * error;
    }
  }
  double value() const {
    Mean mean;
    for (const Output& output : outputs_)
      if (output.spread > 0) mean.add(1 - output.errors / output.spread);
    return mean.value();
  }

 private:
  struct Output {
    double count = 0, mean = 0, spread = 0, errors = 0;
  };
  std::vector<Output> outputs_;
};

}  // namespace mtlx::nn
