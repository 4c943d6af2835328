// SPDX-License-Identifier: MIT
// The checkers of metrics and tasks are checked: metrics and tasks with one mistake each, which the laws must name.
#include <mtlx/nn/f1.hpp>
#include <mtlx/testing/metric_laws.hpp>
#include <mtlx/testing/task_laws.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <initializer_list>
#include <string>
#include <vector>

using namespace mtlx;
using namespace mtlx::nn;

namespace {

using Outputs = std::span<const float>;
using Present = std::span<const unsigned char>;

/// The mean absolute error, right in everything. The mistakes below are this metric, but for one thing.
struct RightMetric {
  static constexpr std::string_view name = "error";
  static constexpr bool higher_is_better = false;
  static constexpr int targets(int outputs) { return outputs; }
  struct Value {
    double error = 0;
  };
  void add(Outputs z, Outputs target, Present present) {
    for (std::size_t i = 0; i < z.size(); ++i)
      if (present[i] != 0) mean.add(std::abs(static_cast<double>(z[i]) - static_cast<double>(target[i])));
  }
  double value() const { return mean.value(); }

  Mean mean;
};

struct CountsMissing : RightMetric {
  void add(Outputs z, Outputs target, Present) {
    for (std::size_t i = 0; i < z.size(); ++i)
      mean.add(std::abs(static_cast<double>(z[i]) - static_cast<double>(target[i])));
  }
};
/// Right for finite numbers, but 0 times infinity is NaN.
struct MultipliesByPresence : RightMetric {
  void add(Outputs z, Outputs target, Present present) {
    for (std::size_t i = 0; i < z.size(); ++i) {
      mean.total += std::abs(static_cast<double>(z[i]) - static_cast<double>(target[i])) * present[i];
      mean.count += present[i];
    }
  }
};
struct ForgetsWhatWasLongAgo : RightMetric {
  void add(Outputs z, Outputs target, Present present) {
    mean.total *= 0.9, mean.count *= 0.9;
    RightMetric::add(z, target, present);
  }
};
struct MeanOfMeans : RightMetric {
  double value() const { return mean.value() + last; }
  void add(Outputs z, Outputs target, Present present) {
    RightMetric::add(z, target, present);
    if (present[0] != 0) last = static_cast<double>(z[0]);
  }
  double last = 0;
};
struct NothingIsPerfect : RightMetric {
  double value() const { return mean.count > 0 ? mean.value() : 0; }
};
struct Overflows : RightMetric {
  double value() const { return mean.value() / (mean.count - mean.count); }
};
struct LivesInOnePlace : RightMetric {
  void add(Outputs z, Outputs target, Present present) {
    static Mean everyone;
    mean = everyone;
    RightMetric::add(z, target, present);
    everyone = mean;
  }
};
struct EmptiesItself : RightMetric {
  double value() const {
    const double now = mean.value();
    const_cast<Mean&>(mean) = {};  // NOLINT: the mistake
    return now;
  }
};
/// A NaN has neither more nor less than the target, and so no error.
struct TakesNaNForRight : RightMetric {
  void add(Outputs z, Outputs target, Present present) {
    for (std::size_t i = 0; i < z.size(); ++i) {
      const double error = static_cast<double>(z[i]) - static_cast<double>(target[i]);
      if (present[i] != 0) mean.add(error > 0 ? error : error < 0 ? -error : 0);
    }
  }
};
struct LosesItsNumber : RightMetric {
  struct Value {
    explicit(false) constexpr Value(double) {}
    int error = 0;
  };
};
struct Nameless : RightMetric {
  static constexpr std::string_view name = "";
};
static_assert(Metric<RightMetric>);
static_assert(!Metric<LosesItsNumber>, "a Value is an aggregate");

template <class M>
void finds(std::initializer_list<std::string> laws) {
  const testing::Report report = testing::check_metric<M, 3>({.target = testing::real_target});
  for (const std::string& law : laws) {
    CAPTURE(law);
    CAPTURE(report.text());
    CHECK(report.broke(law));
  }
}

// Tasks with mistakes.

struct RightTask : Regression<"place", 2, MeanSquaredError, Metrics<RightMetric, RootMeanSquaredError>> {};
struct RefusesEverything : RightTask {
  static constexpr bool accepts(float) { return false; }
};
struct WrongLoss : RightTask {
  struct Loss : MeanSquaredError {
    template <int Count>
    static auto evaluate(const auto& s) {
      auto twice = s;
      twice.scale = s.scale + s.scale;
      return MeanSquaredError::evaluate<Count>(twice);
    }
  };
};
struct WrongMetric : RightTask {
  using Metric = Metrics<RootMeanSquaredError, CountsMissing>;
};
struct CentredAnswers : RightTask {
  struct Prediction : Answers<2> {
    explicit Prediction(std::vector<float> z) : Answers<2>(std::move(z)) {
      float mean = 0;
      for (const float x : values_) mean += x / static_cast<float>(values_.size());
      for (float& x : values_) x -= mean;
    }
  };
};
struct InfiniteAnswers : RightTask {
  struct Prediction : Answers<2> {
    explicit Prediction(std::vector<float> z) : Answers<2>(std::move(z)) {
      for (float& x : values_) x = std::exp(1000 * x);
    }
  };
};
struct OneAnswerTooMany : RightTask {
  struct Prediction : Answers<2> {
    explicit Prediction(std::vector<float> z) : Answers<2>(std::move(z)) { values_.resize(values_.size() + 2); }
  };
};

template <class T>
testing::Report check(const testing::TaskOptions& options = {}) {
  return testing::check_task<T, backend::Reference>(options);
}

template <class T>
void task_breaks(const std::string& law) {
  const testing::Report report = check<T>();
  CAPTURE(law);
  CAPTURE(report.text());
  CHECK(report.broke(law));
}

}  // namespace

