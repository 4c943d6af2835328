// SPDX-License-Identifier: MIT
#include <mtlx/nn/ranking.hpp>
#include <mtlx/testing/metric_laws.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <vector>

#include "metric_case.hpp"

using namespace mtlx;
using namespace mtlx::nn;
using namespace metric_case;

namespace {

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

/// One label's scores and targets.
template <class M>
double of(const std::vector<float>& scores, const std::vector<float>& targets) {
  M metric;
  const unsigned char present = 1;
  for (std::size_t s = 0; s < scores.size(); ++s) metric.add({&scores[s], 1}, {&targets[s], 1}, {&present, 1});
  return metric.value();
}

void expect(const testing::Report& report) {
  CHECK_MESSAGE(report.ok(), report.text());
  CHECK(report.checks() > 20);
}

}  // namespace

TEST_CASE("the laws of rankings") {
  expect(testing::check_metric<RocAuc, 3>());
  expect(testing::check_metric<AveragePrecision, 3>());
}

TEST_CASE("scikit-learn's area under the ROC curve") {
  CHECK(value<RocAuc>(z, label, some) == doctest::Approx(roc_auc).epsilon(1e-14));
  CHECK(value<RocAuc>(z, label, all) == doctest::Approx(all_roc_auc).epsilon(1e-14));
  CHECK(value<RocAuc, 1>([](std::size_t s, std::size_t) { return z(s, 1); },
                         [](std::size_t s, std::size_t) { return label(s, 1); },
                         all) == doctest::Approx(one_roc_auc).epsilon(1e-14));
}

TEST_CASE("scikit-learn's average precision") {
  CHECK(value<AveragePrecision>(z, label, some) == doctest::Approx(average_precision).epsilon(1e-14));
  CHECK(value<AveragePrecision>(z, label, all) == doctest::Approx(all_average_precision).epsilon(1e-14));
}

TEST_CASE("rankings by hand") {
  CHECK(of<RocAuc>({4, 3, 2, 1}, {1, 1, 0, 0}) == 1);
  CHECK(of<RocAuc>({4, 3, 2, 1}, {0, 0, 1, 1}) == 0);
  CHECK(of<RocAuc>({4, 3, 2, 1}, {1, 0, 1, 0}) == 0.75);
  CHECK(of<RocAuc>({7, 7, 7}, {1, 0, 1}) == 0.5);
  CHECK(of<RocAuc>({0.0F, -0.0F}, {1, 0}) == 0.5);
  CHECK(of<RocAuc>({2, 2, 1}, {1, 0, 0}) == 0.75);
  CHECK(of<AveragePrecision>({4, 3, 2, 1}, {1, 1, 0, 0}) == 1);
  CHECK(of<AveragePrecision>({4, 3, 2, 1}, {1, 0, 1, 0}) == doctest::Approx((1 + 2.0 / 3) / 2));
  CHECK(of<AveragePrecision>({7, 7, 7, 7}, {1, 0, 0, 0}) == 0.25);
}

TEST_CASE("labels of one side only are left out") {
  CHECK(is_nan(of<RocAuc>({1, 2}, {1, 1})));
  CHECK(is_nan(of<RocAuc>({1, 2}, {0, 0})));
  CHECK(is_nan(of<AveragePrecision>({1, 2}, {0, 0})));
  CHECK(of<AveragePrecision>({1, 2}, {1, 1}) == 1);
  RocAuc metric;
  const std::vector<unsigned char> present{1, 1};
  metric.add(std::vector<float>{1, 5}, std::vector<float>{1, 1}, present);
  metric.add(std::vector<float>{0, 6}, std::vector<float>{0, 1}, present);
  CHECK(metric.value() == 1);
}

TEST_CASE("a score that is NaN makes NaN, unless its target is missing") {
  CHECK(is_nan(of<RocAuc>({1, not_a_number, 0}, {1, 1, 0})));
  CHECK(is_nan(of<AveragePrecision>({1, not_a_number, 0}, {1, 1, 0})));
  RocAuc metric;
  metric.add(std::vector<float>{1, not_a_number}, std::vector<float>{1, 0}, std::vector<unsigned char>{1, 0});
  metric.add(std::vector<float>{0, 6}, std::vector<float>{0, 1}, std::vector<unsigned char>{1, 1});
  CHECK(metric.value() == 1);
}
