// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <mtlx/study/tensorboard.hpp>
#include <string>

#include "event_oracle.inc"

using namespace mtlx;

TEST_CASE("CRC-32C is that of RFC 3720") {
  CHECK(study::crc32c("") == 0);
  CHECK(study::crc32c("123456789") == 0xE3069283);
  CHECK(study::crc32c(std::string(32, '\0')) == 0x8A9136AA);
  CHECK(study::crc32c(std::string(32, '\xFF')) == 0x62A8AB43);
  std::string up, down;
  for (int i = 0; i < 32; ++i) up += static_cast<char>(i), down += static_cast<char>(31 - i);
  CHECK(study::crc32c(up) == 0x46DD794E);
  CHECK(study::crc32c(down) == 0x113FDB5C);
}

TEST_CASE("an event file has the bytes that TensorBoard's own writer makes") {
  study::EventFile file(1.5);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  file.add(2.5, 300,
           {{"left/loss", 0.1F},
            {"none", nan},
            {"gr\xC3\xB6\xC3\x9F"
             "e/loss",
             -2.0},
            {"large", 1e39}});
  file.add(3.0, 301, {{"none", nan}});  // nothing to write
  file.add(3.5, std::int64_t{1} << 40, {{std::string(200, 'x'), 1e-30}});
  const std::string expected(reinterpret_cast<const char*>(event_bytes), sizeof event_bytes);
  CHECK(file.bytes() == expected);
  CHECK_THROWS_AS(file.write("/no such folder/events.out.tfevents.0"), Error);
}

TEST_CASE("a tag that is no UTF-8 becomes one that readers take") {
  study::EventFile file, same;
  file.add(1, 1, {{"a\xFF\xC0\xAF\xED\xA0\x80z\x01", 1.0}});
  same.add(1, 1, {{"a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDz\xEF\xBF\xBD", 1.0}});
  CHECK(file.bytes() == same.bytes());
}
