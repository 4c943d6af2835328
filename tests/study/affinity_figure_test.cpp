// SPDX-License-Identifier: MIT
#include <mtlx/study/affinity_figure.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <string_view>
#include <vector>

using namespace mtlx;

namespace {

const double missing = std::numeric_limits<double>::quiet_NaN();

std::size_t count(const std::string& text, std::string_view part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

/// What keeps a text from being XML, as far as these files go: elements that don't close, and signs that should be
/// escaped. Empty if nothing does.
std::string not_xml(const std::string& text) {
  std::vector<std::string> open;
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == '&' && text.compare(at, 4, "&lt;") != 0 && text.compare(at, 4, "&gt;") != 0 &&
        text.compare(at, 5, "&amp;") != 0 && text.compare(at, 5, "&#39;") != 0 && text.compare(at, 6, "&quot;") != 0)
      return "an & at " + std::to_string(at);
    if (text[at] != '<') {
      ++at;
      continue;
    }
    const std::size_t end = text.find('>', at);
    if (end == std::string::npos) return "no end of " + text.substr(at, 20);
    const std::string tag = text.substr(at + 1, end - at - 1);
    if (tag.empty() || tag.find('<') != std::string::npos || count(tag, "\"") % 2 != 0) return "no element: " + tag;
    const std::string name = tag.substr(tag[0] == '/', tag.find_first_of(" /", 1) - (tag[0] == '/'));
    if (tag[0] == '/') {
      if (open.empty() || open.back() != name) return "</" + name + "> closes nothing";
      open.pop_back();
    } else if (tag.back() != '/') {
      if (name.find_first_not_of("abcdefghijklmnopqrstuvwxyz") != std::string::npos) return "no element: " + tag;
      open.push_back(name);
    }
    at = end + 1;
  }
  return open.empty() ? "" : "<" + open.back() + "> stays open";
}

/// Three tasks; "b" gains by "a" for sure, and "a" loses by "<c & d>", perhaps.
grouping::Table table() {
  return {.title = "lookahead",
          .tasks = {"a", "b", "<c & d>"},
          .values = {9, 0.25, -0.5, 1, missing, 0.125, missing, 0, 9},
          .lower = {0, 0.125, -1.5, 0.5, 0, -0.25, missing, -1, 0},
          .upper = {0, 0.375, 0.5, 1.5, 0, 0.5, missing, 1, 0},
          .p = {1, 0.06, 0.2, 0.00001, 1, 0.4, missing, 1, 1}};
}

}  // namespace

TEST_CASE("a heat map says who is affected, how surely, and stays a file") {
  const std::string svg = study::affinity_figure({table()});
  CHECK(svg.rfind("<svg xmlns=\"http://www.w3.org/2000/svg\"", 0) == 0);
  CHECK(not_xml(svg) == "");
  CHECK(count(svg, ">rows: the task that is affected; columns: the task whose step it was<") == 1);
  CHECK(count(svg, "<title>b affected by a: +1.00, interval +0.50 to +1.50, p &lt; 0.0001</title>") == 1);
  CHECK(count(svg, "<title>a affected by &lt;c &amp; d&gt;: -0.50, interval -1.50 to +0.50, p 0.2000</title>") == 1);
  CHECK(count(svg, "<title>&lt;c &amp; d&gt; affected by a: no number</title>") == 1);
  // Only p within the level is sure, whatever the interval; only losses are orange, and the scale's half of them.
  CHECK(count(svg, "class=\"strong\"") == 1);
  CHECK(count(svg, "class=\"sure\"") == 1);
  CHECK(count(svg, "class=\"low\"") == 1 + 4);
  CHECK(count(study::affinity_figure({table()}, 0.07), "class=\"strong\"") == 2);
  // Full colour at the largest between tasks, whatever the diagonal.
  CHECK(count(svg, "fill-opacity=\"1.00\"><title>b affected by a") == 1);
  CHECK(count(svg, "fill-opacity=\"0.50\"><title>a affected by &lt;c") == 1);
  // Without p the interval judges; without intervals nothing is written below.
  grouping::Table plain = table();
  plain.p.clear();
  const std::string by_interval = study::affinity_figure({plain});
  CHECK(count(by_interval, "class=\"strong\"") == 2);
  CHECK(count(by_interval, ">bold in a frame: the interval leaves out 0<") == 1);
  CHECK(count(by_interval, ">+0.12 to +0.38<") == 1);
  plain.lower.clear(), plain.upper.clear();
  const std::string bare = study::affinity_figure({plain, table()});
  CHECK(not_xml(bare) == "");
  CHECK(count(bare, ">+0.12 to +0.38<") == 1);  // of the second
  CHECK(count(bare, ">rows: the task") == 2);
  CHECK(count(study::affinity_figure({plain}), "class=\"strong\"") == 0);
  // One task, and so many that numbers are only in the cells' titles.
  CHECK(not_xml(study::affinity_figure({{.title = "<>", .tasks = {"one"}, .values = {missing}}})) == "");
  grouping::Table many{
      .title = "many", .tasks = std::vector<std::string>(64, "t&"), .values = std::vector<double>(4096, -2e-7)};
  many.p.assign(4096, 0.01);
  const std::string large = study::affinity_figure({many});
  CHECK(not_xml(large) == "");
  CHECK(count(large, "t&amp; affected by t&amp;: -0.200, in 1e-6, p 0.0100<") == 64 * 63);
  CHECK(count(large, "<circle class=\"strong\"") == 64 * 63);
  CHECK(count(large, ">a dot: p, corrected for many tests, is at most 0.05<") == 1);
}

