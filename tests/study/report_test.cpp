// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <filesystem>
#include <limits>
#include <map>
#include <mtlx/core/file.hpp>
#include <mtlx/study/report.hpp>
#include <string>
#include <vector>

#include "../data/temporary.hpp"

using namespace mtlx;
using study::Study;

namespace {

constexpr double missing = std::numeric_limits<double>::quiet_NaN();

// Two tasks, four candidates: one is better, one worse on one task and the same on the other, one now better and now worse.
// The expected numbers of the tests below are SciPy's (scipy.stats.t on these numbers).
Study known() {
  Study s;
  s.title = "A study";
  s.data = "40 samples to train, 10 to test.";
  s.tasks = {{"a", "accuracy", true}, {"b", "rmse", false}};
  for (const char* name : {"single", "good", "bad", "unsure"}) {
    s.candidates.emplace_back();
    s.candidates.back().name = name;
    s.candidates.back().type = join("Model<", name, ">");
  }
  const std::vector<double> a = {.80, .82, .81, .83, .79}, b = {2.0, 2.1, 1.9, 2.2, 1.8};
  const std::vector<std::vector<double>> more_a = {
      {0, 0, 0, 0, 0}, {.02, .03, .025, .02, .03}, {-.05, -.06, -.055, -.05, -.065}, {.02, -.03, .01, -.01, .015}};
  const std::vector<std::vector<double>> more_b = {
      {0, 0, 0, 0, 0}, {-.1, -.12, -.09, -.11, -.1}, {0, 0, 0, 0, 0}, {.1, -.12, .05, .02, -.04}};
  for (std::size_t c = 0; c < 4; ++c) {
    s.candidates[c].parameters = c == 0 ? 1000 : 510 + c;
    s.candidates[c].multiply_adds = c == 0 ? 20000 : 30000;
    for (std::size_t r = 0; r < 5; ++r) {
      study::RunRecord run;
      run.candidate = c;
      run.seed = 10 + r;
      run.metrics = {a[r] + more_a[c][r], b[r] + more_b[c][r]};
      run.losses = {0.5, 0.25};
      run.train_seconds = 1.5;
      for (std::size_t e = 1; e <= 3; ++e) {
        study::EpochRecord epoch;
        epoch.epoch = e;
        epoch.losses = {1.0 / static_cast<double>(e), 2.0};
        epoch.validation_metrics = {0.5 + 0.1 * static_cast<double>(e), missing};
        if (c == 1) {
          epoch.cosines = {1, -0.25, -0.25, 1};
          epoch.conflicts = {0, 0.75, 0.75, 0};
          epoch.weights = {2, 1};
          epoch.lengths = {0.25, missing};
        }
        run.epochs.push_back(epoch);
      }
      s.runs.push_back(run);
    }
  }
  return s;
}

bool has(const std::string& text, const std::string& part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) MESSAGE("not there: ", part);
  return found;
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

std::vector<std::string> answer(const Study& s) { return study::answer(s, study::findings(s)); }

std::map<std::string, std::string> files(const std::string& folder) {
  std::map<std::string, std::string> all;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    if (entry.is_regular_file())
      all[entry.path().lexically_relative(folder).generic_string()] = read_file(entry.path().string());
  return all;
}

}  // namespace

TEST_CASE("a study of known numbers is answered by what SciPy finds in them") {
  const Study s = known();
  const auto sentences = answer(s);
  REQUIRE(sentences.size() == 3);
  CHECK(
      sentences[0] ==
      "By delta_m (per task, then mean, in %; positive is better), good was better than single by 4.15 % (95 % "
      "interval "
      "3.53 to 4.76, p = 0.0001, 5 pairs of runs); bad was worse than single by 3.46 % (95 % interval 2.91 to 4.01, p "
      "= "
      "0.0001, 5 pairs of runs); these runs cannot tell whether unsure was better or worse than single (+0.02 %, 95 % "
      "interval -1.79 to 1.82, p = 0.9809, 5 pairs of runs; more than 10000 would be needed to show a difference of "
      "that "
      "size).");
  CHECK(
      sentences[1] ==
      "Of 5 tests of one task with one strategy, 1 shows a loss (a with bad, accuracy 0.0560 worse, interval 0.0479 to "
      "0.0641), 2 show a gain (b with good, rmse 0.104 better, interval 0.090 to 0.118; a with good, accuracy 0.0250 "
      "better, interval 0.0188 to 0.0312), and 2 cannot tell; 1 could not be made.");
  CHECK(
      sentences[2] ==
      "In size, good has 0.51 times the parameters of single and 1.50 times its multiply-adds; bad has 0.51 times its "
      "parameters and 1.50 times its multiply-adds; unsure has 0.51 times its parameters and 1.50 times its "
      "multiply-adds.");

  const std::string page = study::report_html(s), text = study::report_markdown(s);
  for (const std::string& one : {page, text}) {
    CHECK(has(one, "0.7904 to 0.8296"));  // the baseline's accuracy
    CHECK(has(one, "1.804 to 2.196"));
    CHECK(has(one, "+4.15"));
    CHECK(has(one, "-4.15"));  // the other convention
    CHECK(count(one, "inf") == 0);
  }
  CHECK(has(page, "<span class=\"mark worse\">worse</span>"));
  CHECK(has(page, "color-mix(in srgb,var(--low) 100%,var(--page))\">-0.250</td>"));  // the cosine between a and b
  CHECK(has(text, "positive is better"));
  CHECK(has(text, "negative is better"));
  CHECK(has(text, "| -0.250 |"));
  const std::string csv = study::detail::results_csv(s, study::findings(s));
  CHECK(has(csv, "good,a,accuracy,1,5,0.835,"));
  CHECK(has(csv, ",5,0.025,0.01879168,0.03120832,0.000364348299,0.0010930449,,,0,better\n"));
  CHECK(has(csv, "bad,b,rmse,0,5,2,1.80367568,2.19632432,5,0,,,,,,,0,no test\n"));
}

