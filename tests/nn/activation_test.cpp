// SPDX-License-Identifier: MIT
// Those of nn/activation.hpp and of nn/gelu.hpp.
#include <mtlx/nn/gelu.hpp>

#include "layer_cases.hpp"
#include "layer_oracle.hpp"

#include <limits>

using namespace layers;

using Float = backend::Cpu<float>;

TEST_CASE_TEMPLATE("activations obey the laws", C, Case<LeakyRelu<>, row, Float>, Case<LeakyRelu<30>, image, Float>,
                   Case<PRelu, row, Float>, Case<PRelu, image>, Case<Sigmoid, row, Float>, Case<Softplus, row>,
                   Case<Silu, row, Float>, Case<Gelu, row>, Case<GeluTanh, row, Float>) {
  expect(C::check());
}

TEST_CASE("activations are PyTorch's") {
  constexpr Shape line{25};
  oracle::agrees<LeakyRelu<>, line>(oracle::leaky_relu);
  oracle::agrees<LeakyRelu<20>, line>(oracle::leaky_relu_20);
  oracle::agrees<PRelu, Shape{3, 2, 4}>(oracle::p_relu);
  oracle::agrees<Sigmoid, line>(oracle::sigmoid);
  oracle::agrees<Softplus, line>(oracle::softplus);
  oracle::agrees<Silu, line>(oracle::silu);
  oracle::agrees<Gelu, line>(oracle::gelu);
  oracle::agrees<GeluTanh, line>(oracle::gelu_tanh);
}

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// y and dx / dy of an activation at one point.
template <Layer L>
std::array<double, 2> at(double x) {
  const Trip<L, Shape{1}> trip({x}, {}, {1});
  return {trip.y[0], trip.dx[0]};
}

bool near(double got, double expected) { return std::abs(got / expected - 1) < 1e-13; }

}  // namespace

TEST_CASE("activations far from 0") {
  // Small results keep their own last places.
  CHECK(near(at<Sigmoid>(-50)[0], std::exp(-50)));
  CHECK(near(at<Sigmoid>(-50)[1], std::exp(-50)));
  CHECK(near(at<Softplus>(-50)[0], std::exp(-50)));
  CHECK(near(at<Softplus>(-50)[1], std::exp(-50)));
  CHECK(near(at<Silu>(-50)[0], -50 * std::exp(-50)));
  CHECK(near(at<Silu>(-50)[1], -49 * std::exp(-50)));
  CHECK(near(at<Gelu>(-9)[0], -9 * std::erfc(9 / std::sqrt(2.0)) / 2));
  // And large numbers come through.
  for (const double x : {40.0, 1e9}) {
    CHECK(at<Softplus>(x) == std::array{x, 1.0});
    CHECK(at<Silu>(x) == std::array{x, 1.0});
    CHECK(at<Gelu>(x) == std::array{x, 1.0});
    CHECK(at<GeluTanh>(x) == std::array{x, 1.0});
    CHECK(at<Sigmoid>(x) == std::array{1.0, 0.0});
    CHECK(at<LeakyRelu<50>>(x) == std::array{x, 1.0});
    CHECK(at<LeakyRelu<50>>(-x) == std::array{-x / 2, 0.5});
    CHECK(std::abs(at<Silu>(-x)[0]) < 1e-15);
    CHECK(std::abs(at<Gelu>(-x)[0]) == 0);
    CHECK(std::abs(at<GeluTanh>(-x)[0]) == 0);
    CHECK(at<Gelu>(-x)[1] == 0);
    CHECK(at<GeluTanh>(-x)[1] == 0);
  }
  // Even those whose squares are no doubles.
  for (const double x : {31.0, 1.4e154, 1e200, 1.7e308}) {
    CHECK(at<GeluTanh>(x) == std::array{x, 1.0});
    CHECK(at<GeluTanh>(-x)[0] == 0);
    CHECK(at<GeluTanh>(-x)[1] == 0);
  }
#ifndef __FAST_MATH__  // where a comparison may take either side for NaN; y and with it dy are NaN even there
  CHECK(is_nan(at<GeluTanh>(std::numeric_limits<double>::quiet_NaN())[1]));
#endif
  CHECK(at<Softplus>(infinity)[0] == infinity);
  CHECK(at<Sigmoid>(-infinity)[0] == 0);
}

TEST_CASE("a leaky slope at its ends") {
  CHECK(at<LeakyRelu<0>>(-3) == std::array{0.0, 0.0});
  CHECK(at<LeakyRelu<100>>(-3) == std::array{-3.0, 1.0});
  CHECK(at<LeakyRelu<>>(0) == std::array{0.0, 0.01});
}

TEST_CASE("GeluTanh is close to Gelu") {
  double most = 0;
  for (double x = -6; x <= 6; x += 0.01) most = std::max(most, std::abs(at<Gelu>(x)[0] - at<GeluTanh>(x)[0]));
  CHECK(most < 0.0005);
  CHECK(most > 0.0004);
}

TEST_CASE("PRelu says its parameters, one slope a channel") {
  const auto list = parameters<PRelu>(Shape{3, 4, 5});
  CHECK(list[0].size() == 3);
  CHECK(list[0].role == Role::norm);
  Random random(1, Purpose::initialise);
  CHECK(list[0].initialiser(random, list[0].fan_in, list[0].fan_out) == 0.25);
  // A slope below 0, where y would not tell the sign of x.
  const Trip<PRelu, Shape{2, 1, 2}> trip({-1, 2, -3, -4}, {-2, 0.5}, {1, 10, 100, 1000});
  CHECK(trip.y == Numbers{2, 2, -1.5, -2});
  CHECK(trip.dx == Numbers{-2, 10, 50, 500});
  CHECK(trip.dp == Numbers{-1, -4300});
}
