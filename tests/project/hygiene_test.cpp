// SPDX-License-Identifier: MIT
// Small rules that every source file keeps: its head, the shape of static_assert messages, no hidden randomness.
#include "source_text.hpp"

#include <doctest/doctest.h>

#include <array>

using namespace project;

namespace {

const std::string spdx = "// SPDX-License-Identifier: MIT";

std::string at_line(std::string_view code, std::size_t position) {
  const auto end = code.begin() + static_cast<std::ptrdiff_t>(position);
  return "line " + std::to_string(1 + std::count(code.begin(), end, '\n')) + ": ";
}

/// The start of every use of `word` as a whole word in `code`.
std::vector<std::size_t> uses(std::string_view code, std::string_view word) {
  std::vector<std::size_t> found;
  for (std::size_t at = code.find(word); at != std::string_view::npos; at = code.find(word, at + 1)) {
    const bool starts = at == 0 || !is_word(code[at - 1]);
    const bool ends = at + word.size() == code.size() || !is_word(code[at + word.size()]);
    if (starts && ends) found.push_back(at);
  }
  return found;
}

/// The position of the sign that closes the one at `open`, in code whose strings are blank.
std::size_t closing(std::string_view blank, std::size_t open) {
  int depth = 0;
  for (std::size_t i = open; i < blank.size(); ++i) {
    if (blank[i] == '(' || blank[i] == '{' || blank[i] == '[') ++depth;
    if ((blank[i] == ')' || blank[i] == '}' || blank[i] == ']') && --depth == 0) return i;
  }
  return blank.size();
}

std::string trimmed(std::string_view text) {
  const std::size_t from = text.find_first_not_of(" \t\n");
  if (from == std::string_view::npos) return "";
  return std::string(text.substr(from, text.find_last_not_of(" \t\n") - from + 1));
}

/// `Layer<Dense<50>>` or `!Layer<int>`: a concept or trait of types, and nothing else. It needs no message.
bool is_concept_of_types(std::string condition) {
  if (condition.starts_with('!')) condition = trimmed(std::string_view(condition).substr(1));
  std::size_t i = 0;
  while (i < condition.size() && (is_word(condition[i]) || condition[i] == ':')) ++i;
  if (i == 0 || i == condition.size() || condition[i] != '<') return false;
  int depth = 0;
  for (; i < condition.size(); ++i) {
    if (condition[i] == '<') ++depth;
    if (condition[i] == '>' && --depth == 0) return i + 1 == condition.size();
  }
  return false;
}

/// The first string of the run of strings that ends `text`, with the position where the run begins.
struct Message {
  bool there = false;
  std::size_t begin = 0;
  std::string text;
};

Message closing_message(std::string_view text, std::string_view blank) {
  Message message;
  std::size_t end = blank.find_last_not_of(" \t\n");
  while (end != std::string_view::npos && blank[end] == '"') {
    const std::size_t begin = blank.rfind('"', end - 1);
    message = {true, begin, std::string(text.substr(begin + 1, end - begin - 1))};
    end = begin == 0 ? std::string_view::npos : blank.find_last_not_of(" \t\n", begin - 1);
  }
  if (message.there && (end == std::string_view::npos || blank[end] != ',')) message.there = false;
  return message;
}

/// What is wrong with the static_asserts of a file.
Lines bad_static_asserts(std::string_view source) {
  const std::string code = without_comments(source, false);
  const std::string blank = without_comments(source, true);
  Lines found;
  for (const std::size_t use : uses(blank, "static_assert")) {
    const std::size_t open = blank.find('(', use);
    if (open == std::string::npos) continue;
    const std::size_t length = closing(blank, open) - open - 1;
    const Message message = closing_message(std::string_view(code).substr(open + 1, length),
                                            std::string_view(blank).substr(open + 1, length));
    if (message.there) {
      if (!message.text.starts_with("mtlx: ")) {
        found.push_back(at_line(code, use) + "the message must start with 'mtlx: ', it is '" + message.text + "'");
      }
    } else if (!is_concept_of_types(trimmed(std::string_view(blank).substr(open + 1, length)))) {
      found.push_back(at_line(code, use) + "static_assert without a message");
    }
  }
  return found;
}

/// What is wrong with the head of a file.
Lines bad_head(std::string_view source, bool is_header) {
  Lines found;
  if (!source.starts_with(spdx)) found.push_back("line 1: must be '" + spdx + "'");
  if (is_header && uses(source, "#pragma once").empty()) found.push_back("line 1: no '#pragma once'");
  return found;
}

/// Whether a file whose comments begin with # starts with its licence, after the line that names its interpreter.
bool has_licence(std::string_view source) {
  if (source.starts_with("#!")) source.remove_prefix(std::min(source.find('\n'), source.size() - 1) + 1);
  return source.starts_with("# SPDX-License-Identifier: MIT\n");
}

/// Calls whose answer differs from run to run.
Lines hidden_randomness(std::string_view source) {
  const std::string code = without_comments(source, true);
  Lines found;
  for (const std::size_t use : uses(code, "random_device")) found.push_back(at_line(code, use) + "random_device");
  for (const char* name : {"time", "rand", "srand"}) {
    for (const std::size_t use : uses(code, name)) {
      const bool called = code[std::min(use + std::string_view(name).size(), code.size() - 1)] == '(';
      const bool member = use > 0 && (code[use - 1] == '.' || (use > 1 && code.compare(use - 2, 2, "->") == 0));
      if (called && !member) found.push_back(at_line(code, use) + name + "(): the same run must give the same bits");
    }
  }
  return found;
}

template <class Rule>
void check_all(std::initializer_list<const char*> folders, Rule rule) {
  for (const char* folder : folders) {
    for (const fs::path& file : sources_under(root() / folder)) {
      const Lines found = rule(file, read(file));
      const std::string report = file.string() + ":" + joined(found);
      CHECK_MESSAGE(found.empty(), report);
    }
  }
}

}  // namespace