TEST_CASE("the same as CSV and as a matrix of a report") {
  CHECK(study::csv(table()) ==
        "affected_task,acting_task,value_positive_is_falling_loss,lower,upper,p\n"
        "a,a,9,0,0,1\na,b,0.25,0.125,0.375,0.06\na,<c & d>,-0.5,-1.5,0.5,0.2\n"
        "b,a,1,0.5,1.5,1e-05\nb,b,,0,0,1\nb,<c & d>,0.125,-0.25,0.5,0.4\n"
        "<c & d>,a,,,,\n<c & d>,b,0,-1,1,1\n<c & d>,<c & d>,9,0,0,1\n");
  study::MatrixRecord matrix = study::matrix(table());
  CHECK(matrix.title == "lookahead");
  CHECK(matrix.rows == "affected task");
  CHECK(matrix.columns == "task whose step it was");
  CHECK(matrix.values[1] == 0.25);
  CHECK(is_nan(matrix.values[0]));
  CHECK(is_nan(matrix.values[6]));
  CHECK(matrix.notes[3] == "+0.50 to +1.50, p < 0.0001");
  CHECK(matrix.notes[0] == "");
  CHECK(matrix.notes[6] == "");
  // Small numbers are in a unit that the title names, so that three decimals show them.
  grouping::Table small = table();
  for (auto* numbers : {&small.values, &small.lower, &small.upper})
    for (double& number : *numbers) number *= 2e-5;
  small.p.clear();
  matrix = study::matrix(small);
  CHECK(matrix.title == "lookahead, in 1e-6");
  CHECK(matrix.values[3] == doctest::Approx(20));
  CHECK(matrix.notes[3] == "+10.0 to +30.0");
  small.lower.clear(), small.upper.clear();
  CHECK(study::matrix(small).notes.empty());
}

