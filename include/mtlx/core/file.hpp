// SPDX-License-Identifier: MIT
#pragma once

#include <cstdio>
#include <mtlx/core/error.hpp>
#include <string>
#include <string_view>

namespace mtlx {

/// Writes a text as a file, whole. Throws `Error` naming the path if that fails.
inline void write_file(const std::string& path, std::string_view text) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) fail("cannot write ", path);
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  if (std::fclose(file) != 0 || !written) fail("writing ", path, " failed");
}

}  // namespace mtlx
