// SPDX-License-Identifier: MIT
#include <mtlx/nn/dense.hpp>
#include <mtlx/nn/initialiser.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using namespace mtlx;
using namespace mtlx::nn;

namespace {

struct Moments {
  double mean = 0, variance = 0, largest = 0;
};

constexpr int count = 20000;

Moments moments(Initialiser initialiser, double fan_in, double fan_out) {
  Random random(1, Purpose::initialise);
  Moments m;
  for (int i = 0; i < count; ++i) {
    const double x = initialiser(random, fan_in, fan_out);
    m.mean += x / count;
    m.variance += x * x / count;
    m.largest = std::max(m.largest, std::abs(x));
  }
  return m;
}

void expect_variance(Initialiser initialiser, double fan_in, double fan_out, double variance) {
  const Moments m = moments(initialiser, fan_in, fan_out);
  // Five standard deviations; that of a normal number's square is sqrt(2), of a uniform one's less.
  CHECK(std::abs(m.mean) < 5 * std::sqrt(variance / count));
  CHECK(std::abs(m.variance / variance - 1) < 5 * std::sqrt(2.0 / count));
}

/// A user's own.
double small_positive(Random& random, double fan_in, double) { return random.uniform() / fan_in; }

}  // namespace

TEST_CASE("He's variance is 2 / fan-in, whatever flows out") {
  for (const double fan_in : {1.0, 8.0, 500.0})
    for (const double fan_out : {1.0, 100.0}) {
      expect_variance(he_normal, fan_in, fan_out, 2 / fan_in);
      expect_variance(he_uniform, fan_in, fan_out, 2 / fan_in);
    }
}

TEST_CASE("Glorot's variance is 2 / (fan-in + fan-out)") {
  for (const double fan_in : {1.0, 500.0})
    for (const double fan_out : {1.0, 100.0}) {
      expect_variance(glorot_normal, fan_in, fan_out, 2 / (fan_in + fan_out));
      expect_variance(glorot_uniform, fan_in, fan_out, 2 / (fan_in + fan_out));
    }
}

TEST_CASE("LeCun's variance is 1 / fan-in, PyTorch's a third of it") {
  for (const double fan_in : {1.0, 8.0, 500.0})
    for (const double fan_out : {1.0, 100.0}) {
      expect_variance(lecun_normal, fan_in, fan_out, 1 / fan_in);
      expect_variance(lecun_uniform, fan_in, fan_out, 1 / fan_in);
      expect_variance(pytorch_uniform, fan_in, fan_out, 1 / (3 * fan_in));
    }
}

TEST_CASE("a given deviation is kept, whatever the fans") {
  expect_variance(normal<0.02>, 7, 9, 0.0004);
  expect_variance(uniform<-0.5, 0.5>, 7, 9, 1.0 / 12);
  // That of a standard normal number between -2 and 2: 1 - 4 phi(2) / (2 Phi(2) - 1).
  expect_variance(truncated_normal<3>, 7, 9, 9 * 0.7737413035);
}

TEST_CASE("uniform ones have a bound, normal ones pass it") {
  CHECK(moments(he_uniform, 6, 1).largest <= 1);
  CHECK(moments(glorot_uniform, 3, 3).largest <= 1);
  CHECK(moments(lecun_uniform, 3, 1).largest <= 1);
  CHECK(moments(he_normal, 6, 1).largest > 1.5);
  CHECK(moments(normal<1>, 6, 1).largest > 2.5);
  // And come close to it.
  CHECK(moments(truncated_normal<0.5>, 6, 1).largest <= 1);
  CHECK(moments(truncated_normal<0.5>, 6, 1).largest > 0.99);
  CHECK(moments(pytorch_uniform, 4, 1).largest <= 0.5);
  CHECK(moments(pytorch_uniform, 4, 1).largest > 0.499);
  Random random(3, Purpose::initialise);
  for (int i = 0; i < 1000; ++i) {
    const double x = uniform<2, 5>(random, 1, 1);
    CHECK((x >= 2 && x < 5));
  }
}

TEST_CASE("constants draw nothing") {
  Random random(1, Purpose::initialise), other = random;
  CHECK(zeros(random, 3, 4) == 0);
  CHECK(ones(random, 3, 4) == 1);
  CHECK(constant<-0.125>(random, 3, 4) == -0.125);
  CHECK(random.bits() == other.bits());
}

TEST_CASE("the same stream gives the same numbers") {
  Random a(1, Purpose::initialise), b(1, Purpose::initialise), c(2, Purpose::initialise);
  const double first = he_normal(a, 10, 10);
  CHECK(he_normal(b, 10, 10) == first);
  CHECK(he_normal(c, 10, 10) != first);
}

TEST_CASE("layers take any of them, and a user's own") {
  const auto drawn = [](const Parameter& weight) {
    Random random(1, Purpose::initialise);
    return weight.initialiser(random, weight.fan_in, weight.fan_out);
  };
  Random random(1, Purpose::initialise);
  const double share = random.uniform();
  CHECK(drawn(parameters<Dense<3, small_positive>>(Shape{10})[0]) == share / 10);
  CHECK(drawn(parameters<Dense<3, constant<0.5>>>(Shape{10})[0]) == 0.5);
  CHECK(drawn(parameters<Dense<3, uniform<1, 3>>>(Shape{10})[0]) == 1 + 2 * share);
  CHECK(drawn(parameters<Dense<3, pytorch_uniform>>(Shape{4})[0]) == share - 0.5);
}
