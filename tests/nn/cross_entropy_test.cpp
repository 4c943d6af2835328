// SPDX-License-Identifier: MIT
#include <mtlx/nn/cross_entropy.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cmath>

#include "loss_case.hpp"

using namespace mtlx;
using namespace mtlx::nn;

namespace {

constexpr std::array weights{0.5, 2.0, 1.0, 3.0};

}  // namespace

TEST_CASE("the laws of cross-entropies with smoothing and weights") {
  loss_case::keeps_the_laws<LabelSmoothing<10>, 5>({.target = testing::class_target});
  loss_case::keeps_the_laws<ClassWeights<weights>, 4>({.target = testing::class_target});
  loss_case::keeps_the_laws<PositiveWeights<weights>, 4>();
  loss_case::keeps_the_laws<PositiveWeights<std::array{9}>, 1>();
}

TEST_CASE("PyTorch's label smoothing") {
  loss_case::agrees<LabelSmoothing<10>>(loss_case::of_class, smoothing_10);
  loss_case::agrees<LabelSmoothing<0>>(loss_case::of_class, smoothing_0);
}

TEST_CASE("PyTorch's class weights") {
  const double mean = loss_case::agrees<ClassWeights<weights>>(loss_case::of_class, class_weights);
  // PyTorch's own mean divides by the sum of the targets' weights, ours by their number.
  double total = 0;
  for (std::size_t s = 0; s < loss_case::samples; ++s) total += weights[s * 3 % 4];
  CHECK(mean * loss_case::samples / total == doctest::Approx(class_weights_mean).epsilon(1e-13));
}

TEST_CASE("PyTorch's weights of positive labels") {
  loss_case::agrees<PositiveWeights<weights>>(loss_case::label, positive_weights);
  loss_case::agrees<PositiveWeights<std::array{3.0}>>(loss_case::soft, positive_weight_soft);
}

TEST_CASE("a smoothed loss by hand") {
  // Even logits: log 4 whatever the smoothing; of 40 %, 10 % go to each class and 70 % are the target's.
  const auto even = loss_case::loss<LabelSmoothing<40>>({1, 1, 1, 1}, {2});
  CHECK(even.value == doctest::Approx(std::log(4.0)));
  CHECK(even.dz[0] == doctest::Approx(0.15));
  CHECK(even.dz[2] == doctest::Approx(-0.45));
  // Two classes with 24.75 % each lie 1e4 below.
  CHECK(loss_case::loss<LabelSmoothing<99>>({1e4, 1e4, 0, 0}, {0}).value == doctest::Approx(0.495e4 + std::log(2.0)));
}

TEST_CASE("weights by hand") {
  const auto third = loss_case::loss<ClassWeights<weights>>({0, 0, 0, 0}, {3}, 0.5);
  CHECK(third.value == doctest::Approx(3 * std::log(4.0)));
  CHECK(third.dz[3] == doctest::Approx(-0.5 * 3 * 0.75));
  // A weight of 0 leaves a class out.
  const auto none = loss_case::loss<ClassWeights<std::array{0, 1, 1, 1}>>({5, 0, 0, 0}, {0});
  CHECK(none.value == 0);
  CHECK(none.dz == std::array<double, 4>{});
  CHECK(loss_case::loss<PositiveWeights<std::array{9.0}>>({-1e4, 1e4, -1e4, 1e4}, {1, 1, 0, 0}).value == 9e4 + 1e4);
}
