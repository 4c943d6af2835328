// SPDX-License-Identifier: MIT
// compile with -ffast-math
// Users build with it, and then isnan and isfinite are always false and true: what must see NaN looks at bits.
#include <mtlx/core/index.hpp>
#include <mtlx/core/scalar.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>

using namespace mtlx;

namespace {

// From bits that the compiler can't know, or it would fold the comparison.
double from_bits(std::uint64_t bits) {
  volatile std::uint64_t hidden = bits;
  return std::bit_cast<double>(std::uint64_t{hidden});
}
float from_bits(std::uint32_t bits) {
  volatile std::uint32_t hidden = bits;
  return std::bit_cast<float>(std::uint32_t{hidden});
}

}  // namespace

TEST_CASE("is_finite sees NaN and infinity under -ffast-math") {
  for (const std::uint64_t bits : {0x7FF0000000000000ULL, 0xFFF0000000000000ULL, 0x7FF8000000000000ULL,
                                   0xFFF8000000000001ULL, 0x7FF0000000000001ULL})
    CHECK_FALSE(is_finite(from_bits(bits)));
  for (const std::uint32_t bits : {0x7F800000U, 0xFF800000U, 0x7FC00000U, 0xFFC00001U, 0x7F800001U})
    CHECK_FALSE(is_finite(from_bits(bits)));
  for (const std::uint64_t bits : {0ULL, 0x8000000000000000ULL, 1ULL, 0x7FEFFFFFFFFFFFFFULL, 0xFFEFFFFFFFFFFFFFULL})
    CHECK(is_finite(from_bits(bits)));
  for (const std::uint32_t bits : {0U, 0x80000000U, 1U, 0x7F7FFFFFU, 0xFF7FFFFFU}) CHECK(is_finite(from_bits(bits)));
}

TEST_CASE_TEMPLATE("small results keep their last places under -ffast-math", T, float, double) {
  const auto epsilon = static_cast<double>(std::numeric_limits<T>::epsilon());
  for (double x = -80; x <= 80; x += 0.137) {
    volatile T hidden = static_cast<T>(x);
    const auto at = static_cast<double>(T{hidden});
    // e^x where 1 + e^x is 1.
    const double plus = at < -40 ? std::exp(at) : (at > 0 ? at : 0) + std::log1p(std::exp(-std::abs(at)));
    CHECK(std::abs(static_cast<double>(softplus(T{hidden})) / plus - 1) <= 6 * epsilon);
    if (std::abs(at) > 13) continue;
    const double allowed = (8 + (at < 0 ? at * at : 0)) * epsilon;
    CHECK(std::abs(static_cast<double>(normal_cdf(T{hidden})) / (std::erfc(-at * 0.70710678118654752) / 2) - 1) <=
          allowed);
  }
}

TEST_CASE("index_of takes no NaN and no infinity for an index under -ffast-math") {
  for (const std::uint64_t bits :
       {0x7FF0000000000000ULL, 0xFFF0000000000000ULL, 0x7FF8000000000000ULL, 0xFFF8000000000001ULL,
        0x7FEFFFFFFFFFFFFFULL, 0xBFF0000000000000ULL, 0x3FE0000000000000ULL, 0x4008000000000000ULL})
    CHECK(index_of(from_bits(bits), 3) == -1);
  for (const std::uint32_t bits :
       {0x7F800000U, 0xFF800000U, 0x7FC00000U, 0xFFC00001U, 0x7F7FFFFFU, 0xBF800000U, 0x3F000000U, 0x40400000U})
    CHECK(index_of(from_bits(bits), 3) == -1);
  for (const std::uint64_t bits : {0ULL, 0x8000000000000000ULL}) CHECK(index_of(from_bits(bits), 3) == 0);
  CHECK(index_of(from_bits(0x40000000U), 3) == 2);
}
