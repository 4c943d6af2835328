// SPDX-License-Identifier: MIT
#include <mtlx/data/conllu.hpp>

#include "corpus_fuzz.hpp"

using namespace mtlx::data;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzz::run(data, size, [](std::string_view text) {
    fuzz::use(parse_columns(text, "fuzz", {"form", "upos", "chunk"}, {.leave_out = "-DOCSTART-"}));
  });
}
