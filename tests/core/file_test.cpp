// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdio>
#include <mtlx/core/file.hpp>
#include <string>

TEST_CASE("a text is written whole, or an error names the path") {
  char path[] = "/tmp/mtlx-file-XXXXXX";
  const int handle = mkstemp(path);
  REQUIRE(handle >= 0);
  close(handle);
  const std::string text("two\nlines\0and a zero", 20);
  mtlx::write_file(path, text);
  std::FILE* file = std::fopen(path, "rb");
  REQUIRE(file != nullptr);
  std::string found(64, '\0');
  found.resize(std::fread(found.data(), 1, found.size(), file));
  std::fclose(file);
  std::remove(path);
  CHECK(found == text);
  CHECK_THROWS_WITH_AS(mtlx::write_file("/no such folder/file", text), "mtlx: cannot write /no such folder/file",
                       mtlx::Error);
}