TEST_CASE("a right metric passes") {
  const auto report = testing::check_metric<RightMetric, 3>({.target = testing::real_target});
  CHECK_MESSAGE(report.ok(), report.text());
  CHECK(report.checks() > 20);
}

TEST_CASE("wrong metrics are found") {
  finds<CountsMissing>({"missing targets don't count", "without a present target the value is NaN"});
  finds<MultipliesByPresence>({"missing targets don't count"});
  finds<ForgetsWhatWasLongAgo>({"the order of the samples"});
  finds<MeanOfMeans>({"the order of the samples"});
  finds<NothingIsPerfect>({"without a sample", "without a present target"});
  finds<Overflows>({"finite outputs give a finite value"});
  finds<LivesInOnePlace>({"another metric knows nothing of this one"});
  finds<EmptiesItself>({"asking for the value changes nothing"});
  finds<TakesNaNForRight>({"NaN is not a right answer"});
  finds<Nameless>({"named"});
}

TEST_CASE("the library's tasks keep the laws, with other losses and metrics too") {
  for (const testing::Report& report :
       {check<RightTask>(), check<Classification<"kind", 3, SoftmaxCrossEntropy, Metrics<Accuracy, MacroF1>>>(),
        check<BinaryLabels<"flags", 2>>(), check<Regression<"place", 2>>({.target = testing::unit_target})}) {
    CHECK_MESSAGE(report.ok(), report.text());
    CHECK(report.checks() > 400);
  }
}

TEST_CASE("wrong tasks are found") {
  task_breaks<RefusesEverything>("targets");
  task_breaks<WrongLoss>("gradient");
  task_breaks<WrongMetric>("missing targets don't count");
  task_breaks<CentredAnswers>("an answer doesn't depend on its neighbours");
  task_breaks<InfiniteAnswers>("finite outputs give finite answers");
  task_breaks<OneAnswerTooMany>("as many answers as samples");
}

TEST_CASE("a task is checked with the targets that it accepts") {
  CHECK(check<Classification<"kind", 3>>({.target = testing::real_target}).broke("targets"));
  CHECK_FALSE(check<Classification<"kind", 3>>({.target = testing::class_target}).broke("targets"));
}
