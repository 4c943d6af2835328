// SPDX-License-Identifier: MIT
#include <mtlx/study/report_text.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

using namespace mtlx;

namespace {

study::Study study_of(const std::vector<double>& baseline, const std::vector<double>& candidate) {
  study::Study study;
  study.data = "made-up data: 5 samples";
  study.tasks = {{"größe", "accuracy", true}};
  study.candidates.resize(2);
  study.candidates[0].name = "single", study.candidates[1].name = "hard";
  for (std::size_t c = 0; c < 2; ++c)
    for (std::size_t i = 0; i < baseline.size(); ++i) {
      study::RunRecord run;
      run.candidate = c;
      run.seed = i + 1;
      run.metrics = {(c == 0 ? baseline : candidate)[i]};
      study.runs.push_back(run);
    }
  return study;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find('\n', begin);
    REQUIRE(end != std::string::npos);
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

}  // namespace

TEST_CASE("a table whose columns stand below each other, and the answer at the end") {
  const study::Study study = study_of({0.5, 0.51, 0.49}, {0.6, 0.62, 0.61});
  const std::vector<std::string> lines = lines_of(study::report_text(study));
  CHECK(lines[0] == "made-up data: 5 samples");
  REQUIRE(lines[2].find("single") != std::string::npos);
  // A letter of two bytes takes one column: the row of the task has two of them.
  const std::size_t column = lines[2].find("single");
  CHECK(lines[3].find("0.5000 (") == column + 2);
  CHECK(lines[4].find("0 (baseline)") == column);
  CHECK(lines[4].find(", better") != std::string::npos);
  CHECK(lines[lines.size() - 3].find("hard was better than single") != std::string::npos);
}

TEST_CASE("notes stand above the answer, and names can't write to the terminal") {
  study::Study study = study_of({0.5, 0.51, 0.49}, {0.6, 0.62, 0.61});
  study.settings = {{"note", "25 samples: under 10000, at least 10 random splits are advised"}};
  study.data = study.tasks[0].name = study.candidates[1].name = "\x1B]0;mine\x07\nname\xC2\x9B";
  study.runs[4].error = "\x1B[2J";
  const std::string text = study::report_text(study);
  CHECK(text.find("\nNote: 25 samples: under 10000, at least 10 random splits are advised.\n") != std::string::npos);
  CHECK(text.find("1 run of 6 failed") != std::string::npos);
  CHECK(text.find("1 of 3 pairs of runs is missing: its own run failed or has no metric in 1") != std::string::npos);
  for (const char* control : {"\x1B", "\x07", "\xC2\x9B"}) CHECK(text.find(control) == std::string::npos);
  CHECK(text.find("\nname") == std::string::npos);
}

TEST_CASE("one run, and a run without a number") {
  CHECK(study::report_text(study_of({0.5}, {0.6})).find("no interval and no test") != std::string::npos);
  study::Study study = study_of({0.5, 0.6}, {0.6, 0.7});
  study.runs[3].metrics = {std::numeric_limits<double>::quiet_NaN()};
  study.runs[3].error = "no memory";
  CHECK(study::report_text(study).ends_with("\n"));
}
