// SPDX-License-Identifier: MIT
#include <mtlx/nn/loss.hpp>
#include <mtlx/testing/loss_laws.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

using namespace mtlx;
using namespace mtlx::nn;
using S = backend::ReferenceSlice;
using Numbers = std::vector<double>;

namespace {

struct Result {
  double value;
  Numbers dz;
};

/// One sample's loss on the reference.
template <class L, int Outputs>
Result loss(const Numbers& z, const Numbers& target, const Numbers& present, double scale = 1) {
  Result result{0, Numbers(Outputs, 99)};
  result.value = L::template evaluate<Outputs>(
      LossSample<S>{{z.data()}, {target.data()}, {present.data()}, {result.dz.data()}, scale});
  return result;
}

void expect(const testing::Report& report) {
  CHECK_MESSAGE(report.ok(), report.text());
  CHECK(report.checks() > 1000);
}

}  // namespace

TEST_CASE("the laws of losses") {
  expect(testing::check_loss<SoftmaxCrossEntropy, 2>({.target = testing::class_target}));
  expect(testing::check_loss<SoftmaxCrossEntropy, 10>({.target = testing::class_target}));
  expect(testing::check_loss<SoftmaxCrossEntropy, 1>({.target = testing::class_target}));
  expect(testing::check_loss<BinaryCrossEntropy, 1>());
  expect(testing::check_loss<BinaryCrossEntropy, 7>());
  expect(testing::check_loss<MeanSquaredError, 1>({.target = testing::real_target}));
  expect(testing::check_loss<MeanSquaredError, 5>({.target = testing::real_target}));
}

TEST_CASE("cross-entropy of a softmax by hand") {
  const Result even = loss<SoftmaxCrossEntropy, 4>({1, 1, 1, 1}, {2}, {1}, 8);
  CHECK(even.value == doctest::Approx(std::log(4.0)));
  CHECK(even.dz == Numbers{2, 2, -6, 2});
  const Result skewed = loss<SoftmaxCrossEntropy, 2>({std::log(3.0), 0}, {1}, {1});
  CHECK(skewed.value == doctest::Approx(std::log(4.0)));
  CHECK(skewed.dz[0] == doctest::Approx(0.75));
  CHECK(skewed.dz[1] == doctest::Approx(-0.75));
  CHECK(loss<SoftmaxCrossEntropy, 2>({1e4, -1e4}, {1}, {1}).value == 2e4);
  CHECK(loss<SoftmaxCrossEntropy, 2>({1e4, -1e4}, {0}, {1}).value == 0);
}

TEST_CASE("binary cross-entropy by hand") {
  const Result half = loss<BinaryCrossEntropy, 2>({0, std::log(3.0)}, {1, 0}, {1, 1}, 4);
  CHECK(half.value == doctest::Approx(std::log(2.0) + std::log(4.0)));
  CHECK(half.dz[0] == doctest::Approx(-2));
  CHECK(half.dz[1] == doctest::Approx(3));
  // A soft target: its own share has no gradient.
  CHECK(loss<BinaryCrossEntropy, 1>({0}, {0.5}, {1}).dz[0] == 0);
  CHECK(loss<BinaryCrossEntropy, 1>({-1e4}, {1}, {1}).value == 1e4);
}

TEST_CASE("mean squared error by hand") {
  const Result result = loss<MeanSquaredError, 3>({1, 5, -2}, {3, 5, 100}, {1, 1, 0}, 0.5);
  CHECK(result.value == 4);
  CHECK(result.dz == Numbers{-2, 0, 0});
}
