// SPDX-License-Identifier: MIT
// Layers that pool, reshape and resize images: AvgPool2d and GlobalAvgPool, Flatten, PixelShuffle, Upsample and
// UpsampleBilinear. In one file, because the laws cost more to compile than these layers.
#include <mtlx/nn/avg_pool2d.hpp>
#include <mtlx/nn/flatten.hpp>
#include <mtlx/nn/gelu.hpp>
#include <mtlx/nn/pixel_shuffle.hpp>
#include <mtlx/nn/sequential.hpp>
#include <mtlx/nn/upsample.hpp>

#include "layer_cases.hpp"
#include "layer_oracle.hpp"

using namespace layers;

using Float = backend::Cpu<float>;

TEST_CASE_TEMPLATE("mean pooling obeys the laws", C, Case<AvgPool2d<2>, image>, Case<AvgPool2d<3, 2, 1>, image, Float>,
                   Case<AvgPool2d<2, 3>, image, Float>, Case<AvgPool2d<1>, row, Float>, Case<GlobalAvgPool, image>) {
  expect(C::check());
}

TEST_CASE("mean pooling is PyTorch's") {
  oracle::agrees<AvgPool2d<2>, image>(oracle::avg_pool2d_2);
  oracle::agrees<AvgPool2d<3, 2, 1>, image>(oracle::avg_pool2d_3_2_1);
  oracle::agrees<AvgPool2d<2, 3>, image>(oracle::avg_pool2d_2_3);
  oracle::agrees<GlobalAvgPool, Shape{2, 3, 5}>(oracle::global_avg_pool);
}

TEST_CASE("mean pooling by hand") {
  // The window that hangs over the edge still divides by 4.
  const Trip<AvgPool2d<2, 2, 1>, Shape{1, 2, 2}> trip({4, 8, 12, 16}, {}, {4, 8, 12, 16});
  CHECK(trip.y == Numbers{1, 2, 3, 4});
  CHECK(trip.dx == Numbers{1, 2, 3, 4});
  // The last column is in no window.
  const Trip<AvgPool2d<2>, Shape{1, 2, 3}> left({1, 2, 30, 3, 6, 40}, {}, {8});
  CHECK(left.y == Numbers{3});
  CHECK(left.dx == Numbers{2, 2, 0, 2, 2, 0});
  const Trip<GlobalAvgPool, Shape{2, 1, 2}> global({1, 2, 3, 5}, {}, {2, 4});
  CHECK(global.y == Numbers{1.5, 4});
  CHECK(global.dx == Numbers{1, 1, 2, 2});
  CHECK(GlobalAvgPool::output(Shape{7, 3, 2}) == Shape{7});
}

TEST_CASE_TEMPLATE("Flatten obeys the laws, alone and in a chain", C, Case<Flatten, image, Float>,
                   Case<Sequential<Conv2d<2, 2>, Flatten, Dropout<50>, Relu>, image, Float>,
                   Case<Sequential<Relu, Flatten, PRelu>, image, Float>) {
  expect(C::check());
}

TEST_CASE("Flatten gives each number its channel") {
  CHECK(Flatten::output(Shape{2, 3, 4}) == Shape{24});
  CHECK(parameter_count<Sequential<PRelu, Flatten, PRelu>>(Shape{2, 3, 4}) == 2 + 24);
  const Trip<Flatten, Shape{2, 1, 2}> trip({1, 2, 3, 4}, {}, {5, 6, 7, 8});
  CHECK(trip.y == Numbers{1, 2, 3, 4});
  CHECK(trip.dx == Numbers{5, 6, 7, 8});
}

TEST_CASE("Flatten costs no memory") {
  CHECK(saved<Sequential<Conv2d<2, 3>, Flatten, Relu>>(Shape{1, 6, 6}) == 0);
  CHECK(saved<Sequential<Conv2d<2, 3>, Flatten, Dense<5>>>(Shape{1, 6, 6}) == 32);
}

TEST_CASE_TEMPLATE("PixelShuffle obeys the laws", C, Case<PixelShuffle<2>, Shape{8, 2, 3}, Float>,
                   Case<PixelShuffle<3>, Shape{9}, Float>) {
  expect(C::check());
}