TEST_CASE("every file starts with its licence, every header is included once") {
  check_all({"include", "tests", "bench", "examples"}, [](const fs::path& file, const std::string& source) {
    return bad_head(source, file.extension() == ".hpp" || file.extension() == ".cuh");
  });
}

TEST_CASE("every script and build file starts with its licence") {
  std::vector<fs::path> files{root() / "CMakeLists.txt", root() / "CITATION.cff", root() / ".ci/run"};
  for (const char* folder : {"cmake", "scripts", "tests", "examples", "bench", "docs"}) {
    for (const fs::path& file : files_under(root() / folder, {".sh", ".py", ".cmake", ".in", ".txt"})) {
      if (file.extension() != ".txt" || file.filename() == "CMakeLists.txt") files.push_back(file);
    }
  }
  CHECK(files.size() > 20);
  for (const fs::path& file : files) CHECK_MESSAGE(has_licence(read(file)), file.string());
  // Tables that scripts write for the tests.
  for (const fs::path& file : files_under(root() / "tests", {".inc"})) {
    CHECK_MESSAGE(bad_head(read(file), false).empty(), file.string());
  }
}

TEST_CASE("the citation names this version") {
  std::string version;
  for (const std::string& line : lines_of(read(root() / "include/mtlx/core/version.hpp"))) {
    if (line.starts_with("#define")) version += (version.empty() ? "" : ".") + line.substr(line.rfind(' ') + 1);
  }
  const Lines citation = lines_of(read(root() / "CITATION.cff"));
  CHECK_MESSAGE(std::count(citation.begin(), citation.end(), "version: " + version) == 1, version);
}

TEST_CASE("every static_assert of the library speaks in one shape") {
  check_all({"include"}, [](const fs::path&, const std::string& source) { return bad_static_asserts(source); });
}

