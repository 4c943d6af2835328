// SPDX-License-Identifier: MIT
#include <mtlx/core/scalar.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <type_traits>

using namespace mtlx;

namespace {

template <class T>
constexpr T infinity = std::numeric_limits<T>::infinity();
template <class T>
constexpr T not_a_number = std::numeric_limits<T>::quiet_NaN();

}  // namespace

TEST_CASE_TEMPLATE("select, maximum and absolute", T, float, double) {
  CHECK(select(true, T(1), T(2)) == 1);
  CHECK(select(false, T(1), T(2)) == 2);
  CHECK(maximum(T(1), T(2)) == 2);
  CHECK(maximum(T(2), T(1)) == 2);
  CHECK(std::isnan(maximum(not_a_number<T>, T(1))));
  CHECK(absolute(T(-3)) == 3);
  CHECK(absolute(T(3)) == 3);
  CHECK(absolute(-infinity<T>) == infinity<T>);
  CHECK(std::isnan(absolute(not_a_number<T>)));
}

TEST_CASE_TEMPLATE("functions are the standard ones", T, float, double) {
  CHECK(exponential(T(1.5)) == std::exp(T(1.5)));
  CHECK(logarithm(T(1.5)) == std::log(T(1.5)));
  CHECK(square_root(T(1.5)) == std::sqrt(T(1.5)));
  CHECK(hyperbolic_tangent(T(1.5)) == std::tanh(T(1.5)));
}

TEST_CASE_TEMPLATE("softplus is accurate and doesn't overflow", T, float, double) {
  const auto epsilon = static_cast<double>(std::numeric_limits<T>::epsilon());
  for (double x = -80; x <= 80; x += 0.0137) {
    const auto at = static_cast<double>(static_cast<T>(x));
    const double expected = std::max(at, 0.0) + std::log1p(std::exp(-std::abs(at)));
    // Far to the left too.
    CHECK(std::abs(static_cast<double>(softplus(static_cast<T>(x))) / expected - 1) <= 4 * epsilon);
  }
  CHECK(softplus(T(1e30)) == T(1e30));
  CHECK(softplus(T(-1e30)) == 0);
  CHECK(softplus(infinity<T>) == infinity<T>);
  CHECK(softplus(-infinity<T>) == 0);
  CHECK(std::isnan(softplus(not_a_number<T>)));
}

TEST_CASE_TEMPLATE("the normal distribution function is accurate on both sides", T, float, double) {
  const auto epsilon = static_cast<double>(std::numeric_limits<T>::epsilon());
  const double left = std::is_same_v<T, float> ? -13 : -37;  // normal numbers
  for (double x = left; x <= 10; x += 0.00137) {
    const auto at = static_cast<double>(static_cast<T>(x));
    const auto expected = static_cast<double>(std::erfc(static_cast<long double>(-at) / std::sqrt(2.0L)) / 2);
    const double allowed = (6 + (at < 0 ? at * at : 0)) * epsilon;
    CHECK(std::abs(static_cast<double>(normal_cdf(static_cast<T>(x))) / expected - 1) <= allowed);
  }
  CHECK(normal_cdf(T(0)) == doctest::Approx(0.5).epsilon(2 * epsilon));
  CHECK(normal_cdf(infinity<T>) == 1);
  CHECK(normal_cdf(-infinity<T>) == 0);
  CHECK(normal_cdf(T(1e30)) == 1);
  CHECK(normal_cdf(T(-1e30)) == 0);
  CHECK(std::isnan(normal_cdf(not_a_number<T>)));
}

TEST_CASE_TEMPLATE("sigmoid is accurate on both sides", T, float, double) {
  const auto epsilon = static_cast<double>(std::numeric_limits<T>::epsilon());
  for (double x = -60; x <= 60; x += 0.37) {
    const auto at = static_cast<double>(static_cast<T>(x));
    const double expected = 1 / (1 + std::exp(-at));
    CHECK(std::abs(static_cast<double>(sigmoid(static_cast<T>(x))) / expected - 1) <= 4 * epsilon);
  }
  CHECK(sigmoid(T(0)) == T(0.5));
  CHECK(sigmoid(infinity<T>) == 1);
  CHECK(sigmoid(-infinity<T>) == 0);
  CHECK(sigmoid(T(1e30)) == 1);
  CHECK(sigmoid(T(-1e30)) == 0);
  CHECK(std::isnan(sigmoid(not_a_number<T>)));
}

TEST_CASE_TEMPLATE("is_finite", T, float, double) {
  using Limits = std::numeric_limits<T>;
  for (const T x : {T(0), -T(0), T(1), Limits::max(), Limits::lowest(), Limits::min(), Limits::denorm_min()})
    CHECK(is_finite(x));
  for (const T x : {infinity<T>, -infinity<T>, not_a_number<T>, -not_a_number<T>, Limits::signaling_NaN()})
    CHECK_FALSE(is_finite(x));
}
