// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <mtlx/core/file.hpp>
#include <mtlx/study/across.hpp>
#include <string>
#include <utility>
#include <vector>

#include "data/temporary.hpp"

using namespace mtlx;
using study::Study;

namespace {

/// One task, two seeds, and candidates that gain so many percent over the baseline, "single".
Study gains(std::string title, const std::vector<std::pair<const char*, double>>& candidates) {
  Study s;
  s.title = std::move(title);
  s.tasks = {{"a", "accuracy", true}};
  s.candidates.resize(1 + candidates.size());
  for (std::size_t c = 0; c < s.candidates.size(); ++c) {
    s.candidates[c].name = c == 0 ? "single" : candidates[c - 1].first;
    for (const std::uint64_t seed : {1U, 2U}) {
      study::RunRecord run;
      run.candidate = c, run.seed = seed;
      run.metrics = {0.5 * (1 + (c == 0 ? 0 : candidates[c - 1].second + (seed == 1 ? 0.1 : -0.1)) / 100)};
      s.runs.push_back(run);
    }
  }
  return s;
}

bool has(const std::string& text, const std::string& part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) MESSAGE("not there: ", part, " in ", text);
  return found;
}

}  // namespace

TEST_CASE("mean ranks over data sets, and which strategies differ, by hand") {
  // Hard is first everywhere, soft last but on the digits; there its order among the candidates is another.
  const Study one = gains("faces", {{"hard", 2}, {"soft", -1}}), two = gains("text", {{"hard", 3}, {"soft", -2}}),
              three = gains("", {{"hard", 1}, {"soft", -3}}), four = gains("digits", {{"soft", 1}, {"hard", 4}});
  const study::Across found = study::across({&one, &two, &three, &four});
  CHECK(found.data_sets == std::vector<std::string>{"faces", "text", "data set 3", "digits"});
  CHECK(found.candidates == std::vector<std::string>{"single", "hard", "soft"});
  const std::vector<double> delta{0, 2, -1, 0, 3, -2, 0, 1, -3, 0, 4, 1};
  for (std::size_t i = 0; i < delta.size(); ++i) CHECK(found.delta[i] == doctest::Approx(delta[i]));
  CHECK(found.ranking.mean_ranks == std::vector<double>{2.25, 1, 2.75});
  // 12 x 4 / (3 x 4) (0.25^2 + 1 + 0.75^2); F = 3 x 6.5 / (4 x 2 - 6.5), whose tail is (1 + 2 F / 6)^-3.
  CHECK(found.ranking.friedman.statistic == doctest::Approx(6.5));
  CHECK(found.ranking.iman_davenport.statistic == doctest::Approx(13));
  CHECK(found.ranking.iman_davenport.p == doctest::Approx(std::pow(1 + 26.0 / 6, -3)));
  CHECK(found.ranking.critical_difference == doctest::Approx(2.343 * std::sqrt(0.5)).epsilon(1e-3));  // Demsar, table 5
  REQUIRE(found.pairs.size() == 3);
  CHECK(found.pairs[1].difference == doctest::Approx(-0.5));  // single less soft
  CHECK_FALSE((found.pairs[0].differ || found.pairs[1].differ));
  CHECK((found.pairs[2].first == 1 && found.pairs[2].second == 2 && found.pairs[2].differ));
  CHECK(found.pairs[2].p < 0.05);
  CHECK(found.notes.empty());
  const std::vector<std::string> words = study::answer(found);
  REQUIRE(words.size() == 3);
  CHECK(words[0] ==
        "Over 4 data sets, ranked by mean delta_m on each (1 is best), the mean ranks are hard 1.00, single "
        "2.25 and soft 2.75.");
  CHECK(words[1] == "Whether any strategies differ, by Friedman's test with Iman and Davenport's F: p = 0.0066.");
  CHECK(words[2].starts_with("By Nemenyi's test (mean ranks at least 1.66 apart) hard is better than soft (p = 0.0"));

  // At a stricter level nothing differs, and two data sets can't tell at all.
  CHECK_FALSE(study::across({&one, &two, &three, &four}, 0.99).pairs[2].differ);
  const study::Across few = study::across({&one, &two});
  CHECK(has(study::answer(few)[1], "can't go below p = 0.16"));
  CHECK(has(study::answer(few)[1], "these data sets cannot tell."));
  CHECK(has(study::answer(few)[2], "no two differ: mean ranks would have to be 2.34 apart"));

  // Two strategies with the same order on four data sets: far enough apart for Nemenyi's test (0.98), but 2 of 2^4 signs
  // are so by chance, p = 0.125.
  std::vector<Study> same;
  for (const char* title : {"a", "b", "c", "d"}) same.push_back(gains(title, {{"hard", 1}}));
  const study::Across two_of = study::across({&same[0], &same[1], &same[2], &same[3]});
  CHECK(two_of.pairs[0].p < 0.05);
  CHECK_FALSE(two_of.pairs[0].differ);
  CHECK(study::answer(two_of)[2] ==
        "Nemenyi's test, which asks for mean ranks 0.98 apart, counts only where all strategies together differ.");

  const Temporary folder;
  study::write_report({&one, &two, &three, &four}, folder.path() + "/all");
  for (const char* file : {"across.html", "across.md"}) {
    const std::string text = read_file(folder.path() + "/all/" + file);
    CHECK(has(text, "in % on each data set; positive is better"));
    CHECK(has(text, "hard is better than soft"));
    CHECK(has(text, "hard and soft"));
    CHECK(has(text, "data set 3"));
  }
  CHECK(has(read_file(folder.path() + "/all/across.csv"), "text,soft,-2,\n"));
  CHECK(has(read_file(folder.path() + "/all/across.csv"), ",soft,,2.75\n"));
}

TEST_CASE("studies that don't belong together are refused, and missing runs told") {
  const Study one = gains("faces", {{"hard", 2}, {"soft", -1}}), few = gains("text", {{"hard", 3}}),
              other = gains("text", {{"hard", 3}, {"mixed", 1}});
  Study turned = gains("text", {{"single", 3}, {"hard", 1}}), broken = gains("text", {{"hard", 3}, {"soft", 1}});
  turned.candidates[0].name = "soft";
  const auto refused = [](const std::vector<const Study*>& studies) {
    return error_of([&] { study::across(studies); });
  };
  CHECK(refused({&one}) == "mtlx: across: at least 2 studies are needed, and there are 1");
  CHECK(refused({&one, &one}) ==
        "mtlx: across: two studies are named \"faces\": a data set counts once, give each a title of its own");
  CHECK(refused({&one, &few}) == "mtlx: across: \"text\" has 2 candidates, and \"faces\" 3: all studies need the same");
  CHECK(refused({&one, &other}) == "mtlx: across: \"text\" has no candidate \"soft\", which \"faces\" has");
  CHECK(refused({&one, &turned}) ==
        "mtlx: across: the baseline of \"text\" is \"soft\", and that of \"faces\" is \"single\"");
  broken.runs[4].error = "lost";
  const study::Across found = study::across({&one, &broken});
  REQUIRE(found.notes.size() == 1);
  CHECK(found.notes[0] == "soft on text: 1 of 2 pairs of runs is missing: its own run failed or has no metric in 1.");
  CHECK(found.delta[5] == doctest::Approx(0.9));
  broken.runs[5].error = "lost";
  CHECK(refused({&one, &broken}) ==
        "mtlx: across: \"soft\" has no delta_m on \"text\": split 0, seed 1: the run failed: lost");
}
