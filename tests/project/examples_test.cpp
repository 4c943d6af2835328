// SPDX-License-Identifier: MIT
// An example is read in one go: less than 100 lines.
#include "source_text.hpp"

#include <doctest/doctest.h>

using namespace project;

namespace {

constexpr std::size_t limit = 100;

Lines too_long(const fs::path& folder) {
  Lines found;
  for (const fs::path& file : sources_under(folder)) {
    const std::size_t count = lines_of(read(file)).size();
    if (count >= limit) found.push_back(file.filename().string() + " has " + std::to_string(count) + " lines");
  }
  return found;
}

}  // namespace

TEST_CASE("examples are short") {
  const Lines found = too_long(root() / "examples");
  CHECK_MESSAGE(found.empty(), joined(found));
}

TEST_CASE("a long example is found") {
  const TemporaryFolder folder("mtlx_examples_test");
  folder.write("fits.cpp", std::string(limit - 1, '\n'));
  CHECK(too_long(folder.path()).empty());
  folder.write("long.cpp", std::string(limit, '\n'));
  CHECK(too_long(folder.path()).size() == 1);
}
