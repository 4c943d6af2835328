// SPDX-License-Identifier: MIT
// compile with -ffast-math
// Users build with it, and then isnan and isfinite are always false and true: what must see NaN looks at bits.
#include <mtlx/core/scalar.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <initializer_list>

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
