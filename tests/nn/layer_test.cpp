// SPDX-License-Identifier: MIT
// The defaults of what a layer may leave out, and some numbers worked out by hand.
#include "trip.hpp"

#include <mtlx/nn/activation.hpp>
#include <mtlx/nn/conv2d.hpp>
#include <mtlx/nn/dense.hpp>
#include <mtlx/nn/dropout.hpp>
#include <mtlx/nn/max_pool2d.hpp>
#include <mtlx/nn/sequential.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

using namespace mtlx;
using namespace mtlx::nn;
using layers::Numbers;
using layers::Trip;

namespace {

struct Twice {
  static constexpr Shape output(Shape in) { return in; }
  template <Shape In>
  static void forward_sample(const auto& s) {
    for (std::size_t i = 0; i < In.size(); ++i) s.y[i] = s.x[i] + s.x[i];
  }
  template <Shape In>
  static void backward_sample(const auto& s) {
    for (std::size_t i = 0; i < In.size(); ++i) s.dx[i] = s.dy[i] + s.dy[i];
  }
};

static_assert(Layer<Twice>);
static_assert(!Layer<int>);
static_assert(!in_place<Twice> && !reads_output<Twice>);
static_assert(parameter_count<Twice>(Shape{4}) == 0 && saved<Twice>(Shape{4}) == 0 && scratch<Twice>(Shape{4}) == 0);
static_assert(name<Twice>() == "Layer" && name<Relu>() == "Relu");
static_assert(check<Twice, Shape{4}>());

}  // namespace

TEST_CASE("Dense by hand") {
  const Trip<Dense<2>, Shape{3}> trip({1, 0, -1}, {1, 2, 3, 4, 5, 6, 10, 20}, {1, -1});
  CHECK(trip.y == Numbers{6, 16});
  CHECK(trip.dx == Numbers{-1, -1, -1});
  CHECK(trip.dp == Numbers{1, -1, 0, 0, -1, 1, 1, -1});
}

TEST_CASE("Dense says its parameters") {
  const auto list = parameters<Dense<5>>(Shape{2, 3, 4});
  CHECK(list[0].name == "weight");
  CHECK(list[0].shape == std::array{24, 5, 0, 0});
  CHECK(list[0].role == Role::weight);
  CHECK(list[0].fan_in == 24);
  CHECK(list[0].fan_out == 5);
  CHECK(list[1].size() == 5);
  CHECK(list[1].role == Role::bias);
  CHECK(multiply_adds<Dense<5>>(Shape{24}) == 120);
}

TEST_CASE("Conv2d by hand") {
  const Trip<Conv2d<1, 2>, Shape{1, 3, 3}> trip({1, 2, 3, 4, 5, 6, 7, 8, 9}, {1, 2, 3, 4, 0.5}, {1, 0, 0, -1});
  CHECK(trip.y == Numbers{37.5, 47.5, 67.5, 77.5});
  CHECK(trip.dx == Numbers{1, 2, 0, 3, 3, -2, 0, -3, -4});
  CHECK(trip.dp == Numbers{-4, -4, -4, -4, 0});
}

TEST_CASE("Conv2d says its parameters") {
  const auto list = parameters<Conv2d<7, 5, 2, 1>>(Shape{3, 28, 20});
  CHECK(list[0].shape == std::array{7, 3, 5, 5});
  CHECK(list[0].fan_in == 75);
  CHECK(list[0].fan_out == 175);
  CHECK(list[1].size() == 7);
  CHECK(Conv2d<7, 5, 2, 1>::output(Shape{3, 28, 20}) == Shape{7, 13, 9});
  CHECK(multiply_adds<Conv2d<7, 5, 2, 1>>(Shape{3, 28, 20}) == 7 * 75 * 13 * 9);
}

TEST_CASE("MaxPool2d by hand") {
  const Trip<MaxPool2d<2>, Shape{1, 2, 5}> trip({1, 3, 2, 2, 9, 4, 0, 2, 1, 9}, {}, {10, 20});
  CHECK(trip.y == Numbers{4, 2});
  CHECK(trip.dx == Numbers{0, 0, 20, 0, 0, 10, 0, 0, 0, 0});
}

TEST_CASE("activations by hand") {
  const Trip<Relu, Shape{4}> relu({-1, 0, 2, std::nan("")}, {}, {5, 6, 7, 8});
  CHECK(relu.y[0] == 0);
  CHECK(relu.y[2] == 2);
  CHECK(std::isnan(relu.y[3]));
  CHECK(relu.dx == Numbers{0, 0, 7, 0});
  const Trip<Tanh, Shape{2}> tanh({0, 1}, {}, {3, 3});
  CHECK(tanh.y == Numbers{0, std::tanh(1.0)});
  CHECK(tanh.dx[0] == 3);
  CHECK(tanh.dx[1] == doctest::Approx(3 / (std::cosh(1.0) * std::cosh(1.0))));
}

