// SPDX-License-Identifier: MIT
#include <mtlx/data/csv.hpp>

#include "table_fuzz.hpp"

using namespace mtlx::data;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzz::run(data, size, [](std::string_view text) {
    const CsvOptions other{.delimiter = ';', .missing = {}, .text_columns = {"a"}};
    fuzz::use(parse_csv(text, "fuzz", text.size() % 4 == 0 ? other : CsvOptions{}));
  });
}
