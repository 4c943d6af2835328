// SPDX-License-Identifier: MIT
#include "layer_cases.hpp"
#include "layer_oracle.hpp"

#include <mtlx/nn/conv_transpose2d.hpp>
#include <mtlx/nn/sequential.hpp>

using namespace layers;

TEST_CASE_TEMPLATE("transposed convolutions obey the laws", C, Case<ConvTranspose2d<3, 3>, image>,
                   Case<ConvTranspose2d<5, 4, 2, 1>, Shape{3, 3, 7}>, Case<ConvTranspose2d<2, 2, 3, 0, 2>, image>,
                   Case<ConvTranspose2d<1, 3, 2, 1, 1>, Shape{7, 1, 1}>, Case<ConvTranspose2d<2, 2, 1, 2>, image>,
                   Case<Sequential<Conv2d<2, 3, 2>, Relu, ConvTranspose2d<1, 3, 2>, Tanh>, Shape{1, 5, 7}>) {
  expect(C::check());
}

TEST_CASE("transposed convolutions give PyTorch's values and gradients") {
  oracle::agrees<ConvTranspose2d<3, 3>, Shape{2, 3, 2}>(oracle::conv_transpose2d_3);
  oracle::agrees<ConvTranspose2d<2, 4, 2, 1>, Shape{3, 2, 3}>(oracle::conv_transpose2d_4_2_1);
  oracle::agrees<ConvTranspose2d<1, 3, 2, 1, 1>, Shape{2, 2, 3}>(oracle::conv_transpose2d_3_2_1_1);
  oracle::agrees<ConvTranspose2d<2, 2, 3, 0, 2>, Shape{1, 2, 2}>(oracle::conv_transpose2d_2_3_0_2);
}

TEST_CASE("ConvTranspose2d by hand") {
  // Each pixel puts down the kernel, two apart: where they don't meet, only the bias is left.
  const Trip<ConvTranspose2d<1, 2, 2>, Shape{1, 1, 2}> apart({1, -1}, {1, 2, 3, 4, 0.5}, {1, 0, 2, 0, 0, 1, 0, 0});
  CHECK(apart.y == Numbers{1.5, 2.5, -0.5, -1.5, 3.5, 4.5, -2.5, -3.5});
  CHECK(apart.dx == Numbers{1 + 4, 2});
  CHECK(apart.dp == Numbers{1 - 2, 0, 0, 1, 4});
  // One apart, they add up.
  const Trip<ConvTranspose2d<1, 2>, Shape{1, 1, 2}> beside({1, 10}, {1, 2, 3, 4, 0}, {1, 1, 1, 1, 1, 1});
  CHECK(beside.y == Numbers{1, 12, 20, 3, 34, 40});
  CHECK(beside.dx == Numbers{10, 10});
  CHECK(beside.dp == Numbers{11, 11, 11, 11, 6});
}

TEST_CASE("ConvTranspose2d says its parameters") {
  using Layer = ConvTranspose2d<5, 4, 2, 1>;
  CHECK(Layer::output(Shape{3, 7, 8}) == Shape{5, 14, 16});
  CHECK(ConvTranspose2d<5, 3, 2, 1, 1>::output(Shape{3, 7, 8}) == Shape{5, 14, 16});
  const auto list = parameters<Layer>(Shape{3, 7, 8});
  CHECK(list[0].name == "weight");
  CHECK(list[0].shape == std::array{3, 5, 4, 4});
  CHECK(list[0].role == Role::weight);
  // Of 16 taps, every output pixel meets 4.
  CHECK(list[0].fan_in == 3 * 4);
  CHECK(list[0].fan_out == 5 * 16);
  CHECK(list[1].size() == 5);
  CHECK(list[1].role == Role::bias);
  CHECK(multiply_adds<Layer>(Shape{3, 7, 8}) == 3 * 5 * 16 * 7 * 8);
}
