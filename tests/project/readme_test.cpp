// SPDX-License-Identifier: MIT
// The code in README.md and docs/ is taken from files that are compiled and run: a block says which one in the line above
// it, <!-- from examples/NAME.cpp --> (or include/, tests/), and stands there word for word, up to its indentation. A
// link to a file of the tree leads somewhere.
#include "source_text.hpp"

#include <doctest/doctest.h>

using namespace project;

namespace {

std::size_t indentation(const std::string& line) { return std::min(line.find_first_not_of(' '), line.size()); }

/// The lines from `begin` to `end` with their common indentation removed.
Lines unindented(const Lines& lines, std::size_t begin, std::size_t end) {
  std::size_t common = std::string::npos;
  for (std::size_t i = begin; i < end; ++i) {
    if (!lines[i].empty()) common = std::min(common, indentation(lines[i]));
  }
  Lines out;
  for (std::size_t i = begin; i < end; ++i) out.push_back(lines[i].empty() ? "" : lines[i].substr(common));
  return out;
}

bool contains(const Lines& text, const Lines& block) {
  for (std::size_t at = 0; at + block.size() <= text.size(); ++at) {
    if (unindented(text, at, at + block.size()) == block) return true;
  }
  return false;
}

bool opens_code(const std::string& line) {
  const std::string sign = line.substr(indentation(line));
  return sign == "```cpp" || sign == "```c++" || sign == "```C++" || sign == "```cxx";
}

/// The file named by a line <!-- from examples/NAME.cpp -->, or nothing.
std::string source_named(const std::string& line) {
  const std::string before = "<!-- from ";
  const std::string after = " -->";
  const std::string marker = line.substr(indentation(line));
  const bool in_tree = marker.starts_with(before + "examples/") || marker.starts_with(before + "include/") ||
                       marker.starts_with(before + "tests/");
  if (!in_tree || !(marker.ends_with(".cpp" + after) || marker.ends_with(".hpp" + after))) return "";
  return marker.substr(before.size(), marker.size() - before.size() - after.size());
}

struct Check {
  std::size_t blocks = 0;
  Lines complaints;
};

/// Checks the code blocks of a page whose examples lie under `folder`.
Check check_page(const Lines& page, const fs::path& folder) {
  Check check;
  for (std::size_t i = 0; i < page.size(); ++i) {
    if (!opens_code(page[i])) continue;
    const std::string place = "line " + std::to_string(i + 1) + ": ";
    const std::string source = i == 0 ? "" : source_named(page[i - 1]);
    const std::size_t begin = i + 1;
    while (++i < page.size() && !page[i].substr(indentation(page[i])).starts_with("```")) {
    }
    ++check.blocks;
    if (i >= page.size()) {
      check.complaints.push_back(place + "the block is never closed");
    } else if (source.empty()) {
      check.complaints.push_back(place + "no line <!-- from examples/NAME.cpp --> just above the block");
    } else if (!fs::exists(folder / source)) {
      check.complaints.push_back(place + "there is no " + source);
    } else if (begin == i || !contains(lines_of(read(folder / source)), unindented(page, begin, i))) {
      check.complaints.push_back(place + "the block does not stand like this in " + source);
    }
  }
  return check;
}

/// The targets of [text](target) that name no file beside the page at `path`; other sites and places on a page pass.
Lines dead_links(const std::string& page, const fs::path& folder) {
  Lines dead;
  for (std::size_t at = page.find("]("); at != std::string::npos; at = page.find("](", at + 1)) {
    const std::size_t end = page.find(')', at);
    std::string target = page.substr(at + 2, end - at - 2);
    target = target.substr(0, target.find('#'));
    // A lambda's parameters look like a link's target, but for the space in them.
    if (target.empty() || target.find("://") != std::string::npos || target.find(' ') != std::string::npos) continue;
    if (!fs::exists(folder / target)) dead.push_back(target);
  }
  return dead;
}

Check check_text(std::string_view page) {
  const TemporaryFolder folder("mtlx_readme_test");
  folder.write("examples/a.cpp", "#include <x>\n\nint main() {\n  if (true) {\n    f();\n\n    g();\n  }\n}\n");
  return check_page(lines_of(std::string(page)), folder.path());
}

}  // namespace

TEST_CASE("the code in the pages stands in the files that they name, and their links lead somewhere") {
  std::vector<fs::path> pages{root() / "README.md", root() / "CONTRIBUTING.md"};
  for (const auto& entry : fs::recursive_directory_iterator(root() / "docs"))
    if (entry.path().extension() == ".md") pages.push_back(entry.path());
  std::size_t blocks = 0;
  for (const fs::path& path : pages) {
    CAPTURE(path.string());
    const std::string text = read(path);
    REQUIRE(!text.empty());
    const Check check = check_page(lines_of(text), root());
    CHECK_MESSAGE(check.complaints.empty(), joined(check.complaints));
    const Lines dead = dead_links(text, path.parent_path());
    CHECK_MESSAGE(dead.empty(), joined(dead));
    blocks += check.blocks;
  }
  CHECK(blocks > 5);
}

TEST_CASE("a link to nowhere is found") {
  const TemporaryFolder folder("mtlx_readme_test");
  folder.write("a.md", "text");
  CHECK(dead_links("[a](a.md) [b](a.md#place) [c](#place) [d](https://x.y/z)", folder.path()).empty());
  CHECK(dead_links("[a](b.md) text [a](a.md)", folder.path()) == Lines{"b.md"});
}

TEST_CASE("a block that stands in its example passes") {
  CHECK(check_text("text\n<!-- from examples/a.cpp -->\n```cpp\nif (true) {\n  f();\n```\n").complaints.empty());
  CHECK(check_text("<!-- from examples/a.cpp -->\n```cpp\nf();\n\ng();\n```\n").complaints.empty());
  CHECK(check_text("- a list\n  <!-- from examples/a.cpp -->\n  ```cpp\n  int main() {\n  ```\n").complaints.empty());
  CHECK(check_text("```sh\nscripts/run.sh\n```\n").blocks == 0);
}

TEST_CASE("a block that does not is found") {
  for (const char* page :
       {"```cpp\nf();\n```\n", "<!-- from examples/a.cpp -->\ntext\n```cpp\nf();\n```\n",
        "<!-- from examples/b.cpp -->\n```cpp\nf();\n```\n", "<!-- from examples/a.cpp -->\n```cpp\nf();\ng();\n```\n",
        "<!-- from examples/a.cpp -->\n```cpp\n  if (true) {\n  f();\n```\n",
        "<!-- from examples/a.cpp -->\n```cpp\nf()\n```\n", "<!-- from examples/a.cpp -->\n```cpp\n```\n",
        "<!-- from examples/a.cpp -->\n```cpp\nf();\n", "<!-- from a.cpp -->\n```c++\nf();\n```\n"}) {
    CAPTURE(page);
    CHECK(check_text(page).complaints.size() == 1);
  }
}
