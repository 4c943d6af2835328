// SPDX-License-Identifier: MIT
// compile with -ffast-math
// What is NaN or infinite is then seen only by its bits, and sums are reordered.
#include <mtlx/backend/pack.hpp>
#include <mtlx/core/scalar.hpp>

#include <doctest/doctest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <type_traits>

using namespace mtlx;
using backend::Pack;

namespace {

template <class T>
using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;

// In every lane, from bits that the compiler can't know; the last lane's bits come back.
template <class T>
Bits<T> at(Pack<T> (*function)(Pack<T>), Bits<T> bits) {
  volatile Bits<T> hidden = bits;
  std::array<T, static_cast<std::size_t>(Pack<T>::size)> x{};
  x.fill(std::bit_cast<T>(Bits<T>{hidden}));
  function(Pack<T>::load(x.data())).store(x.data());
  return std::bit_cast<Bits<T>>(x.back());
}
template <class T>
Pack<T> e(Pack<T> x) {
  return exponential(x);
}
template <class T>
Pack<T> l(Pack<T> x) {
  return logarithm(x);
}
template <class T>
Pack<T> t(Pack<T> x) {
  return hyperbolic_tangent(x);
}

}  // namespace

TEST_CASE_TEMPLATE("functions of packs see NaN and infinity under -ffast-math", T, float, double) {
  constexpr bool narrow = sizeof(T) == 4;
  constexpr auto sign = static_cast<Bits<T>>(narrow ? 0x80000000U : 0x8000000000000000U);
  constexpr auto infinity = static_cast<Bits<T>>(narrow ? 0x7F800000U : 0x7FF0000000000000U);
  const auto nan = [](Bits<T> bits) { return (bits & ~sign) > infinity; };
  for (const Bits<T> quiet : {infinity | infinity >> 1, sign | infinity | infinity >> 1, infinity | 1U})
    for (const auto function : {e<T>, l<T>, t<T>}) CHECK(nan(at<T>(function, quiet)));
  const auto bits = [](T x) { return std::bit_cast<Bits<T>>(x); };
  CHECK(at<T>(e, infinity) == infinity);
  CHECK(at<T>(e, bits(T(1e4))) == infinity);
  CHECK(at<T>(e, sign | infinity) == 0);
  CHECK(at<T>(e, bits(T(-1e4))) == 0);
  CHECK(at<T>(l, infinity) == infinity);
  CHECK(at<T>(l, 0) == (sign | infinity));
  CHECK(at<T>(l, sign) == (sign | infinity));
  CHECK(nan(at<T>(l, bits(T(-1)))));
  CHECK(nan(at<T>(l, sign | infinity)));
  for (const Bits<T> large : {infinity, bits(T(1e4)), bits(T(20))}) {
    CHECK(at<T>(t, large) == bits(T(1)));
    CHECK(at<T>(t, sign | large) == bits(T(-1)));
  }
}

TEST_CASE_TEMPLATE("functions of packs keep their last places under -ffast-math", T, float, double) {
  const auto epsilon = static_cast<double>(std::numeric_limits<T>::epsilon());
  const auto error = [](Pack<T> (*function)(Pack<T>), T x, double expected) {
    return std::abs(static_cast<double>(std::bit_cast<T>(at<T>(function, std::bit_cast<Bits<T>>(x)))) / expected - 1);
  };
  for (double number = -80.03; number <= 80; number += 0.137) {
    const T x = static_cast<T>(number), small = static_cast<T>(number / 1000);
    CHECK(error(e, x, std::exp(static_cast<double>(x))) <= 2 * epsilon);
    CHECK(error(t, x, std::tanh(static_cast<double>(x))) <= 4 * epsilon);
    CHECK(error(t, small, std::tanh(static_cast<double>(small))) <= 4 * epsilon);
    const T near_one = T(1) + small, power = x * x * x * x / T(1000);
    CHECK(error(l, near_one, std::log(static_cast<double>(near_one))) <= 3 * epsilon);
    CHECK(error(l, power, std::log(static_cast<double>(power))) <= 3 * epsilon);
  }
}
