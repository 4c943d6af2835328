// SPDX-License-Identifier: MIT
// Each folder of the library includes only folders below it; siblings never include each other.
#include "source_text.hpp"

#include <doctest/doctest.h>

#include <map>
#include <optional>

using namespace project;

namespace {

/// From the ground up. Folders of one floor are strangers to each other.
const std::map<std::string, int> floors = {{"core", 0},     {"backend", 1},   {"data", 2},     {"nn", 3},
                                           {"sharing", 4},  {"balancing", 4}, {"grouping", 4}, {"optim", 4},
                                           {"training", 5}, {"study", 6},     {"testing", 7}};

// What users include; cuda.hpp stands beside mtlx.hpp for those who have the toolkit.
const std::string umbrella = "mtlx.hpp", cuda_umbrella = "cuda.hpp";
const fs::path xtensor_border = "data/xtensor.hpp", cuda_border = "backend/cuda_device.hpp";

bool is_umbrella(const fs::path& file) { return file == umbrella || file == cuda_umbrella; }

/// The path between the signs of an #include line: `<mtlx/core/shape.hpp>` with its opening sign.
std::optional<std::string> included(const std::string& line) {
  std::size_t at = line.find_first_not_of(" \t");
  if (at == std::string::npos || line[at] != '#') return std::nullopt;
  at = line.find_first_not_of(" \t", at + 1);
  if (at == std::string::npos || line.compare(at, 7, "include") != 0) return std::nullopt;
  at = line.find_first_of("<\"", at);
  if (at == std::string::npos) return std::nullopt;
  const std::size_t end = line.find_first_of(">\"", at + 1);
  return line.substr(at, end - at);
}

/// The included file relative to include/mtlx, if it is one of ours; `from` is the including file in the same way.
std::optional<fs::path> ours(const std::string& include, const fs::path& from, const fs::path& library) {
  const std::string name = include.substr(1);
  if (name.starts_with("mtlx/")) return fs::path(name.substr(5)).lexically_normal();
  if (include[0] != '"') return std::nullopt;
  fs::path beside = (from.parent_path() / name).lexically_normal();
  if (fs::exists(library / beside) || name.starts_with(".")) return beside;
  return std::nullopt;
}

std::string folder_of(const fs::path& file) { return file.has_parent_path() ? file.begin()->string() : std::string(); }

/// What is wrong with `from` including `to`, or nothing.
std::string complaint(const fs::path& from, const fs::path& to) {
  const std::string lower = folder_of(to);
  if (from == umbrella && to == cuda_umbrella) return "mtlx.hpp needs no CUDA toolkit";
  if (is_umbrella(from)) return lower == "testing" ? from.string() + " leaves testing to those who ask for it" : "";
  const std::string upper = folder_of(from);
  if (!floors.contains(upper)) return "stands on no floor";
  if (is_umbrella(to))
    return upper == "testing" && to == umbrella ? ""
                                                : to.string() + " is for users, the library includes what it needs";
  if (!floors.contains(lower)) return "the included file stands on no floor";
  if (upper == lower || floors.at(lower) < floors.at(upper)) return "";
  return floors.at(lower) == floors.at(upper) ? upper + " and " + lower + " are strangers"
                                              : upper + " stands below " + lower;
}

/// Every break of the rule under `library` (a folder like include/mtlx): "file:line: include: reason".
Lines breaks(const fs::path& library) {
  Lines found;
  for (const fs::path& file : files_under(library, {".hpp", ".h", ".ipp", ".inl", ".cuh", ".cpp", ".cu"})) {
    const fs::path from = file.lexically_relative(library);
    if (!is_umbrella(from) && !floors.contains(folder_of(from)))
      found.push_back(from.string() + ": stands on no floor");
    const Lines lines = lines_of(without_comments(read(file), false));
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const std::optional<std::string> include = included(lines[i]);
      if (!include) continue;
      std::string reason;
      if (const auto to = ours(*include, from, library)) {
        reason = fs::exists(library / *to) ? complaint(from, *to) : "there is no such file";
      } else if (include->starts_with("<xt") || include->starts_with("\"xt")) {
        if (from != xtensor_border) reason = "xtensor stays in data/xtensor.hpp";
      } else if (include->starts_with("<cuda") || include->starts_with("<nvrtc")) {
        if (from != cuda_border) reason = "CUDA stays in backend/cuda_device.hpp";
      }
      if (!reason.empty()) {
        found.push_back(from.string() + ":" + std::to_string(i + 1) + ": " + include->substr(1) + ": " + reason);
      }
    }
  }
  return found;
}

