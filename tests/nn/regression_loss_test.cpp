// SPDX-License-Identifier: MIT
#include <mtlx/nn/regression_loss.hpp>

#include <doctest/doctest.h>

#include <cmath>

#include "loss_case.hpp"

using namespace mtlx;
using namespace mtlx::nn;

TEST_CASE("the laws of losses that forgive large errors") {
  const testing::LossOptions options{.target = testing::real_target};
  loss_case::keeps_the_laws<MeanAbsoluteError, 3>(options);
  loss_case::keeps_the_laws<Huber<0.5>, 1>(options);
  loss_case::keeps_the_laws<SmoothL1<>, 3>(options);
  loss_case::keeps_the_laws<Charbonnier<0.1>, 3>(options);
}

TEST_CASE("PyTorch's losses of real numbers") {
  loss_case::agrees<MeanAbsoluteError>(loss_case::number, mean_absolute_error);
  loss_case::agrees<Huber<>>(loss_case::number, huber_1);
  loss_case::agrees<Huber<0.5>>(loss_case::number, huber_half);
  loss_case::agrees<SmoothL1<1>>(loss_case::number, smooth_l1_1);
  loss_case::agrees<SmoothL1<2>>(loss_case::number, smooth_l1_2);
  loss_case::agrees<Charbonnier<>>(loss_case::number, charbonnier);
}

TEST_CASE("errors small, at the turn, large and none") {
  const auto huber = loss_case::loss<Huber<2>>({1, 2, -10, 5}, {0, 0, 0, 5});
  CHECK(huber.value == 0.5 + 2 + 18);
  CHECK(huber.dz == std::array<double, 4>{1, 2, -2, 0});
  const auto smooth = loss_case::loss<SmoothL1<2>>({1, 2, -10, 5}, {0, 0, 0, 5});
  CHECK(smooth.value == (0.5 + 2 + 18) / 2);
  CHECK(smooth.dz == std::array<double, 4>{0.5, 1, -1, 0});
  const auto absolute = loss_case::loss<MeanAbsoluteError>({1, 2, -10, 5}, {0, 0, 0, 5}, 3);
  CHECK(absolute.value == 13);
  CHECK(absolute.dz == std::array<double, 4>{3, 3, -3, 0});
  const auto root = loss_case::loss<Charbonnier<3>>({4, 0, 0, 0}, {0, 0, 0, 0});
  CHECK(root.value == 5 + 3 * 3);
  CHECK(root.dz == std::array<double, 4>{0.8, 0, 0, 0});
}
