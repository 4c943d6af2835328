// SPDX-License-Identifier: MIT
#include <mtlx/nn/focal.hpp>

#include <doctest/doctest.h>

#include <cmath>

#include "loss_case.hpp"

using namespace mtlx;
using namespace mtlx::nn;

TEST_CASE("the laws of focal losses") {
  loss_case::keeps_the_laws<Focal<>, 3>();
  loss_case::keeps_the_laws<Focal<0.5, -1>, 3>();
  loss_case::keeps_the_laws<SoftmaxFocal<>, 5>({.target = testing::class_target});
  loss_case::keeps_the_laws<SoftmaxFocal<0.5>, 2>({.target = testing::class_target});
}

TEST_CASE("the focal loss of torchvision") {
  loss_case::agrees<Focal<>>(loss_case::label, focal_2);
  loss_case::agrees<Focal<1.5, 0.75>>(loss_case::soft, focal_soft);
  loss_case::agrees<Focal<0.5, -1>>(loss_case::label, focal_half);
}

TEST_CASE("the focal loss of a softmax") {
  loss_case::agrees<SoftmaxFocal<2>>(loss_case::of_class, softmax_focal_2);
  loss_case::agrees<SoftmaxFocal<0.5>>(loss_case::of_class, softmax_focal_half);
}

TEST_CASE("without a focus it is the cross-entropy") {
  loss_case::agrees<SoftmaxFocal<0>>(loss_case::of_class, smoothing_0);
  const auto plain = loss_case::loss<BinaryCrossEntropy>({1, -2, 0.5, 3}, {1, 0, 0, 1});
  const auto focal = loss_case::loss<Focal<0, -1>>({1, -2, 0.5, 3}, {1, 0, 0, 1});
  CHECK(focal.value == doctest::Approx(plain.value).epsilon(1e-14));
  for (std::size_t i = 0; i < 4; ++i) CHECK(focal.dz[i] == doctest::Approx(plain.dz[i]).epsilon(1e-14));
}

TEST_CASE("a focal loss by hand") {
  // p = 1/2: a quarter of the entropy, and of that a quarter for a yes.
  CHECK(loss_case::loss<Focal<>>({0, -1e4, -1e4, -1e4}, {1, 0, 0, 0}).value ==
        doctest::Approx(0.25 * 0.25 * std::log(2.0)));
  CHECK(loss_case::loss<Focal<>>({1e4, -1e4, 1e4, -1e4}, {1, 0, 0, 0}).value == 0.75e4);
}