TEST_CASE("drift: a chart for each affected task") {
  grouping::Affinities seen;
  seen.measure = "look<ahead>", seen.tasks = 2;
  for (std::size_t look = 0; look < 7; ++look) {
    seen.steps.push_back(10 * look);
    const auto number = static_cast<double>(look);
    seen.values.insert(seen.values.end(), {missing, number, look == 0 ? missing : -number, missing});
  }
  const study::Drift drift = study::drift(seen, {"a", "b&c"}, 3);
  // Looks 0-1, 2-3 and 4-6; what is NaN is left out.
  CHECK(drift.steps == std::vector<std::size_t>{5, 25, 50});
  CHECK(drift.values[1] == 0.5);
  CHECK(drift.values[2] == -1);
  CHECK(drift.values[9] == 5);
  CHECK(drift.values[10] == -5);
  const std::string svg = study::drift_figure(drift);
  CHECK(not_xml(svg) == "");
  CHECK(count(svg, ">affected: a<") == 1);
  CHECK(count(svg, ">affected: b&amp;c<") == 1);
  // Each chart has its line and the one at 0, and the line's key.
  CHECK(count(svg, "class=\"line c0\"") == 2);
  CHECK(count(svg, "class=\"line c1\"") == 2);
  CHECK(count(svg, "class=\"line c2\"") == 2);
  CHECK(count(svg, "class=\"band") == 0);
  CHECK(study::csv(drift).rfind("step,affected_task,acting_task,value_positive_is_falling_loss,lower,upper\n5,a,a,,,\n"
                                "5,a,b&c,0.5,,\n5,b&c,a,-1,,\n",
                                0) == 0);
  study::Drift bands = drift;
  bands.lower = bands.upper = drift.values;
  for (double& number : bands.upper) number += 1;
  CHECK(count(study::drift_figure(bands), "class=\"band") == 2);
  CHECK(count(study::csv(bands), ",5,5,6\n") == 1);
  // Nothing seen, one look, one task; more tasks than lines are drawn.
  CHECK(not_xml(study::drift_figure(study::drift({}, {"a"}))) == "");
  CHECK(not_xml(study::drift_figure({"one", {"a"}, {3}, {missing}})) == "");
  const study::Drift crowd{"", std::vector<std::string>(12, "t"), {1, 2}, std::vector<double>(288, 1)};
  CHECK(count(study::drift_figure(crowd), "class=\"line c9\"") == 2 * 12);

  CHECK_THROWS_AS(study::drift(seen, {"a"}), Error);
  CHECK_THROWS_AS(study::drift_figure({"", {"a", "b"}, {1}, {1, 2, 3}}), Error);
  bands.upper.clear();
  CHECK_THROWS_AS(study::drift_figure(bands), Error);
}

TEST_CASE("groups: who trains where, and who answers") {
  const TaskSet a = TaskSet::only(0), b = TaskSet::only(1), c = TaskSet::only(2);
  const std::vector<grouping::Group> plan{{a | b, a}, {b | c, b | c}};
  const std::string svg = study::plan_figure(plan, {"a", "<b>", "c"}, {1, missing, 0.25});
  CHECK(not_xml(svg) == "");
  CHECK(count(svg, "<title>a is served by group 1</title><circle class=\"serves c1\"") == 1);
  CHECK(count(svg, "<title>&lt;b&gt; helps in group 1</title><circle class=\"helps c1\"") == 1);
  CHECK(count(svg, "<title>&lt;b&gt; is served by group 2</title><circle class=\"serves c2\"") == 1);
  CHECK(count(svg, "<title>") == 1 + 4);
  CHECK(count(svg, ">0.25<") == 1);
  CHECK(study::plan_csv(plan, {"a", "<b>", "=c"}) == "group,task,served_here\n1,a,1\n1,<b>,0\n2,<b>,1\n2,'=c,1\n");
  CHECK(count(study::plan_figure(plan, {"a", "b", "c"}), ">score<") == 0);
  CHECK_THROWS_AS(study::plan_figure(plan, {"a", "b"}), Error);
  CHECK_THROWS_AS(study::plan_csv({{a, a}}, {"a", "b"}), Error);
  CHECK_THROWS_AS(study::plan_figure(plan, {"a", "b", "c"}, {1}), Error);
}

TEST_CASE("tables that are none are told so") {
  grouping::Table wrong = table();
  wrong.values.pop_back();
  CHECK_THROWS_WITH_AS(
      study::affinity_figure({wrong}),
      "mtlx: affinity figure: the table \"lookahead\" has 8 numbers of a kind for 3 tasks; it takes tasks x "
      "tasks",
      Error);
  wrong = table();
  wrong.upper.clear();
  CHECK_THROWS_AS(study::csv(wrong), Error);
  CHECK_THROWS_AS(study::matrix(grouping::Table{}), Error);
}