/// The breaks in a library of these two files and a few to include.
Lines breaks_of(const fs::path& file, std::string_view text) {
  const TemporaryFolder folder("mtlx_floors_test");
  for (const auto& [name, floor] : floors) folder.write(name + "/there.hpp", "#pragma once\n");
  for (const std::string& name : {umbrella, cuda_umbrella}) folder.write(name, "#pragma once\n");
  folder.write(file, text);
  return breaks(folder.path());
}

}  // namespace

TEST_CASE("the library keeps its floors") {
  const Lines found = breaks(root() / "include" / "mtlx");
  CHECK_MESSAGE(found.empty(), joined(found));
  CHECK(files_under(root() / "include" / "mtlx", {".hpp"}).size() > 3);
}

TEST_CASE("looking down is allowed") {
  CHECK(breaks_of("nn/a.hpp", "#include <mtlx/core/there.hpp>\n#include \"mtlx/data/there.hpp\"\n").empty());
  CHECK(breaks_of("sharing/a.hpp", "#include \"there.hpp\"\n#include \"../nn/there.hpp\"\n").empty());
  CHECK(breaks_of("study/a.hpp", "#include <mtlx/training/there.hpp>\n#include <mtlx/optim/there.hpp>\n").empty());
  CHECK(breaks_of("testing/a.hpp", "#include <mtlx/study/there.hpp>\n#include <mtlx/mtlx.hpp>\n").empty());
  CHECK(breaks_of(umbrella, "#include <mtlx/study/there.hpp>\n#include <vector>\n").empty());
  CHECK(breaks_of("data/xtensor.hpp", "#include <xtensor/xtensor.hpp>\n").empty());
  CHECK(breaks_of("backend/cuda_device.hpp", "#include <cuda_runtime_api.h>\n#include <nvrtc.h>\n").empty());
  CHECK(breaks_of(cuda_umbrella, "#include <mtlx/mtlx.hpp>\n#include <mtlx/training/there.hpp>\n").empty());
}

TEST_CASE("every break is found") {
  const auto broken = [](const fs::path& file, std::string_view text, std::string_view reason) {
    CAPTURE(file.string());
    CAPTURE(text);
    const Lines found = breaks_of(file, text);
    REQUIRE(found.size() == 1);
    CHECK(found[0].find(reason) != std::string::npos);
  };
  broken("core/a.hpp", "#include <mtlx/backend/there.hpp>\n", "core stands below backend");
  broken("core/a.hpp", "#  include \"../nn/there.hpp\"\n", "core stands below nn");
  broken("data/a.hpp", "\n#include <mtlx/nn/there.hpp> // why\n", "a.hpp:2:");
  broken("sharing/a.hpp", "#include <mtlx/optim/there.hpp>\n", "sharing and optim are strangers");
  broken("optim/deep/a.hpp", "#include \"../../balancing/there.hpp\"\n", "optim and balancing are strangers");
  broken("training/a.hpp", "#include <mtlx/study/there.hpp>\n", "training stands below study");
  broken("study/a.hpp", "#include <mtlx/testing/there.hpp>\n", "study stands below testing");
  broken("study/a.hpp", "#include <mtlx/mtlx.hpp>\n", "mtlx.hpp is for users");
  broken(umbrella, "#include <mtlx/testing/there.hpp>\n", "leaves testing");
  broken(umbrella, "#include <mtlx/cuda.hpp>\n", "no CUDA toolkit");
  broken(cuda_umbrella, "#include <mtlx/testing/there.hpp>\n", "leaves testing");
  broken("testing/a.hpp", "#include <mtlx/cuda.hpp>\n", "cuda.hpp is for users");
  broken("training/a.hpp", "#include <cuda_runtime_api.h>\n", "CUDA stays");
  broken("nn/a.hpp", "#include <mtlx/core/absent.hpp>\n", "no such file");
  broken("nn/a.hpp", "#include <xtensor/xtensor.hpp>\n", "xtensor stays");
  broken("data/deep/xtensor.hpp", "#include <xtensor/xtensor.hpp>\n", "xtensor stays");
  broken("elsewhere/a.hpp", "#include <vector>\n", "stands on no floor");
  broken("loose.hpp", "#include <vector>\n", "stands on no floor");
}

TEST_CASE("a comment is no include") {
  CHECK(breaks_of("core/a.hpp", "// #include <mtlx/nn/there.hpp>\n/*\n#include <mtlx/nn/there.hpp>\n*/\n").empty());
}
