// SPDX-License-Identifier: MIT
#include <mtlx/nn/f1.hpp>
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

using Numbers = std::vector<float>;
using Mask = std::vector<unsigned char>;

void add(auto& metric, const Numbers& z, const Numbers& target, const Mask& present) { metric.add(z, target, present); }

void expect(const testing::Report& report) {
  CHECK_MESSAGE(report.ok(), report.text());
  CHECK(report.checks() > 20);
}

}  // namespace

TEST_CASE("the laws of F1") {
  expect(testing::check_metric<MacroF1, 4>({.target = testing::class_target}));
  expect(testing::check_metric<MicroF1, 1>({.target = testing::class_target}));
  expect(testing::check_metric<BinaryMacroF1, 4>());
  expect(testing::check_metric<BinaryMicroF1, 1>());
}

TEST_CASE("scikit-learn's F1 of classes") {
  CHECK(value<MacroF1>(z, of_class, some) == doctest::Approx(class_macro_f1).epsilon(1e-14));
  CHECK(value<MicroF1>(z, of_class, some) == doctest::Approx(class_micro_f1).epsilon(1e-14));
}

TEST_CASE("scikit-learn's F1 of labels") {
  CHECK(value<BinaryMacroF1>(z, label, some) == doctest::Approx(label_macro_f1).epsilon(1e-14));
  CHECK(value<BinaryMicroF1>(z, label, some) == doctest::Approx(label_micro_f1).epsilon(1e-14));
  CHECK(value<BinaryMacroF1>(z, label, all) == doctest::Approx(all_label_macro_f1).epsilon(1e-14));
  CHECK(value<BinaryMicroF1>(z, label, all) == doctest::Approx(all_label_micro_f1).epsilon(1e-14));
}

TEST_CASE("a class that is nobody's target or prediction doesn't count") {
  // Logits of the class 3 below all others, and no target there.
  const double found =
      value<MacroF1>([](std::size_t s, std::size_t i) { return i == 3 ? -99.0F : z(s, i); },
                     [](std::size_t s, std::size_t) { return static_cast<float>((s * s + s / 3) % 4 % 3); }, all);
  CHECK(found == doctest::Approx(absent_macro_f1).epsilon(1e-14));
}

TEST_CASE("a label without a yes, true or predicted, has 0") {
  const double found =
      value<BinaryMacroF1>([](std::size_t s, std::size_t i) { return i == 2 ? -1.0F : z(s, i); },
                           [](std::size_t s, std::size_t i) { return i == 2 ? 0.0F : label(s, i); }, all);
  CHECK(found == doctest::Approx(no_yes_macro_f1).epsilon(1e-14));
  // One that is never present doesn't count at all.
  BinaryMacroF1 metric;
  add(metric, {1, 1}, {1, 1}, {1, 0});
  CHECK(metric.value() == 1);
}

TEST_CASE("F1 by hand, and outputs with a NaN") {
  MacroF1 macro;
  MicroF1 micro;
  const auto both = [&](const Numbers& z, float target) {
    add(macro, z, {target}, {1});
    add(micro, z, {target}, {1});
  };
  both({1, 0, 0}, 0);
  both({1, 0, 0}, 1);
  both({0, 1, 0}, 1);
  // Class 0: TP 1, FP 1. Class 1: TP 1, FN 1. Class 2: nothing.
  CHECK(macro.value() == doctest::Approx(2.0 / 3));
  CHECK(micro.value() == doctest::Approx(2.0 / 3));
  // A NaN is a miss of its class and nobody's false positive: class 0 has TP 1, FP 1, FN 1.
  both({not_a_number, 0, 0}, 0);
  CHECK(macro.value() == doctest::Approx((0.5 + 2.0 / 3) / 2));
  CHECK(micro.value() == doctest::Approx(4.0 / 7));

  BinaryMicroF1 labels;
  add(labels, {1, 1, -1, -1}, {1, 0, 1, 0}, {1, 1, 1, 1});
  CHECK(labels.value() == 0.5);
  add(labels, {not_a_number, not_a_number, 1, 1}, {1, 0, 1, 1}, {1, 1, 0, 0});
  CHECK(labels.value() == doctest::Approx(2.0 / 6));
}