TEST_CASE("what follows from a study of known numbers") {
  Study s = known();
  s.margin = 2.5;
  study::Findings found = study::findings(s);
  const std::vector<double> places = {2.75, 1.1, 3.45, 2.7};
  for (std::size_t c = 0; c < 4; ++c) CHECK(found.ranks[c] == doctest::Approx(places[c]));
  CHECK(found.delta[3].no_worse_p == doctest::Approx(2 * 0.009016068803669078));  // Holm: the second of three
  CHECK(found.delta[3].verdict == study::Verdict::no_worse);
  CHECK(found.delta[2].verdict == study::Verdict::worse);
  CHECK(found.run_delta[5] == doctest::Approx(50 * (.02 / .8 + .1 / 2)));
  CHECK(has(study::report_markdown(s), "-4.76 to -3.53"));  // delta_m flat of good

  // Splits that overlap count once each, with the correction of Nadeau and Bengio; here the first has two seeds.
  s.test_to_train = 0.25;
  for (study::RunRecord& run : s.runs) {
    run.split = run.seed < 12 ? 0 : run.seed - 11;
    for (study::EpochRecord& epoch : run.epochs) epoch.losses[0] = run.metrics[0];
  }
  found = study::findings(s);
  CHECK(found.metrics[0][0].count == 4);
  CHECK(found.metrics[0][0].upper - found.metrics[0][0].mean == doctest::Approx(0.0367477246207415));
  CHECK(has(answer(s)[0], "4 splits"));
  CHECK(has(answer(s)[0], "95 % interval 3.18 to 5.08, p = 0.00"));
  const auto figure = study::detail::curves(
      s, 0.95, "loss", 0, [](const study::EpochRecord& epoch, std::size_t t, std::size_t) { return epoch.losses[t]; });
  REQUIRE(figure.chart.lines.size() == 4);
  CHECK(figure.chart.lines[0].upper[2] == doctest::Approx(found.metrics[0][0].upper));
}

