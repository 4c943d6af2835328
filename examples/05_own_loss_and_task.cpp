// SPDX-License-Identifier: MIT
// A loss, a metric and a task of your own, checked by the library's law suites (check_task does check_loss and
// check_metric too), and trained: two tasks that share a trunk predict the borders between which a noisy number lies four
// times out of five.
#include <cmath>
#include <cstdio>
#include <mtlx/mtlx.hpp>
#include <mtlx/testing/task_laws.hpp>
#include <vector>

using namespace mtlx;

/// The pinball loss, which is least at the quantile of `Percent`: q e above the prediction, (q - 1) e below it, with
/// e = t - z. (Koenker and Bassett, "Regression Quantiles", Econometrica 1978.)
template <int Percent>
struct Pinball {
  static constexpr int targets(int outputs) { return outputs; }

  template <int Outputs>
  static auto evaluate(const auto& s) {
    using Number = typename std::remove_cvref_t<decltype(s)>::Number;
    const Number q(0.01F * Percent);
    Number total(0);
    for (std::size_t i = 0; i < Outputs; ++i) {
      const auto there = s.present[i] > Number(0);
      const Number error = s.target[i] - s.z[i];
      const Number slope = select(error < Number(0), q - Number(1), q);
      total += select(there, slope * error, Number(0));
      s.dz[i] = select(there, -(s.scale * slope), Number(0));
    }
    return total;
  }
};

/// The share of the targets that lie below the prediction, as its distance from what it should be.
template <int Percent>
class CoverageError {
 public:
  static constexpr std::string_view name = "coverage_error";
  static constexpr bool higher_is_better = false;
  struct Value {
    double coverage_error = 0;
  };
  static constexpr int targets(int outputs) { return outputs; }

  void add(std::span<const float> z, std::span<const float> target, std::span<const unsigned char> present) {
    for (std::size_t i = 0; i < z.size(); ++i)
      if (present[i] != 0) below_.add(target[i] < z[i] ? 1 : 0), broken_ = broken_ || is_nan(z[i]);
  }
  double value() const { return broken_ ? std::nan("") : std::abs(below_.value() - 0.01 * Percent); }

 private:
  nn::Mean below_;
  bool broken_ = false;
};

/// A number that `Percent` out of 100 targets are below.
template <Name TaskName, int Percent>
struct Quantile {
  static constexpr auto name = TaskName;
  static constexpr int outputs = 1;
  using Loss = Pinball<Percent>;
  using Metric = nn::Metrics<CoverageError<Percent>, nn::AbsoluteError>;
  static constexpr std::string_view targets_are = "finite numbers";
  static bool accepts(float target) { return is_finite(target); }
  using Prediction = Answers<1>;
};

using Model = MultiTask<Input<1>, Tasks<Quantile<"low", 10>, Quantile<"high", 90>>,
                        sharing::Hard<nn::Sequential<nn::Dense<32>, nn::Tanh>>>;

int main() try {
  const testing::Report laws = testing::check_task<Quantile<"low", 10>>();
  std::printf("%s", laws.ok() ? "the task keeps every law of losses, metrics and tasks\n" : laws.text().c_str());

  // A wave whose noise grows from left to right.
  Random random(1, Purpose::user);
  std::vector<float> x, y;
  for (int i = 0; i < 6000; ++i) {
    x.push_back(static_cast<float>(2 * random.uniform() - 1));
    y.push_back(std::sin(3 * x.back()) + 0.3F * (1.2F + x.back()) * static_cast<float>(random.normal()));
  }
  const data::DataSet data(data::Inputs({1}, x),
                           {{"low", data::Targets::values(1, y)}, {"high", data::Targets::values(1, y)}});
  const auto [train, test] = data::split(data, 0.7, 1);

  Model model{{.optimizer = {.learning_rate = 3e-3}}};
  model.fit(train, {.epochs = 60});
  const auto scores = model.evaluate(test);
  const double low = scores.get<"low">().coverage_error, high = scores.value("high", "coverage_error");
  std::printf("the share below the low border is %.3f from 0.1, that below the high one %.3f from 0.9\n", low, high);
  return laws.ok() && low < 0.04 && high < 0.04 ? 0 : 1;
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