TEST_CASE("PixelShuffle is PyTorch's") { oracle::agrees<PixelShuffle<2>, Shape{8, 2, 3}>(oracle::pixel_shuffle_2); }

TEST_CASE("PixelShuffle by hand") {
  CHECK(PixelShuffle<3>::output(Shape{18, 4, 5}) == Shape{2, 12, 15});
  const Trip<PixelShuffle<2>, Shape{4, 1, 2}> trip({0, 1, 2, 3, 4, 5, 6, 7}, {}, {0, 10, 20, 30, 40, 50, 60, 70});
  CHECK(trip.y == Numbers{0, 2, 1, 3, 4, 6, 5, 7});
  CHECK(trip.dx == Numbers{0, 20, 10, 30, 40, 60, 50, 70});
  const Trip<PixelShuffle<1>, Shape{2}> one({1, 2}, {}, {3, 4});
  CHECK(one.y == Numbers{1, 2});
  CHECK(one.dx == Numbers{3, 4});
}

TEST_CASE_TEMPLATE("upsampling obeys the laws", C, Case<Upsample<2>, Shape{2, 3, 2}, Float>,
                   Case<Upsample<3>, row, Float>, Case<UpsampleBilinear<2>, Shape{2, 3, 2}>,
                   Case<UpsampleBilinear<3>, Shape{2, 2, 3}, Float>) {
  expect(C::check());
}

TEST_CASE("upsampling is PyTorch's") {
  oracle::agrees<Upsample<2>, Shape{2, 3, 2}>(oracle::upsample_2);
  oracle::agrees<UpsampleBilinear<2>, Shape{2, 3, 2}>(oracle::upsample_bilinear_2);
  oracle::agrees<UpsampleBilinear<3>, Shape{1, 1, 3}>(oracle::upsample_bilinear_3);
  oracle::agrees<UpsampleBilinear<4>, Shape{1, 5, 2}>(oracle::upsample_bilinear_4);
}

TEST_CASE("upsampling by hand") {
  CHECK(Upsample<3>::output(Shape{2, 4, 5}) == Shape{2, 12, 15});
  const Trip<Upsample<2>, Shape{1, 1, 2}> nearest({1, 2}, {}, {1, 2, 3, 4, 5, 6, 7, 8});
  CHECK(nearest.y == Numbers{1, 1, 2, 2, 1, 1, 2, 2});
  CHECK(nearest.dx == Numbers{14, 22});
  const Trip<UpsampleBilinear<2>, Shape{1, 1, 2}> straight({4, 8}, {}, {4, 4, 4, 4, 0, 0, 0, 8});
  CHECK(straight.y == Numbers{4, 5, 7, 8, 4, 5, 7, 8});
  CHECK(straight.dx == Numbers{8, 16});
  const Trip<UpsampleBilinear<1>, Shape{1, 1, 2}> one({4, 8}, {}, {1, 2});
  CHECK(one.y == Numbers{4, 8});
  CHECK(one.dx == Numbers{1, 2});
}

TEST_CASE("a factor is shared out whole") {
  // The weights with which a pixel goes into the others add up to Factor², at the edges too, and a constant stays one.
  const Trip<UpsampleBilinear<5>, Shape{1, 3, 4}> trip(Numbers(12, 3), {}, Numbers(300, 1));
  for (const double y : trip.y) CHECK(y == doctest::Approx(3));
  double total = 0;
  for (const double dx : trip.dx) total += dx;
  CHECK(total == doctest::Approx(300));
  CHECK(trip.dx[5] == doctest::Approx(25));
}

using Chain = Sequential<Conv2d<4, 2>, PRelu, PixelShuffle<2>, AvgPool2d<2, 1>, Gelu, Upsample<2>, LeakyRelu<10>,
                         Flatten, Softplus, Dense<3>, Sigmoid>;

TEST_CASE_TEMPLATE("layers that keep their input and layers that overwrite it make a chain", C,
                   Case<Chain, Shape{1, 3, 3}, Float>) {
  expect(C::check());
}
