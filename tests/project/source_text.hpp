// SPDX-License-Identifier: MIT
// What the tests of this folder need to read the project's own text.
#pragma once

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace project {

namespace fs = std::filesystem;
using Lines = std::vector<std::string>;

inline fs::path root() { return MTLX_SOURCE_DIR; }

inline std::string read(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

/// The lines of a text without the white space at their ends.
inline Lines lines_of(const std::string& text) {
  Lines lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    line.erase(line.find_last_not_of(" \t\r") + 1);
    lines.push_back(line);
  }
  return lines;
}

/// All files under `folder` with one of the endings, in order; none if the folder is not there.
inline std::vector<fs::path> files_under(const fs::path& folder, const std::vector<std::string>& endings) {
  std::vector<fs::path> files;
  if (!fs::is_directory(folder)) return files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const bool wanted = std::find(endings.begin(), endings.end(), entry.path().extension()) != endings.end();
    if (entry.is_regular_file() && wanted) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

/// All C++ files under a folder.
inline std::vector<fs::path> sources_under(const fs::path& folder) {
  return files_under(folder, {".hpp", ".cpp", ".h", ".cuh", ".cu"});
}

inline bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

/// The code with every comment turned to spaces, and, if asked, the inside of every string too. Positions and line
/// breaks stay where they are.
inline std::string without_comments(std::string_view code, bool blank_strings) {
  std::string out(code);
  const auto blank = [&out](std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < std::min(to, out.size()); ++i) {
      if (out[i] != '\n') out[i] = ' ';
    }
  };
  const auto until = [&code](std::string_view end, std::size_t from) {
    const std::size_t at = code.find(end, from);
    return at == std::string_view::npos ? code.size() : at;
  };
  for (std::size_t i = 0; i < code.size(); ++i) {
    if (code.substr(i, 2) == "//") {
      const std::size_t end = until("\n", i);
      blank(i, end);
      i = end;
    } else if (code.substr(i, 2) == "/*") {
      const std::size_t end = until("*/", i + 2) + 2;
      blank(i, end);
      i = end - 1;
    } else if (code.substr(i, 2) == "R\"" && (i == 0 || !is_word(code[i - 1]))) {
      const std::size_t open = until("(", i);
      const std::string closing = ")" + std::string(code.substr(i + 2, open - i - 2)) + "\"";
      const std::size_t end = until(closing, open);
      if (blank_strings) blank(i + 2, end + closing.size() - 1);
      i = end + closing.size() - 1;
    } else if (code[i] == '"' || (code[i] == '\'' && (i == 0 || !is_word(code[i - 1])))) {
      std::size_t end = i + 1;
      while (end < code.size() && code[end] != code[i]) end += code[end] == '\\' ? 2U : 1U;
      if (blank_strings) blank(i + 1, end);
      i = end;
    }
  }
  return out;
}

/// A folder below the working directory, which CTest sets inside the build tree; gone with the object.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(std::string_view name) : path_(fs::current_path() / name) {
    fs::remove_all(path_);
    fs::create_directories(path_);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }

  const fs::path& path() const { return path_; }

  void write(const fs::path& file, std::string_view text) const {
    fs::create_directories((path_ / file).parent_path());
    std::ofstream(path_ / file, std::ios::binary) << text;
  }

 private:
  fs::path path_;
};

/// The findings one below the other, for a test's message.
inline std::string joined(const Lines& lines) {
  std::string text;
  for (const std::string& line : lines) text += "\n  " + line;
  return text;
}

}  // namespace project
