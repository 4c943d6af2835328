// SPDX-License-Identifier: MIT
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

TEST_CASE("uniform ones have a bound, normal ones pass it") {
  CHECK(moments(he_uniform, 6, 1).largest <= 1);
  CHECK(moments(glorot_uniform, 3, 3).largest <= 1);
  CHECK(moments(he_normal, 6, 1).largest > 1.5);
}

TEST_CASE("constants draw nothing") {
  Random random(1, Purpose::initialise), other = random;
  CHECK(zeros(random, 3, 4) == 0);
  CHECK(ones(random, 3, 4) == 1);
  CHECK(random.bits() == other.bits());
}

TEST_CASE("the same stream gives the same numbers") {
  Random a(1, Purpose::initialise), b(1, Purpose::initialise), c(2, Purpose::initialise);
  const double first = he_normal(a, 10, 10);
  CHECK(he_normal(b, 10, 10) == first);
  CHECK(he_normal(c, 10, 10) != first);
}
