// SPDX-License-Identifier: MIT
// The checksum would turn nearly all away: an input that is no checkpoint gets a head and a checksum that fit.
#include <mtlx/training/checkpoint.hpp>

#include <string>

#include "fuzz.hpp"

using namespace mtlx;
using namespace mtlx::training;

namespace {

void append(std::string& bytes, std::uint64_t number) {
  bytes.append(reinterpret_cast<const char*>(&number), sizeof number);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzz::run(data, size, [](std::string_view input) {
    std::string bytes(input);
    if (!input.starts_with("mtlxckpt")) {
      bytes = "mtlxckpt";
      append(bytes, 2);
      append(bytes, input.size() + 32);
      bytes += input;
      append(bytes, checksum(bytes));
    }
    // The older version is written as the newer one.
    const std::string again = checkpoint_bytes(parse_checkpoint(bytes, "fuzz"));
    fuzz::require(bytes[8] == 1 || again == bytes);
  });
}