TEST_CASE("answers in other cases") {
  SUBCASE("a margin that was fixed beforehand") {
    Study s = known();
    s.margin = 2.5;
    // The test's own p, after Holm's correction, and bound: 0.01658 - 2.1318 1.4550 / sqrt(5).
    CHECK(has(answer(s)[0],
              "unsure was no worse than single by the margin of 2.5 % (+0.02 %, one-sided 95 % bound "
              "-1.37, p = 0.0180 against the margin, 5 pairs of runs)"));
    for (const std::string& one : {study::report_html(s), study::report_markdown(s)}) {
      CHECK(has(one, "s lower bound, %"));
      CHECK(has(one, "-1.37"));
      CHECK(has(one, "p = 0.0180"));
    }
    const study::Findings found = study::findings(s);
    CHECK(found.delta[3].no_worse_lower == doctest::Approx(-1.3706205437107202));
    CHECK(has(study::detail::results_csv(s, found), ",0.0180321376,-1.37062054,0,no worse\n"));
    s.margin = 1;
    // Power 0.8 for 1 with a spread of 1.455, at 0.05 / 3 for three candidates: SciPy's noncentral t gives 0.7996 for 21 and
    // 0.8209 for 22; at 0.05 it is 15.
    CHECK(has(answer(s)[0], "about 22 would show that it is no worse by the margin, if it is as good)"));
    s.candidates.pop_back(), s.candidates.pop_back();
    std::erase_if(s.runs, [](const study::RunRecord& run) { return run.candidate > 1; });
    for (std::size_t r = 5; r < 10; ++r) s.runs[r].metrics = known().runs[r + 10].metrics;
    CHECK(has(answer(s)[0], "about 15 would show that it is no worse by the margin, if it is as good)"));
  }
  SUBCASE("one seed makes no interval") {
    Study s = known();
    std::erase_if(s.runs, [](const study::RunRecord& run) { return run.seed != 11; });
    CHECK(answer(s)[0] ==
          "By delta_m (per task, then mean, in %; positive is better), no test against single could be made of good "
          "(+4.69 "
          "% in one pair of runs), unsure (+1.03 % in one pair of runs) and bad (-3.66 % in one pair of runs).");
    CHECK(answer(s)[1] == "No task was tested: that takes two pairs of runs or more.");
    CHECK(has(study::report_html(s), "There is one run of each strategy: no interval and no test."));
  }
  SUBCASE("failed runs and missing metrics") {
    Study s = known();
    s.runs[5].error = "mtlx: the loss is not finite";  // good, seed 10
    s.runs[5].metrics.clear();
    s.runs[6].metrics[0] = missing;  // good, seed 11
    s.candidates[3].parameters = 0;
    CHECK(has(answer(s)[0], "these runs cannot tell whether good (+4."));
    CHECK(has(answer(s)[0],
              "3 pairs of runs; 2 of 5 pairs of runs are missing: its own run failed or has no metric in "
              "2; what is left is no fair sample, so its p makes no verdict)"));
    CHECK(study::findings(s).gains[1][1].verdict == study::Verdict::cannot_tell);
    CHECK(has(answer(s)[2], "bad has 0.51 times its parameters"));
    CHECK(count(answer(s)[2], "unsure") == 0);
    const std::string page = study::report_html(s);
    CHECK(has(page, "1 run of 20 failed; its error is listed with the runs."));
    CHECK(has(page, "<td class=\"words\">mtlx: the loss is not finite</td>"));
    CHECK(has(page,
              "its own run failed or has no metric in 2; what is left is no fair sample, so its p makes no "
              "verdict. The first: split 0, seed 10: the run failed: mtlx: the loss is not finite."));
    CHECK(count(page, "nan") == 0);
    // All runs of the baseline: nothing can be compared.
    for (std::size_t r = 0; r < 5; ++r) s.runs[r].error = "broken", s.runs[r].metrics.clear();
    CHECK(has(answer(s)[0],
              "no test against single could be made of good (no pair of runs; 5 of 5 pairs of runs are missing: "
              "its own run failed or has no metric in 1 and the baseline's run failed or has no metric in 4)"));
    CHECK(has(study::report_html(s), "n/a"));
  }
  SUBCASE("pairs that are missing for other reasons") {
    // Not begun: fewer pairs, as good as any.
    Study s = known();
    for (const std::size_t r : {4U, 9U}) s.runs[r].error = "not begun: the budget of 9 seconds was used up";
    CHECK(has(answer(s)[0], "good was better than single by 4."));
    CHECK(has(answer(s)[0], "4 pairs of runs; 1 of 5 pairs of runs is missing: a run was not begun in 1)"));
    // A baseline's metric that is not above 0: neither better nor worse.
    s = known();
    s.runs[0].metrics[1] = 0;
    const study::Findings found = study::findings(s);
    for (const std::size_t c : {1U, 2U}) {
      CHECK(found.delta[c].verdict == study::Verdict::cannot_tell);
      CHECK(found.delta[c].withheld);
      CHECK(found.delta[c].adjusted_p < 0.05);
      CHECK(found.delta[c].reasons.no_ratio == 1);
    }
    CHECK_FALSE(found.delta[3].withheld);
    CHECK(found.gains[1][0].verdict == study::Verdict::better);  // a difference needs no such baseline
    CHECK(has(study::report_json(s), "\"pairs\": 5, \"missing\": [\"split 0, seed 10: the baseline's rmse"));
    // A baseline that failed: not worse, but better may be.
    s = known();
    s.runs[0].error = "mtlx: the loss is not finite";
    CHECK(study::findings(s).delta[1].verdict == study::Verdict::better);
    CHECK(study::findings(s).delta[2].verdict == study::Verdict::cannot_tell);
    // And no margin helps a candidate whose run failed.
    s = known();
    s.margin = 2.5;
    s.runs[19].error = "mtlx: the loss is not finite";
    s.margin = 50;
    CHECK(study::findings(s).delta[3].no_worse_p < 0.05);
    CHECK(study::findings(s).delta[3].verdict == study::Verdict::cannot_tell);
  }
  SUBCASE("equal gains but for rounding make no test") {
    Study s = known();
    s.candidates.resize(2);
    s.runs.erase(s.runs.begin() + 8, s.runs.end());
    s.runs.erase(s.runs.begin() + 3, s.runs.begin() + 5);
    s.tasks.resize(1);
    const std::vector<double> numbers = {.84, .56, .65, .85, .57, .66};
    for (std::size_t r = 0; r < 6; ++r) {
      s.runs[r].metrics = s.runs[r].losses = {numbers[r]};
      s.runs[r].epochs.clear();
    }
    const study::Comparison gain = study::findings(s).gains[1][0];
    CHECK(gain.verdict == study::Verdict::no_test);
    CHECK(is_nan(gain.p));
    // Not even of gains that are nothing but rounding.
    for (std::size_t r = 3; r < 6; ++r) s.runs[r].metrics = {numbers[r - 3] * (1 + static_cast<double>(r) * 4e-16)};
    CHECK(study::findings(s).gains[1][0].verdict == study::Verdict::no_test);
    CHECK(study::findings(s).delta[1].verdict == study::Verdict::no_test);
  }
  SUBCASE("no spread") {
    Study s = known();
    for (study::RunRecord& run : s.runs) run.metrics = {0.5, 2};
    CHECK(has(answer(s)[0], "bad (0.00 % in 5 pairs of runs without any spread)"));
  }
  SUBCASE("many candidates are told in few words, and one alone is not compared") {
    Study s = known();
    for (int more = 0; more < 4; ++more) {
      s.candidates.push_back(s.candidates[3]);
      s.candidates.back().name = join("other", more);
      for (std::size_t r = 15; r < 20; ++r) {
        s.runs.push_back(s.runs[r]);
        s.runs.back().candidate = s.candidates.size() - 1;
      }
    }
    CHECK(has(answer(s)[0],
              "these runs cannot tell whether unsure, other0, other1, other2 and other3 were better or worse"));
    CHECK(has(answer(s)[2], "In size, from the smallest to the largest, good has 0.51 times the parameters of single"));
    s = known();
    s.candidates.resize(1);
    s.runs.resize(5);
    CHECK(answer(s)[0] == "There is the baseline, single, and nothing to compare it with.");
    CHECK(has(study::report_html(s), "</html>"));
  }
}

