// SPDX-License-Identifier: MIT
// A checksum that tells a damaged file from a whole one; no protection against people.
//   h <- length;  for every 8 bytes (little-endian, the last ones filled up with zeros) as a number w:
//   h <- (h ^ w) 0x9E3779B97F4A7C15 mod 2^64;  h <- h ^ (h >> 32)
// Each step maps h ^ w one to one, so that damage within any one word is always seen, other damage with 1 - 2^-64 or so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace mtlx {

/// The 64-bit checksum of some bytes.
constexpr std::uint64_t checksum(std::string_view bytes) {
  std::uint64_t h = bytes.size();
  for (std::size_t i = 0; i < bytes.size(); i += 8) {
    std::uint64_t word = 0;
    const std::size_t count = bytes.size() - i < 8 ? bytes.size() - i : 8;
    for (std::size_t j = 0; j < count; ++j) word |= std::uint64_t{static_cast<unsigned char>(bytes[i + j])} << (8 * j);
    h = (h ^ word) * 0x9E3779B97F4A7C15;
    h ^= h >> 32;
  }
  return h;
}

}  // namespace mtlx
