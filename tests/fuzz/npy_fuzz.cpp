// SPDX-License-Identifier: MIT
#include <mtlx/data/npy.hpp>

#include "fuzz.hpp"

using namespace mtlx::data;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzz::run(data, size, [](std::string_view bytes) {
    const NpyArray array = parse_npy(bytes, "fuzz");
    std::size_t count = 1;
    for (const std::size_t side : array.shape) count *= side;
    fuzz::require(count == array.floats.size() + array.doubles.size() + array.bytes.size() + array.integers.size());
    fuzz::require(parse_npy_header(bytes, "fuzz").count == count);
    if (array.type == NpyArray::Type::integers)
      fuzz::require(parse_npy(npy_bytes(array.shape, std::span(array.integers)), "fuzz").integers == array.integers);
    fuzz::attempt([&] { inputs_from(array); });
    fuzz::attempt([&] { classes_from(array); });
    fuzz::attempt([&] { values_from(array); });
  });
}