TEST_CASE("a study whose parts don't fit each other is refused") {
  Study s = known();
  const auto message = [&] {
    try {
      study::report_html(s);
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  s.runs[3].candidate = 4;
  CHECK(message() == "mtlx: run 3 of the study is of candidate 4, and there are 4");
  s = known();
  s.runs[3].metrics.pop_back();
  CHECK(message() == "mtlx: run 3 of the study has 1 metrics for 2 tasks");
  s = known();
  s.runs[3].seed = 10;
  CHECK(message() == "mtlx: the study has two runs of candidate 0 with split 0 and seed 10");
  s = known();
  s.runs[3].epochs[1].cosines = {1, 2, 3};
  CHECK(message() == "mtlx: epoch 2 of run 3 of the study has not one number a task, or a pair of them");
  s = known();
  s.runs[3].epochs[1].epoch = 0;
  CHECK(message() == "mtlx: run 3 of the study has an epoch 0, and they count from 1");
  s = known();
  s.matrices.push_back({"Affinity", "", "", {"a", "b"}, {"a"}, {1}});
  CHECK(message() == "mtlx: the matrix \"Affinity\" of the study has 1 values for 2 rows and 1 columns");
  s = known();
  s.pictures.push_back({"Photo", "", "GIF89a"});
  CHECK(message() == "mtlx: the picture \"Photo\" of the study is no PNG file");
  s = known();
  s.tasks.clear();
  CHECK(message() == "mtlx: a report needs a study with at least one task");
  s = Study{};
  s.tasks.push_back({"a", "accuracy"});
  CHECK(message() == "mtlx: a report needs a study with at least one candidate, the baseline");
}

TEST_CASE("groups that runs found are counted") {
  Study s = known();
  const auto give = [&](std::size_t nth, const char* groups, double steps) {
    for (study::RunRecord& run : s.runs)
      if (run.candidate == 1 && nth-- == 0) run.groups = groups, run.grouping_steps = steps;
  };
  give(0, "rare", 4), give(1, "often, (so)", 10), give(2, "often, (so)", 30);
  const std::string text = study::report_markdown(s);
  REQUIRE(has(text, "groups that its runs found"));
  CHECK(has(text, "| often, (so) | 2 | 20 |"));
  CHECK(has(text, "| rare | 1 | 4 |"));
  CHECK(text.find("often, (so)") < text.find("| rare"));
  CHECK(has(study::report_json(s), "\"groups\": \"often, (so)\", \"grouping_steps\": 30"));
  CHECK(!has(study::report_markdown(known()), "groups that its runs found"));
}

TEST_CASE("names stay text in every file") {
  Study s = known();
  const std::string hostile = "<script>alert(1)</script>|,\"'&\xFF\n";
  s.title = s.data = hostile;
  s.tasks[0].name = s.tasks[0].metric = hostile;
  s.candidates[1].name = s.candidates[1].type = hostile;
  s.settings = {{hostile, hostile}};
  s.candidates[1].groups = {{hostile}};
  s.matrices.push_back({hostile, hostile, hostile, {hostile}, {hostile}, {1}});
  s.pictures.push_back({hostile, hostile, "\x89PNG\r\n\x1a\n"});
  s.runs[0].error = hostile;
  s.runs[0].metrics.clear();
  const std::string page = study::report_html(s), text = study::report_markdown(s);
  CHECK(count(page, "<script") == 0);
  CHECK(has(page, "&lt;script&gt;alert(1)&lt;/script&gt;|,&quot;&#39;&amp;\xEF\xBF\xBD"));
  CHECK(has(page, "<title>&lt;script&gt;"));
  CHECK(has(page, "src=\"data:image/png;base64,iVBORw0KGgo=\""));
  CHECK(count(text, "<script") == 0);
  CHECK(has(text, "&lt;script&gt;alert(1)&lt;/script&gt;\\|,\"'&amp;"));
  const auto found = study::findings(s);
  CHECK(has(study::detail::json(s, found), "\"title\": \"<script>alert(1)</script>|,\\\"'&\xEF\xBF\xBD\\u000a\""));
  CHECK(has(study::detail::runs_csv(s, found), "\"<script>alert(1)</script>|,\"\"'&\xFF\n\",0,10,"));
  // Every row of a table in Markdown has the same bars.
  std::size_t bars = 0, rows = 0;
  std::string line;
  for (const char c : text) {
    if (c != '\n') {
      line += c;
      continue;
    }
    if (!line.empty() && line[0] == '|') {
      const std::size_t now = count(line, "|") - count(line, "\\|");
      CHECK((bars == 0 || now == bars));
      bars = now, ++rows;
    } else {
      bars = 0;
    }
    line.clear();
  }
  CHECK(rows > 20);
}

TEST_CASE("the same study gives the same files, and times stand apart") {
  const Temporary folder;
  Study s = known();
  study::write_report(s, folder.path() + "/first", {.start_time = 1000});
  for (study::RunRecord& run : s.runs) run.train_seconds = 77.25;
  for (study::CandidateRecord& candidate : s.candidates) candidate.predict_microseconds = 88.5;
  s.seconds = 99;
  study::write_report(s, folder.path() + "/second", {.start_time = 1000});
  study::write_report(s, folder.path() + "/second", {.start_time = 1000});  // into a folder that is there
  auto first = files(folder.path() + "/first"), second = files(folder.path() + "/second");
  CHECK(first.size() == 10 + 20);
  REQUIRE(first.size() == second.size());
  CHECK(first.count("tensorboard/1_good/split0_seed14/events.out.tfevents.1000.mtlx") == 1);
  for (const auto& file : first) {
    const std::string &name = file.first, &bytes = file.second;
    INFO(name);
    REQUIRE(second.count(name) == 1);
    const std::string& other = second[name];
    if (name == "times.csv") {
      CHECK(bytes != other);
      CHECK(has(other, "good,0,10,77.25,88.5\n"));
    } else if (name == "report.html" || name == "report.md") {
      const std::string heading = name == "report.md" ? "## What it cost on this machine" : "<section id=\"times\"";
      const std::size_t at = bytes.find(heading);
      REQUIRE(at != std::string::npos);
      CHECK(bytes.substr(0, at) == other.substr(0, at));
      CHECK(bytes.substr(at) != other.substr(at));
    } else {
      CHECK(bytes == other);
    }
  }
  CHECK(has(first["curves.csv"], "good,0,10,2,a,accuracy,0.5,,0.7,2,0.25\ngood,0,10,2,b,rmse,2,,,1,\n"));
  CHECK(count(first["conflicts.csv"], "\n") == 1 + 5 * 3 * 2);
  s.tasks[1].more = {{"r2", true}};
  for (study::RunRecord& run : s.runs) run.more_metrics = {0.25};
  CHECK(has(study::detail::runs_csv(s, study::findings(s)), ",b rmse,b loss,b validation rmse,b r2,"));
  CHECK(has(study::detail::runs_csv(s, study::findings(s)), "single,0,10,0.8,0.5,,2,0.25,,0.25,0,0,\n"));
  CHECK(has(study::report_json(s), "\"more_metrics\": [0.25]"));
  CHECK(has(study::report_json(s), "\"more\": [{\"name\": \"r2\", \"higher_is_better\": true}]"));
  // Both conventions are over all metrics: good is worse by each, for the further one is lost altogether.
  for (std::size_t r = 5; r < 10; ++r) s.runs[r].more_metrics = {0.2 - 0.001 * static_cast<double>(r)};
  const double gain_a = 100 * .02 / .8, gain_b = 100 * .1 / 2, gain_r2 = 100 * (0.195 - 0.25) / 0.25;
  const study::Findings both = study::findings(s);
  CHECK(both.run_delta[5] == doctest::Approx((gain_a + (gain_b + gain_r2) / 2) / 2));
  CHECK(both.run_delta_flat[5] == doctest::Approx(-(gain_a + gain_b + gain_r2) / 3));
  CHECK(both.more[1][0].mean == doctest::Approx(0.193));
  CHECK(both.delta[1].verdict == study::Verdict::worse);
  CHECK(both.delta_flat[1].mean > both.delta_flat[1].lower);
  CHECK(both.delta_flat[1].lower > 0);
  const std::string flat = study::detail::fixed(both.delta_flat[1].mean, 2, true);
  for (const std::string& one : {study::report_html(s), study::report_markdown(s)}) {
    CHECK(has(one, "mean over all 3 metrics; negative is better"));
    CHECK(has(one, "mean over its metrics; positive is better"));
    CHECK(has(one, "r2, higher is better"));
    CHECK(has(one, flat));
  }
  const std::string rows = study::detail::results_csv(s, both);
  CHECK(has(rows, "good,b,r2,1,5,0.193,"));
  CHECK(has(rows, join("good,,\"", study::delta_m_flat_header, "\",0,5,")));
  for (std::size_t at = 0, end = 0; at < rows.size(); at = end + 1) {
    end = rows.find('\n', at);
    std::string row = rows.substr(at, end - at);
    for (std::size_t open = row.find('"'); open != std::string::npos; open = row.find('"'))
      row.erase(open, row.find('"', open + 1) + 1 - open);
    CHECK(count(row, ",") == 17);
  }
  CHECK(has(study::report_json(s), "\"delta_m_flat_percent_negative_is_better\": {\"count\": 5, \"mean\": "));
  s.runs[2].more_metrics = {1, 2};
  CHECK_THROWS_WITH_AS(study::report_json(s), "mtlx: run 2 of the study has 2 further metrics, and its tasks have 1",
                       Error);
  CHECK(has(first["conflicts.csv"], "good,0,10,2,a,b,-0.25,0.75\ngood,0,10,2,b,a,-0.25,0.75\n"));
  CHECK(has(first["study.json"], "\"gradient_cosines\": [null, -0.25, -0.25, null]"));
  // Weights and lengths are drawn where there is something to see: b's weight is 1, its gradient not known.
  for (const auto& [what, there] : {std::pair{"a: weight of its loss", true},
                                    {"a: length of its gradient", true},
                                    {"b: weight of its loss", false},
                                    {"b: length of its gradient", false}})
    CHECK((count(first["report.md"], what) == 1) == there);
  CHECK_THROWS_AS(study::write_report(s, folder.path() + "/no/such/folder"), Error);
  // A report of fewer runs leaves none of the others' event files, and nothing else is touched.
  const std::string events = folder.path() + "/first/tensorboard";
  write_file(events + "/1_good/split0_seed14/mine.txt", "mine");
  write_file(events + "/1_good/events.out.tfevents.1.mtlx", "mine");
  std::filesystem::create_directory_symlink(events + "/0_single/split0_seed10", events + "/0_single/split0_seed99");
  s = known();
  s.runs.erase(s.runs.begin() + 1, s.runs.begin() + 15);
  study::write_report(s, folder.path() + "/first", {.start_time = 2000});
  first = files(folder.path() + "/first");
  CHECK(first.size() == 10 + 6 + 2);
  CHECK(first.count("tensorboard/0_single/split0_seed10/events.out.tfevents.2000.mtlx") == 1);
  CHECK(first.count("tensorboard/1_good/split0_seed14/mine.txt") == 1);
  CHECK_FALSE(std::filesystem::exists(events + "/2_bad"));
  study::write_report(s, folder.path() + "/first", {.tensorboard = false});
  CHECK(files(folder.path() + "/first").size() == 10 + 2);
}

TEST_CASE("gains over clusters of the test set, by hand") {
  Study s = known();
  s.candidates.resize(3);
  std::erase_if(s.runs, [](const study::RunRecord& run) { return run.candidate > 2 || run.seed > 11; });
  // Three photos; of the tasks an accuracy and an error. Two runs each: the second is 0.1 better on all.
  const std::vector<std::vector<double>> metrics = {
      {.5, 2, .6, 3, .7, 4}, {.52, 1.7, .63, 2.6, .74, 3.5}, {.5, 2.1, .6, missing, .7, 4.4}};
  for (study::RunRecord& run : s.runs) {
    run.cluster_metrics = metrics[run.candidate];
    if (run.seed == 11)
      for (double& metric : run.cluster_metrics) metric += 0.1;
  }
  s.runs[3].cluster_metrics[0] += 0.02;  // of good in its second run: the photo's mean gain is .03
  study::Findings found = study::findings(s);
  REQUIRE(found.cluster_gains.size() == 3);
  // .03, .03, .04: deviation / sqrt(3) is 1 / 300, and t with 2 degrees of freedom 4.302653 at 95 %.
  const study::Comparison& gain = found.cluster_gains[1][0];
  CHECK(gain.difference.count == 3);
  CHECK(gain.difference.mean == doctest::Approx(0.1 / 3));
  CHECK(gain.difference.upper == doctest::Approx(0.1 / 3 + 4.30265273 / 300));
  CHECK(found.cluster_gains[1][1].difference.mean == doctest::Approx(0.4));  // less error: .3, .4, .5
  CHECK(found.cluster_gains[1][1].verdict == study::Verdict::better);
  CHECK(found.cluster_gains[1][1].adjusted_p ==
        doctest::Approx(2 * found.cluster_gains[1][1].p));              // Holm: the second of three
  CHECK(found.cluster_gains[2][0].verdict == study::Verdict::no_test);  // no spread
  CHECK(found.cluster_gains[2][1].difference.count == 2);               // one photo has no label of it
  CHECK(found.cluster_gains[2][1].difference.mean == doctest::Approx(-0.25));
  CHECK(found.cluster_gains[0][0].verdict == study::Verdict::baseline);
  CHECK(has(study::detail::clusters_csv(s, found), "good,a,accuracy,3,0.0333333333,"));
  for (const std::string& one : {study::report_html(s), study::report_markdown(s)}) {
    CHECK(has(one, "Gains over clusters of the test set"));
    CHECK(has(one, "bad, b"));
  }
  CHECK(has(study::report_json(s), "\"cluster_gains_positive_is_better\": [{\"count\": 3, "));
  // A run that failed leaves no fair sample, here as elsewhere.
  s.runs[2].error = "lost";
  s.runs[2].cluster_metrics.clear();
  found = study::findings(s);
  CHECK(found.cluster_gains[1][1].verdict == study::Verdict::cannot_tell);
  CHECK(found.cluster_gains[1][1].withheld);
  s.runs[3].cluster_metrics.pop_back();
  CHECK_THROWS_WITH_AS(study::findings(s),
                       "mtlx: run 3 of the study has 5 metrics of clusters for 2 tasks, and other runs have 6", Error);
}

TEST_CASE("a line ends where the first of its runs stops") {
  Study s = known();
  // The best of five goes on alone.
  for (std::size_t r = 5; r < 9; ++r) s.runs[r].epochs.pop_back();
  for (const study::EpochRecord& epoch : s.runs[10].epochs) s.runs[15].epochs.push_back(epoch);
  for (std::size_t e = 3; e < 6; ++e) s.runs[15].epochs[e].epoch = e + 1;
  const auto figure = study::detail::curves(
      s, 0.95, "loss", 0, [](const study::EpochRecord& epoch, std::size_t t, std::size_t) { return epoch.losses[t]; });
  REQUIRE(figure.chart.lines.size() == 4);
  CHECK(figure.chart.lines[0].x.size() == 3);
  CHECK(figure.chart.lines[1].y[1] == doctest::Approx(0.5));
  CHECK(is_nan(figure.chart.lines[1].y[2]));
  CHECK(figure.chart.lines[1].runs == 5);
  CHECK(figure.chart.lines[3].y[2] == doctest::Approx(1.0 / 3));
  const std::string text = study::report_markdown(s);
  CHECK(has(text, "A line ends where the first of its runs stops, though others go on: so with good and unsure."));
  CHECK(has(text, "| good (5 runs) |"));
  CHECK(count(study::report_markdown(known()), "A line ends where") == 0);
}

TEST_CASE("numbers and texts of a report") {
  using namespace study::detail;
  CHECK(fixed(-0.0004, 2) == "0.00");
  CHECK(signed_fixed(0.0004, 2) == "0.00");
  CHECK(signed_fixed(1.255, 2) == "+1.25");
  CHECK(fixed(missing, 2) == "n/a");
  CHECK(fixed(1e300, 2) == "1.000e+300");
  CHECK(decimals_for(0.8049) == 4);
  CHECK(decimals_for(12.35) == 2);
  CHECK(decimals_for(-123456) == 0);
  CHECK(decimals_for(0) == 4);
  CHECK(decimals_for(missing) == 4);
  CHECK(rough(0.506) == "0.51");
  CHECK(rough(0.0123) == "0.012");
  CHECK(rough(123.4) == "123");
  CHECK(grouped(1234567) == "1,234,567");
  CHECK(grouped(-123456) == "-123,456");
  CHECK(grouped(999) == "999");
  CHECK(p_value(0.00001) == "< 0.0001");
  CHECK(base64("") == "");
  CHECK(base64("f") == "Zg==");
  CHECK(base64("fo") == "Zm8=");
  CHECK(base64("foobar") == "Zm9vYmFy");
  CHECK(folder_name("../a b\\c.d") == "_._a_b_c.d");
  CHECK(markdown_text("a|b *c* [d](e) `f`\n<g>") == "a\\|b \\*c\\* \\[d\\](e) \\`f\\` &lt;g&gt;");
  CHECK(markdown_text("- item") == "\\- item");
  CHECK(markdown_text("  + item") == "\\+ item");
  CHECK(markdown_text("12. item") == "12\\. item");
  CHECK(markdown_text("3) item") == "3\\) item");
  CHECK(markdown_text("---") == "\\---");
  CHECK(markdown_text("-4.15 to 3.5") == "-4.15 to 3.5");
  CHECK(markdown_text(" ") == "");
  CHECK(csv_name("=HYPERLINK(1)") == "'=HYPERLINK(1)");
  CHECK(csv_name("@a,b") == "\"'@a,b\"");
  CHECK(csv_name("a=b") == "a=b");
  CHECK(csv_name("") == "");
  CHECK(csv_number(-0.5) == "-0.5");
  CHECK(plain_text("a\nb\x1B[2J\xC2\x9B") == "a b\xEF\xBF\xBD[2J\xEF\xBF\xBD\xEF\xBF\xBD");
  CHECK(valid_utf8("gr\xC3\xB6\xC3\x9F\x65 \xE2\x82\xAC \xF0\x9F\x98\x80") ==
        "gr\xC3\xB6\xC3\x9F\x65 \xE2\x82\xAC \xF0\x9F\x98\x80");
  CHECK(valid_utf8("\xF4\x90\x80\x80\xE2\x82") ==
        "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST_CASE("a chart puts its numbers where they belong, whatever they are") {
  using namespace study::detail;
  const std::vector<double> none3(3, missing);
  // From x = 52 to 350 and y = 172 (0) to 8 (1), without rounding.
  const std::string chart =
      svg(LineChart{"loss", "epoch", {{"one", 0, {1, 2, 3}, {0, 1, 0.5}, {0, 0.5, missing}, {0.5, 1, missing}}}});
  CHECK(has(chart, "<path class=\"line c0\" d=\"M52.0 172.0L201.0 8.0L350.0 90.0\"/>"));
  CHECK(has(chart, "<path class=\"band c0\" d=\"M52.0 90.0L201.0 8.0L201.0 90.0L52.0 172.0Z\"/>"));
  CHECK(has(chart, "<title>loss</title><desc>epoch against loss: one from 0.0000 to 0.5000</desc>"));
  CHECK(svg_interval({5, 1, 0, 2}, -2, 2, "open") ==
        "<svg class=\"interval\" viewBox=\"0 0 160 20\" aria-hidden=\"true\"><path class=\"zero\" d=\"M80.0 "
        "1V19\"/><path "
        "class=\"whisker open\" d=\"M80.0 10H156.0M80.0 6V14M156.0 6V14\"/><circle class=\"dot open\" r=\"4\" "
        "cx=\"118.0\" cy=\"10\"/></svg>");
  // A gap leaves two points alone.
  const std::string gap = svg(LineChart{"loss", "epoch", {{"one", 11, {1, 2, 3}, {0, missing, 1}, none3, none3}}});
  CHECK(count(gap, "<circle class=\"point c1\"") == 2);
  CHECK(svg(LineChart{"loss", "epoch", {{"one", 0, {1, 2, 3}, none3, none3, none3}}}).empty());
  CHECK(svg(LineChart{"loss", "epoch", {}}).empty());
  for (const auto& y : std::vector<std::vector<double>>{{0, 0, 0},
                                                        {5, 5, 5},
                                                        {1e-310, 2e-310, 0},
                                                        {1e300, -1e300, 0},
                                                        {1e15, 1e15 + 0.125, 1e15},
                                                        {1.7e308, -1.7e308, 0}}) {
    const std::string odd = svg(LineChart{"loss", "epoch", {{"one", 0, {1, 2, 3}, y, none3, none3}}});
    INFO(odd);
    for (const char* none : {"nan", "inf", "n/a"}) CHECK(count(odd, none) == 0);
    CHECK(odd.size() < 4000);
  }
}
