// SPDX-License-Identifier: MIT
// Counter-based random numbers: the n-th draw of a stream is a pure function of (key, n), so that the same seed gives
// the same numbers on any number of threads and on any backend.
// Reference: Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011 (Philox4x32-10).
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <span>
#include <utility>

namespace mtlx {

/// Philox4x32 with 10 rounds: four random words from a counter of four words and a key of two.
constexpr std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    // Multipliers and Weyl increments as in the paper, section 3.3.
    const std::uint64_t a = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
               static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

/// What a stream of random numbers is for. Streams of different purposes never meet.
enum class Purpose : std::uint32_t {
  initialise = 1,
  shuffle,
  sample,
  dropout,
  balance,
  group,
  split,
  build,
  user,
  augment,
  mask
};

/// A number in [0, 1) with 24 bits from a random word: exact in float.
constexpr float unit_float(std::uint32_t word) { return static_cast<float>(word >> 8) * 0x1.0p-24F; }

/// A random stream: the draws of one (seed, purpose, stream) in order. Copies draw the same numbers.
class Random {
 public:
  /// `stream` tells streams of one purpose apart (a task, an epoch, a parameter).
  constexpr Random(std::uint64_t seed, Purpose purpose, std::uint64_t stream = 0)
      : key_{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)},
        counter_{0, static_cast<std::uint32_t>(purpose), static_cast<std::uint32_t>(stream),
                 static_cast<std::uint32_t>(stream >> 32)} {}

  /// The next 32 random bits.
  constexpr std::uint32_t bits() {
    if (used_ == 4) refill();
    return block_[used_++];
  }

  /// The stream's words 4 n to 4 n + 3, whatever has been drawn: numbers for places that are visited in any order.
  constexpr std::array<std::uint32_t, 4> block(std::uint32_t n) const {
    return philox({n, counter_[1], counter_[2], counter_[3]}, key_);
  }

  /// A number in [0, 1) with 53 bits.
  constexpr double uniform() {
    const std::uint64_t high = bits() >> 5;
    const std::uint64_t low = bits() >> 6;
    return static_cast<double>(high * 0x4000000 + low) * 0x1.0p-53;
  }

  /// A standard normal number (Box-Muller; the second of each pair is not kept, so that every draw costs the same).
  double normal() {
    const double radius = std::sqrt(-2 * std::log(1 - uniform()));
    return radius * std::cos(2 * std::numbers::pi * uniform());
  }

  /// A whole number in [0, bound), each equally likely (rejection, no modulo bias). `bound` is at least 1.
  constexpr std::uint32_t below(std::uint32_t bound) {
    const std::uint32_t reject = static_cast<std::uint32_t>(-bound) % bound;
    for (;;) {
      const std::uint64_t product = std::uint64_t{bits()} * bound;
      if (static_cast<std::uint32_t>(product) >= reject) return static_cast<std::uint32_t>(product >> 32);
    }
  }

  /// Puts the items in random order (Fisher-Yates).
  template <class Item>
  constexpr void shuffle(std::span<Item> items) {
    for (std::size_t left = items.size(); left > 1; --left)
      std::swap(items[left - 1], items[below(static_cast<std::uint32_t>(left))]);
  }

 private:
  [[gnu::noinline]] constexpr void refill() {
    block_ = philox(counter_, key_);
    ++counter_[0];
    used_ = 0;
  }

  std::array<std::uint32_t, 2> key_;
  std::array<std::uint32_t, 4> counter_;
  std::array<std::uint32_t, 4> block_{};
  std::size_t used_ = 4;
};

}  // namespace mtlx
