// SPDX-License-Identifier: MIT
#include <mtlx/data/safetensors.hpp>

#include "fuzz.hpp"

using namespace mtlx::data;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzz::run(data, size, [](std::string_view bytes) {
    const Safetensors content = parse_safetensors(bytes, "fuzz");
    for (const Tensor& tensor : content.tensors) fuzz::require(tensor.size() * tensor.width == tensor.bytes.size());
    fuzz::attempt([&] {
      const Safetensors again = parse_safetensors(safetensors_bytes(content), "again");
      fuzz::require(again.tensors.size() == content.tensors.size() && again.metadata == content.metadata);
      for (std::size_t i = 0; i < again.tensors.size(); ++i) {
        const Tensor &a = again.tensors[i], &b = content.tensors[i];
        fuzz::require(a.name == b.name && a.shape == b.shape && a.width == b.width && a.bytes == b.bytes);
      }
    });
  });
}
