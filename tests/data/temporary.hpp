// SPDX-License-Identifier: MIT
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <stdlib.h>  // mkdtemp

#include <mtlx/core/error.hpp>

/// A directory that goes when the test does.
class Temporary {
 public:
  explicit Temporary(const std::filesystem::path& parent = std::filesystem::temp_directory_path()) {
    std::string name = (parent / "mtlx_XXXXXX").string();
    if (!mkdtemp(name.data())) throw std::runtime_error("no temporary directory");
    path_ = name;
  }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  ~Temporary() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  std::string path() const { return path_.string(); }

  /// Writes a file and returns its path.
  std::string file(const std::string& name, const std::vector<std::uint8_t>& bytes) const {
    const std::string path = (path_ / name).string();
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    out.close();
    if (!out) throw std::runtime_error("can't write " + path);
    return path;
  }

 private:
  std::filesystem::path path_;
};

/// The message of the `mtlx::Error` that `act` throws, or "" if it throws none. Anything else passes through and fails
/// the test.
template <class Act>
doctest::String error_of(Act&& act) {
  try {
    act();
  } catch (const mtlx::Error& error) {
    return error.what();
  }
  return "";
}

/// The head of an IDX file of bytes.
inline std::vector<std::uint8_t> idx_head(const std::vector<std::uint32_t>& dimensions) {
  std::vector<std::uint8_t> bytes{0, 0, 8, static_cast<std::uint8_t>(dimensions.size())};
  for (const std::uint32_t side : dimensions)
    for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<std::uint8_t>(side >> shift));
  return bytes;
}

/// A whole IDX file.
inline std::vector<std::uint8_t> idx_file(const std::vector<std::uint32_t>& dimensions,
                                          const std::vector<std::uint8_t>& data) {
  std::vector<std::uint8_t> bytes = idx_head(dimensions);
  bytes.insert(bytes.end(), data.begin(), data.end());
  return bytes;
}
