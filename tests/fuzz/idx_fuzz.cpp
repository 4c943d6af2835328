// SPDX-License-Identifier: MIT
#include <mtlx/data/idx.hpp>

#include "fuzz.hpp"

using namespace mtlx::data;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzz::run(data, size, [](std::string_view bytes) {
    Idx array;
    if (bytes.starts_with("\x1F\x8B")) {
      detail::Memory packed(bytes, "fuzz");
      array = detail::unpacked_with(packed, [](detail::Source& source) { return detail::parse_idx(source); });
    } else {
      array = parse_idx(bytes, "fuzz");
    }
    std::size_t count = 1;
    for (const std::size_t side : array.dimensions) count *= side;
    fuzz::require(count == array.bytes.size());
  });
}
