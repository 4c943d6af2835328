// SPDX-License-Identifier: MIT
#include <mtlx/core/random.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <vector>

#if __has_include(<Random123/philox.h>)
#include <Random123/philox.h>
#endif

using namespace mtlx;

namespace {

using Words = std::array<std::uint32_t, 4>;

// Published with Random123 1.14 (kat_vectors, philox4x32 10).
static_assert(philox({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
static_assert(philox({~0U, ~0U, ~0U, ~0U}, {~0U, ~0U}) == Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
static_assert(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
              Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});

std::vector<std::uint32_t> draws(Random random, std::size_t count) {
  std::vector<std::uint32_t> words(count);
  for (std::uint32_t& word : words) word = random.bits();
  return words;
}

}  // namespace

#if __has_include(<Random123/philox.h>)
TEST_CASE("philox agrees with Random123") {
  Random random(3, Purpose::user);
  r123::Philox4x32 theirs;
  for (int i = 0; i < 20000; ++i) {
    Words counter{};
    std::array<std::uint32_t, 2> key{};
    for (std::uint32_t& word : counter) word = i % 3 == 0 ? static_cast<std::uint32_t>(i) : random.bits();
    for (std::uint32_t& word : key) word = i % 5 == 0 ? ~static_cast<std::uint32_t>(i) : random.bits();
    const auto expected = theirs({{counter[0], counter[1], counter[2], counter[3]}}, {{key[0], key[1]}});
    const Words got = philox(counter, key);
    REQUIRE(std::equal(got.begin(), got.end(), expected.begin()));
  }
}
#endif

TEST_CASE("a stream is the blocks of its counter, in order") {
  const std::uint64_t seed = 0x123456789ABCDEF0, stream = 0xFEDCBA9876543210;
  Random random(seed, Purpose::dropout, stream);
  for (std::uint32_t block = 0; block < 5; ++block)
    for (const std::uint32_t word : philox({block, 4, 0x76543210, 0xFEDCBA98}, {0x9ABCDEF0, 0x12345678}))
      CHECK(random.bits() == word);
}

TEST_CASE("streams of other seeds, purposes and numbers differ, copies don't") {
  const auto first = draws(Random(1, Purpose::shuffle, 0), 8);
  CHECK(draws(Random(1, Purpose::shuffle), 8) == first);
  for (const Random& other :
       {Random(2, Purpose::shuffle), Random(1ULL << 32 | 1, Purpose::shuffle), Random(1, Purpose::sample),
        Random(1, Purpose::shuffle, 1), Random(1, Purpose::shuffle, 1ULL << 32)}) {
    const auto words = draws(other, 8);
    for (std::size_t i = 0; i < 8; ++i) CHECK(words[i] != first[i]);
  }
  Random original(1, Purpose::split);
  original.bits();
  Random copy = original;
  CHECK(draws(original, 9) == draws(copy, 9));
}

TEST_CASE("unit_float is in [0, 1) and exact") {
  CHECK(unit_float(0) == 0);
  CHECK(unit_float(255) == 0);
  CHECK(unit_float(256) == 0x1.0p-24F);
  CHECK(unit_float(~0U) == 1 - 0x1.0p-24F);
}

TEST_CASE("uniform numbers have the moments and the spread of uniform numbers") {
  Random random(5, Purpose::user);
  constexpr int count = 100000;
  double sum = 0, squares = 0, products = 0, before = 0.5;
  std::array<int, 100> bins{};
  for (int i = 0; i < count; ++i) {
    const double u = random.uniform();
    REQUIRE(u >= 0);
    REQUIRE(u < 1);
    sum += u, squares += u * u, products += (u - 0.5) * (before - 0.5), before = u;
    ++bins[static_cast<std::size_t>(u * 100)];
  }
  // Five standard deviations: of the mean sqrt(1/12/n), of the mean square sqrt(4/45/n), of a product 1/12/sqrt(n).
  CHECK(std::abs(sum / count - 0.5) < 5 * std::sqrt(1.0 / 12 / count));
  CHECK(std::abs(squares / count - 1.0 / 3) < 5 * std::sqrt(4.0 / 45 / count));
  CHECK(std::abs(products / count) < 5.0 / 12 / std::sqrt(count));
  double chi = 0;
  for (const int n : bins) chi += (n - 1000.0) * (n - 1000.0) / 1000;
  CHECK(chi < 99 + 5 * std::sqrt(2 * 99.0));
  CHECK(chi > 99 - 5 * std::sqrt(2 * 99.0));
}

TEST_CASE("normal numbers have the moments of normal numbers") {
  Random random(6, Purpose::user);
  constexpr int count = 100000;
  double moments[5] = {};
  for (int i = 0; i < count; ++i) {
    const double x = random.normal();
    REQUIRE(std::isfinite(x));
    double power = x;
    for (int k = 1; k < 5; ++k, power *= x) moments[k] += power / count;
  }
  // Variances of x, x², x³, x⁴: 1, 2, 15, 96.
  CHECK(std::abs(moments[1]) < 5 * std::sqrt(1.0 / count));
  CHECK(std::abs(moments[2] - 1) < 5 * std::sqrt(2.0 / count));
  CHECK(std::abs(moments[3]) < 5 * std::sqrt(15.0 / count));
  CHECK(std::abs(moments[4] - 3) < 5 * std::sqrt(96.0 / count));
}

TEST_CASE("below is even over its range") {
  Random random(7, Purpose::user);
  CHECK(random.below(1) == 0);
  for (const std::uint32_t bound : {2U, 3U, 7U, 10U, 64U}) {
    std::vector<double> counts(bound);
    for (std::uint32_t i = 0; i < 2000 * bound; ++i) {
      const std::uint32_t number = random.below(bound);
      REQUIRE(number < bound);
      ++counts[number];
    }
    double chi = 0;
    for (const double n : counts) chi += (n - 2000) * (n - 2000) / 2000;
    CHECK(chi < bound - 1 + 5 * std::sqrt(2.0 * (bound - 1)));
  }
  // With a modulo, or without rejection, the lower third of this range would come twice as often as the rest.
  constexpr std::uint32_t wide = 3U << 30;
  int low = 0;
  for (int i = 0; i < 30000; ++i) low += random.below(wide) < wide / 3 ? 1 : 0;
  CHECK(std::abs(low - 10000) < 5 * std::sqrt(30000 * 2.0 / 9));
}

TEST_CASE("shuffle gives each order its share") {
  Random random(8, Purpose::user);
  std::array<int, 6> orders{};
  for (int i = 0; i < 12000; ++i) {
    std::array<int, 3> items{0, 1, 2};
    random.shuffle(std::span<int>(items));
    ++orders[static_cast<std::size_t>(items[0] * 2 + (items[1] > items[2] ? 1 : 0))];
  }
  for (const int n : orders) CHECK(std::abs(n - 2000) < 5 * std::sqrt(12000 * 5.0 / 36));

  std::vector<int> many(1000);
  std::iota(many.begin(), many.end(), 0);
  const std::vector<int> sorted = many;
  random.shuffle(std::span(many));
  CHECK(many != sorted);
  CHECK(std::is_permutation(many.begin(), many.end(), sorted.begin()));
  std::vector<int> none;
  random.shuffle(std::span(none));
  CHECK(none.empty());
}
