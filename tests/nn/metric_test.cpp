// SPDX-License-Identifier: MIT
#include <mtlx/core/scalar.hpp>
#include <mtlx/nn/metric.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

using namespace mtlx;
using namespace mtlx::nn;

namespace {

static_assert(Metric<Accuracy>);
static_assert(Metric<BinaryAccuracy>);
static_assert(Metric<RootMeanSquaredError>);
static_assert(!Metric<int>);
static_assert(Accuracy::higher_is_better && BinaryAccuracy::higher_is_better);
static_assert(!RootMeanSquaredError::higher_is_better);

using Numbers = std::vector<float>;
using Mask = std::vector<unsigned char>;

template <class M>
void add(M& metric, const Numbers& z, const Numbers& target, const Mask& present) {
  metric.add(z, target, present);
}

constexpr float missing = std::numeric_limits<float>::quiet_NaN();

}  // namespace

TEST_CASE_TEMPLATE("without a label there is no value", M, Accuracy, BinaryAccuracy, RootMeanSquaredError) {
  M metric;
  CHECK_FALSE(is_finite(metric.value()));
  add(metric, {1}, {missing}, {0});
  CHECK_FALSE(is_finite(metric.value()));
  CHECK(metric.value() != metric.value());
}

TEST_CASE("accuracy") {
  Accuracy metric;
  add(metric, {0, 3, 1}, {1}, {1});
  CHECK(metric.value() == 1);
  add(metric, {0, 3, 1}, {2}, {1});
  CHECK(metric.value() == 0.5);
  add(metric, {0, 3, 1}, {1}, {0});
  CHECK(metric.value() == 0.5);
  // The first of equals.
  add(metric, {2, 2, 1}, {0}, {1});
  CHECK(metric.value() == doctest::Approx(2.0 / 3));
  add(metric, {2, 2, 1}, {1}, {1});
  CHECK(metric.value() == 0.5);
}

TEST_CASE("binary accuracy counts labels") {
  BinaryAccuracy metric;
  add(metric, {1, -1, 2, -3}, {1, 1, 0, 0}, {1, 1, 1, 1});
  CHECK(metric.value() == 0.5);
  add(metric, {1, -1, 2, -3}, {1, missing, missing, missing}, {1, 0, 0, 0});
  CHECK(metric.value() == doctest::Approx(3.0 / 5));
  // A logit of 0 says no.
  add(metric, {0}, {0}, {1});
  CHECK(metric.value() == doctest::Approx(4.0 / 6));
}

TEST_CASE("root mean squared error") {
  RootMeanSquaredError metric;
  add(metric, {1, 2}, {4, missing}, {1, 0});
  CHECK(metric.value() == 3);
  add(metric, {1, 2}, {1, 5}, {1, 1});
  CHECK(metric.value() == doctest::Approx(std::sqrt(18.0 / 3)));
}

TEST_CASE("long sums keep their accuracy") {
  RootMeanSquaredError metric;
  for (int i = 0; i < 100000; ++i) add(metric, {0.1F}, {0}, {1});
  CHECK(metric.value() == doctest::Approx(static_cast<double>(0.1F)).epsilon(1e-12));
}
