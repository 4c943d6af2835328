// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cstdio>
#include <mtlx/nn/task.hpp>
#include <mtlx/study/results.hpp>
#include <mtlx/training/scores.hpp>
#include <string>

using namespace mtlx;
using study::Result;

namespace {

Result run(const char* strategy, std::uint64_t seed, double accuracy, double error, std::size_t parameters,
           double seconds) {
  return {strategy, seed, {{"a", "accuracy", accuracy, true}, {"b", "rmse", error, false}}, parameters, seconds};
}

}  // namespace

TEST_CASE("delta_m is the mean over tasks of the relative gain in percent, positive where better") {
  const Result baseline = run("single", 1, 0.8, 2.0, 100, 10);
  CHECK(study::delta_m(run("hard", 1, 0.88, 2.0, 50, 5), baseline) == doctest::Approx(5.0));
  // A larger error is worse: -10 % on one of two tasks.
  CHECK(study::delta_m(run("hard", 1, 0.8, 2.2, 50, 5), baseline) == doctest::Approx(-5.0));
  CHECK(study::delta_m(run("hard", 1, 0.72, 1.6, 50, 5), baseline) == doctest::Approx((-10.0 + 20.0) / 2));
  CHECK(study::delta_m(baseline, baseline) == 0.0);
}

TEST_CASE("delta_m refuses what can't be compared") {
  const Result baseline = run("single", 1, 0.8, 2.0, 100, 10);
  Result other = baseline;
  other.tasks[1].task = "c";
  CHECK_THROWS_WITH_AS(study::delta_m(other, baseline),
                       "mtlx: delta_m: single has the task \"c\" where single has \"b\"", Error);
  other.tasks.pop_back();
  CHECK_THROWS_WITH_AS(study::delta_m(other, baseline), "mtlx: delta_m: single has 1 tasks and single 2", Error);
  CHECK_THROWS_WITH_AS(study::delta_m(baseline, run("zero", 1, 0, 2, 1, 1)),
                       "mtlx: delta_m: the baseline's accuracy of the task \"a\" is 0", Error);
}

TEST_CASE("the spread of numbers is their mean and their deviation with n - 1") {
  const study::Spread spread = study::Spread::of({1, 2, 4});
  CHECK(spread.mean == doctest::Approx(7.0 / 3));
  CHECK(spread.deviation == doctest::Approx(1.527525232));
  CHECK(study::Spread::of({5}).deviation == 0);
}

TEST_CASE("a table compares each run with the baseline's of the same seed") {
  study::Results results;
  CHECK(results.table() == "no runs\n");
  results.add(run("single-task", 1, 0.80, 2, 200, 10));
  results.add(run("hard sharing", 1, 0.84, 2, 100, 6));
  results.add(run("single-task", 2, 0.90, 2, 200, 12));
  results.add(run("hard sharing", 2, 0.81, 2, 100, 5));
  CHECK(results.delta_m(results.runs()[1]) == doctest::Approx(2.5));
  CHECK(results.delta_m(results.runs()[3]) == doctest::Approx(-5.0));
  const std::string table = results.table();
  INFO(table);
  CHECK(table.find("a accuracy") != std::string::npos);
  CHECK(table.find("b rmse") != std::string::npos);
  CHECK(table.find("0 (baseline)") != std::string::npos);
  CHECK(table.find("-1.25 +- 5.3033") != std::string::npos);  // the mean of 2.5 and -5, their deviation
  CHECK(table.find("per task, then mean; positive is better") != std::string::npos);
  CHECK(
      table.find("hard sharing was worse than single-task by 1.25 % in the mean (better with 1 of 2 seeds), with 0.50 "
                 "times its parameters and 0.50 times its training time") != std::string::npos);
  results.add(run("hard sharing", 3, 0.81, 2, 100, 5));
  CHECK_THROWS_WITH_AS(results.table(), "mtlx: delta_m: the baseline single-task has no run with seed 3", Error);
}

TEST_CASE("the results as JSON") {
  study::Results results;
  results.add(run("single \"task\"\n", 7, 0.5, 2, 200, 10));
  CHECK(results.json() ==
        "{\"results\": [\n  {\"strategy\": \"single \\\"task\\\"\\u000a\", \"seed\": 7, \"tasks\": {\"a\": "
        "{\"accuracy\": 0.5}, \"b\": {\"rmse\": 2}}, \"mean_accuracy\": 1.25, \"delta_m\": 0, \"parameters\": 200, "
        "\"seconds\": 10}\n]}\n");
  CHECK_THROWS_AS(results.write_json("/no such folder/results.json"), Error);
}

TEST_CASE("a model's scores become the results of its tasks") {
  using Tasks = mtlx::Tasks<Classification<"a", 3>, Regression<"b", 2>>;
  const training::Scores<Tasks> scores({{0.5, 0.75}, {2.0, 1.5}});
  const auto results = study::task_results(scores);
  REQUIRE(results.size() == 2);
  CHECK(results[0].task == "a");
  CHECK(results[0].metric == "accuracy");
  CHECK(results[0].value == 0.75);
  CHECK(results[0].higher_is_better);
  CHECK(results[1].metric == "rmse");
  CHECK(results[1].value == 1.5);
  CHECK_FALSE(results[1].higher_is_better);
}
