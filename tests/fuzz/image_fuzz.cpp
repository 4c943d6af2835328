// SPDX-License-Identifier: MIT
// The checksums of a PNG's parts are put right, so that what lies behind them is tried too.
#include <mtlx/data/image_file.hpp>

#include <string>

#include "fuzz.hpp"

using namespace mtlx::data;

static std::string with_checksums(std::string bytes) {
  if (!bytes.starts_with(detail::png_mark)) return bytes;
  for (std::size_t at = 8; bytes.size() - at >= 12;) {
    const std::size_t size = detail::big_endian(bytes, at, 4);
    if (size > bytes.size() - at - 12) break;
    const std::uint32_t crc = detail::crc32(std::string_view(bytes).substr(at + 4, size + 4));
    for (std::size_t i = 0; i < 4; ++i) bytes[at + 8 + size + i] = static_cast<char>(crc >> (24 - 8 * i));
    at += 12 + size;
  }
  return bytes;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzz::run(data, size, [](std::string_view bytes) {
    const ByteImage picture =
        parse_image(with_checksums(std::string(bytes)), "fuzz", {.channels = 0, .most_pixels = std::size_t{1} << 20});
    check_picture("fuzz", picture);
  });
}