TEST_CASE("Dropout drops its share, scales the rest and rests when evaluating") {
  const Numbers ones(10000, 1), twos(10000, 2);
  const Trip<Dropout<30>, Shape{10000}> training(ones, {}, twos, true), evaluating(ones, {}, twos);
  CHECK(evaluating.y == ones);
  CHECK(evaluating.dx == twos);
  int dropped = 0;
  for (std::size_t i = 0; i < ones.size(); ++i) {
    dropped += training.y[i] == 0 ? 1 : 0;
    CHECK((training.y[i] == 0 || training.y[i] == doctest::Approx(1 / 0.7)));
    CHECK(training.dx[i] == 2 * training.y[i]);
  }
  // Five standard deviations: sqrt(10000 * 0.3 * 0.7) = 46.
  CHECK(std::abs(dropped - 3000) < 230);
}

TEST_CASE("equal layers at different places draw different numbers") {
  const Numbers ones(64, 1);
  const Trip<Sequential<Dropout<50>>, Shape{64}> once(ones, {}, ones, true);
  const Trip<Sequential<Dropout<50>, Dropout<50>>, Shape{64}> twice(ones, {}, ones, true);
  int left = 0;
  for (std::size_t i = 0; i < 64; ++i) {
    if (once.y[i] == 0) CHECK(twice.y[i] == 0);
    left += twice.y[i] != 0 ? 1 : 0;
  }
  CHECK(left > 4);
  CHECK(left < 28);
}

TEST_CASE("Sequential by hand") {
  // y = 3 relu(2x - 1) + 1
  using Chain = Sequential<Dense<1>, Relu, Dense<1>>;
  const Trip<Chain, Shape{1}> on({2}, {2, -1, 3, 1}, {1}), off({-2}, {2, -1, 3, 1}, {1});
  CHECK(on.y == Numbers{10});
  CHECK(on.dx == Numbers{6});
  CHECK(on.dp == Numbers{6, 3, 3, 1});
  CHECK(off.y == Numbers{1});
  CHECK(off.dx == Numbers{0});
  CHECK(off.dp == Numbers{0, 0, 0, 1});
}

TEST_CASE("Residual by hand") {
  // y = x + relu(2x - 1)
  const Trip<Residual<Dense<1>, Relu>, Shape{1}> on({2}, {2, -1}, {1}), off({-2}, {2, -1}, {1});
  CHECK(on.y == Numbers{5});
  CHECK(on.dx == Numbers{3});
  CHECK(on.dp == Numbers{2, 1});
  CHECK(off.y == Numbers{-2});
  CHECK(off.dx == Numbers{1});
  CHECK(off.dp == Numbers{0, 0});
}

TEST_CASE("the parts of a chain lie one after the other") {
  using Chain =
      Sequential<Conv2d<2, 3>, MaxPool2d<2>, Dense<8>, Residual<Dense<8>, Tanh, Dense<8>>, Sequential<Dense<3>>>;
  constexpr Shape in{1, 6, 6};
  static_assert(check<Chain, in>());
  CHECK(Chain::output(in) == Shape{3});
  std::vector<std::size_t> offsets, sizes;
  std::vector<std::string> paths;
  constexpr Path top{nullptr, "top"};
  for_each_parameter<Chain>(in, top, [&](const Path& path, const Parameter& parameter, std::size_t offset) {
    paths.push_back(path.text());
    offsets.push_back(offset);
    sizes.push_back(parameter.size());
  });
  CHECK(sizes == std::vector<std::size_t>{18, 2, 64, 8, 64, 8, 64, 8, 24, 3});
  CHECK(offsets == std::vector<std::size_t>{0, 18, 20, 84, 92, 156, 164, 228, 236, 260});
  CHECK(paths == std::vector<std::string>{"top.0.weight", "top.0.bias", "top.2.weight", "top.2.bias", "top.3.0.weight",
                                          "top.3.0.bias", "top.3.2.weight", "top.3.2.bias", "top.4.0.weight",
                                          "top.4.0.bias"});
  CHECK(parameter_count<Chain>(in) == 263);
  std::vector<std::string> layers;
  std::size_t parameters = 0;
  double work = 0;
  Chain::for_each_layer(in, [&](std::string_view layer, Shape from, Shape to, std::size_t count, double operations) {
    layers.emplace_back(layer);
    parameters += count;
    work += operations;
    CHECK(from.size() > 0);
    CHECK(to.size() > 0);
  });
  CHECK(layers ==
        std::vector<std::string>{"Conv2d", "MaxPool2d", "Dense", "Residual", "Dense", "Tanh", "Dense", "Dense"});
  CHECK(parameters == 263);
  CHECK(work == 18 * 16 + 3 * 64 + 24);
  CHECK(multiply_adds<Chain>(in) == work);
}

TEST_CASE("a layer that works in place costs no memory") {
  // The outputs of Dense and Relu lie in y; nothing is left for backward but Dropout's factors.
  CHECK(saved<Sequential<Dense<50>, Relu>>(Shape{10}) == 0);
  CHECK(saved<Sequential<Dense<50>, Dropout<50>>>(Shape{10}) == 50);
  CHECK(saved<Sequential<Dense<50>, Relu, Dense<20>>>(Shape{10}) == 50);
}
