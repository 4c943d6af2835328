// SPDX-License-Identifier: MIT
#include <mtlx/nn/r2.hpp>
#include <mtlx/testing/metric_laws.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <vector>

#include "metric_case.hpp"

using namespace mtlx;
using namespace mtlx::nn;
using namespace metric_case;

namespace {

void expect(const testing::Report& report) {
  CHECK_MESSAGE(report.ok(), report.text());
  CHECK(report.checks() > 20);
}

void add(auto& metric, const std::vector<float>& z, const std::vector<float>& target,
         const std::vector<unsigned char>& present) {
  metric.add(z, target, present);
}

}  // namespace

TEST_CASE("the laws of metrics of real numbers") {
  expect(testing::check_metric<R2, 3>({.target = testing::real_target}));
  expect(testing::check_metric<AbsoluteError, 3>({.target = testing::real_target}));
  expect(testing::check_metric<RootMeanSquaredError, 3>({.target = testing::real_target}));
}

TEST_CASE("the laws of accuracy") {
  expect(testing::check_metric<Accuracy, 3>({.target = testing::class_target}));
  expect(testing::check_metric<BinaryAccuracy, 3>());
}

TEST_CASE("scikit-learn's metrics of real numbers") {
  CHECK(value<R2>(fit, number, some) == doctest::Approx(r2).epsilon(1e-13));
  CHECK(value<R2>(fit, number, all) == doctest::Approx(all_r2).epsilon(1e-13));
  CHECK(value<AbsoluteError>(fit, number, some) == doctest::Approx(mae).epsilon(1e-14));
  CHECK(value<RootMeanSquaredError>(fit, number, some) == doctest::Approx(rmse).epsilon(1e-14));
}

TEST_CASE("R2 by hand") {
  R2 metric;
  add(metric, {1, 5}, {1, 7}, {1, 1});
  // One target has no spread, and equal ones neither.
  CHECK(is_nan(metric.value()));
  add(metric, {4, 5}, {3, 7}, {1, 1});
  CHECK(metric.value() == 0.5);
  add(metric, {2, 5}, {2, 9}, {1, 0});
  CHECK(metric.value() == 0.5);
  // The second output: targets 7, 7, 10 around 8, and errors 2, 2, 0.
  add(metric, {2, 10}, {2, 10}, {0, 1});
  CHECK(metric.value() == doctest::Approx((0.5 + (1 - 8.0 / 6)) / 2));
  add(metric, {std::numeric_limits<float>::quiet_NaN(), 0}, {2, 0}, {1, 0});
  CHECK(is_nan(metric.value()));
}

TEST_CASE("equal targets have no spread, wherever they lie") {
  R2 metric;
  for (int i = 0; i < 1000; ++i) add(metric, {0}, {0.1F}, {1});
  CHECK(is_nan(metric.value()));
}