TEST_CASE("nothing depends on the time of day or on a machine's entropy") {
  check_all({"include", "tests", "bench", "examples"},
            [](const fs::path&, const std::string& source) { return hidden_randomness(source); });
}

TEST_CASE("a user reaches every header from mtlx.hpp, or it is named as left out") {
  // What headers include of each other counts too.
  const fs::path include = root() / "include";
  std::vector<fs::path> open{root() / "tests/project/odr/whole.hpp"};
  std::vector<std::string> reached{"mtlx/data/xtensor.hpp", "mtlx/backend/cuda_device.hpp", "mtlx/cuda.hpp"};
  while (!open.empty()) {
    const fs::path file = open.back();
    open.pop_back();
    for (const std::string& line : lines_of(read(file))) {
      if (!line.starts_with("#include <mtlx/")) continue;
      const std::string name = line.substr(10, line.find('>') - 10);
      if (std::find(reached.begin(), reached.end(), name) != reached.end()) continue;
      reached.push_back(name);
      open.push_back(include / name);
    }
  }
  for (const fs::path& header : sources_under(include)) {
    const std::string name = fs::relative(header, include).generic_string();
    CHECK_MESSAGE(std::find(reached.begin(), reached.end(), name) != reached.end(), name);
  }
}

TEST_CASE("good static_asserts pass") {
  CHECK(bad_static_asserts(R"(static_assert(N < 3, "mtlx: three is too many");)").empty());
  CHECK(bad_static_asserts("static_assert(Is<T, (A > B)>,\n  \"mtlx: one, \"  // a \"comment\"\n  \"two\");").empty());
  CHECK(bad_static_asserts("static_assert(Layer<Dense<50>>); static_assert( !Layer<int> );").empty());
  CHECK(bad_static_asserts("static_assert(std::is_aggregate_v<Adam>);").empty());
  CHECK(bad_static_asserts("// static_assert(false)\n/* static_assert(1) */ auto s = \"static_assert(1)\";").empty());
}

TEST_CASE("bad static_asserts are found") {
  for (const char* bad :
       {R"(static_assert(N < 3, "three is too many");)", "static_assert(N < 3);", "static_assert(A<int> && B<int>);",
        "static_assert(sizeof(T) == 4);", R"(static_assert(f("mtlx: not a message"));)",
        R"(static_assert(N < 3, "" "mtlx: late");)", R"(static_assert(equal(Name<"a">{}, "mtlx: x"));)",
        "static_assert(is<A>::value);", R"(static_assert(N < 3, "mtlx:three");)"}) {
    CAPTURE(bad);
    CHECK(bad_static_asserts(bad).size() == 1);
  }
}

TEST_CASE("bad heads are found") {
  CHECK(bad_head(spdx + "\n#pragma once\n", true).empty());
  CHECK(bad_head(spdx + "\n#include <vector>\n", true).size() == 1);
  CHECK(bad_head("#pragma once\n", true).size() == 1);
  CHECK(bad_head("int main() {}\n", false).size() == 1);
}

TEST_CASE("a script without its licence is found") {
  CHECK(has_licence("# SPDX-License-Identifier: MIT\n"));
  CHECK(has_licence("#!/bin/sh\n# SPDX-License-Identifier: MIT\nexit\n"));
  CHECK(!has_licence(""));
  CHECK(!has_licence("#!/bin/sh"));
  CHECK(!has_licence("#!/bin/sh\nexit\n# SPDX-License-Identifier: MIT\n"));
  CHECK(!has_licence("# SPDX-License-Identifier: MIT-0\n"));
}

TEST_CASE("hidden randomness is found") {
  CHECK(hidden_randomness("std::random_device device;").size() == 1);
  CHECK(hidden_randomness("auto seed = time(nullptr); auto other = std::time(0); srand(1); rand();").size() == 4);
  CHECK(hidden_randomness("watch.time(); watch->time(); run_time(); int time = 1; // time(0)\n f(\"time(\");").empty());
}
