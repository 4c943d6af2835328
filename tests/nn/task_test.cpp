// SPDX-License-Identifier: MIT
#include <mtlx/nn/task.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

using namespace mtlx;

namespace {

using Left = Classification<"left", 3>;
using Labels = BinaryLabels<"labels", 2>;
using Height = Regression<"height", 2>;

static_assert(Task<Left>);
static_assert(Task<Labels>);
static_assert(Task<Height>);
static_assert(!Task<int>);
static_assert(Left::name.view() == "left" && Left::outputs == 3 && Left::Loss::targets(3) == 1);
static_assert(Labels::Loss::targets(2) == 2 && Height::Loss::targets(2) == 2);

// Other losses and metrics than by default.
using Judged = Classification<"left", 3, nn::SoftmaxCrossEntropy, nn::Metrics<nn::Accuracy>>;
using Spread = Regression<"height", 2, nn::MeanSquaredError, nn::Metrics<nn::AbsoluteError, nn::RootMeanSquaredError>>;
static_assert(check_each_task<Tasks<Left, Labels, Height, Judged, Spread>>());
static_assert(Spread::Metric::name == "mae" && Spread::Metric::count == 2 && !Spread::Metric::higher_is_better);
static_assert(std::is_same_v<nn::MetricsOf<nn::Accuracy>, Judged::Metric>);
static_assert(!Task<Classification<"left", 3, nn::Accuracy>>);
static_assert(!Task<Classification<"left", 3, nn::SoftmaxCrossEntropy, nn::SoftmaxCrossEntropy>>);
static_assert(!Task<Classification<"left", 3, nn::SoftmaxCrossEntropy, nn::Metrics<nn::Accuracy, nn::Accuracy>>>);

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

}  // namespace

TEST_CASE("what a class may be") {
  for (const float target : {0.0F, 1.0F, 2.0F}) CHECK(Left::accepts(target));
  for (const float target : {-1.0F, 3.0F, 0.5F, 1e30F, -1e30F, infinity, -infinity, not_a_number})
    CHECK_FALSE(Left::accepts(target));
}

TEST_CASE("what a label may be") {
  for (const float target : {0.0F, 0.5F, 1.0F}) CHECK(Labels::accepts(target));
  for (const float target : {-0.1F, 1.1F, infinity, -infinity, not_a_number}) CHECK_FALSE(Labels::accepts(target));
}

TEST_CASE("what a real target may be") {
  for (const float target : {0.0F, -1e30F, 3.5F}) CHECK(Height::accepts(target));
  for (const float target : {infinity, -infinity, not_a_number}) CHECK_FALSE(Height::accepts(target));
}

TEST_CASE("answers are rows") {
  const Answers<2> answers({1, 2, 3, 4, 5, 6});
  CHECK(answers.size() == 3);
  CHECK(answers[1][0] == 3);
  CHECK(answers[2][1] == 6);
  CHECK(answers.values().size() == 6);
  CHECK(Answers<2>({}).size() == 0);
}

TEST_CASE("class probabilities") {
  const Left::Prediction prediction({0, std::log(2.0F), 0, 5, 5, 5, 1e4F, -1e4F, 0, -1, -1, -7});
  CHECK(prediction.size() == 4);
  CHECK(prediction[0][0] == doctest::Approx(0.25));
  CHECK(prediction[0][1] == doctest::Approx(0.5));
  CHECK(prediction[1][2] == doctest::Approx(1.0 / 3));
  CHECK(prediction[2][0] == 1);
  CHECK(prediction[2][1] == 0);
  for (std::size_t s = 0; s < 4; ++s) {
    float total = 0;
    for (const float p : prediction[s]) total += p;
    CHECK(total == doctest::Approx(1));
  }
  CHECK(prediction.label(0) == 1);
  // The first of equals.
  CHECK(prediction.label(1) == 0);
  CHECK(prediction.label(2) == 0);
  CHECK(prediction.label(3) == 0);
}

TEST_CASE("label probabilities") {
  const Labels::Prediction prediction({0, std::log(3.0F), -1e4F, 1e4F});
  CHECK(prediction.size() == 2);
  CHECK(prediction[0][0] == 0.5F);
  CHECK(prediction[0][1] == doctest::Approx(0.75));
  CHECK(prediction[1][0] == 0);
  CHECK(prediction[1][1] == 1);
}

TEST_CASE("real answers are as they come") {
  const Height::Prediction prediction({1.5F, -2});
  CHECK(prediction[0][0] == 1.5F);
  CHECK(prediction[0][1] == -2);
}
