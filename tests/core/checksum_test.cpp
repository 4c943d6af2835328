// SPDX-License-Identifier: MIT
#include <mtlx/core/checksum.hpp>

#include <doctest/doctest.h>

#include <string>

using mtlx::checksum;

TEST_CASE("the checksum of texts, worked out by the header's formula in Python") {
  CHECK(checksum("") == 0);
  CHECK(checksum("a") == 0x54cda58fef23226f);
  CHECK(checksum("mtlx") == 0x55d598597377f0c4);
  CHECK(checksum("12345678") == 0x4f0af08daf0a4a20);
  CHECK(checksum("123456789") == 0x1b61fa2c3f5867b5);
  std::string count;
  for (char c = 0; c < 20; ++c) count += c;
  CHECK(checksum(count) == 0xb4e61219f1d5e061);
}

TEST_CASE("every bit counts, and so does every byte at the end") {
  const std::string text = "twenty-one bytes here";
  const auto whole = checksum(text);
  for (std::size_t i = 0; i < text.size(); ++i)
    for (int bit = 0; bit < 8; ++bit) {
      std::string other = text;
      other[i] = static_cast<char>(other[i] ^ (1 << bit));
      CHECK(checksum(other) != whole);
    }
  CHECK(checksum(text + '\0') != whole);
  CHECK(checksum(std::string(1, '\0')) != checksum(""));
  CHECK(checksum("abcdefgh12345678") != checksum("12345678abcdefgh"));
}
