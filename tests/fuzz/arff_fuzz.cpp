// SPDX-License-Identifier: MIT
#include <mtlx/data/arff.hpp>

#include "table_fuzz.hpp"

using namespace mtlx::data;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzz::run(data, size, [](std::string_view text) { fuzz::use(parse_arff(text, "fuzz")); });
}
