// SPDX-License-Identifier: MIT
#include <mtlx/study/delta_m.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

using namespace mtlx;
using namespace mtlx::study;

namespace {

RunRecord run(std::size_t candidate, std::size_t split, std::uint64_t seed, std::vector<double> metrics) {
  RunRecord r;
  r.candidate = candidate, r.split = split, r.seed = seed, r.metrics = std::move(metrics);
  return r;
}

// An accuracy and an error; the candidate's runs come before some of the baseline's.
Study study_of_two() {
  Study study;
  study.tasks = {{"a", "accuracy", true}, {"b", "rmse", false}};
  study.candidates.resize(2);
  study.runs = {run(0, 0, 1, {0.8, 2}), run(1, 0, 1, {0.88, 2.2}), run(1, 0, 2, {0.72, 1.6}), run(0, 0, 2, {0.8, 2})};
  return study;
}

}  // namespace

TEST_CASE("the two conventions give NYUv2's linear scalarisation opposite verdicts") {
  // Single-task learning and equal weights as papers on balancing print them: the flat mean calls multi-task learning
  // worse by 5.59 %; by tasks the gains are 2.52, 18.63 and -18.52 %, in the mean better by 0.88 %.
  const std::vector<MetricPair> nyu = {
      {"segmentation", "mIoU", 39.29, 38.30, true},       {"segmentation", "pixel accuracy", 65.33, 63.76, true},
      {"depth", "absolute error", 0.5493, 0.6754, false}, {"depth", "relative error", 0.2263, 0.2780, false},
      {"normals", "mean angle", 28.15, 25.01, false},     {"normals", "median angle", 23.96, 19.21, false},
      {"normals", "within 11.25", 22.09, 30.14, true},    {"normals", "within 22.5", 47.50, 57.20, true},
      {"normals", "within 30", 61.08, 69.15, true}};
  CHECK(delta_m_flat(nyu) == doctest::Approx(5.59).epsilon(0.001));
  CHECK(delta_m(nyu) == doctest::Approx(0.88).epsilon(0.01));
  // The order of the metrics is nothing to either.
  const std::vector<MetricPair> backwards(nyu.rbegin(), nyu.rend());
  CHECK(delta_m(backwards) == doctest::Approx(delta_m(nyu)));
  CHECK(std::string(delta_m_header).find("positive is better") != std::string::npos);
  CHECK(std::string(delta_m_flat_header).find("negative is better") != std::string::npos);
}

TEST_CASE("delta_m refuses what has no relative gain") {
  CHECK_THROWS_WITH_AS(delta_m(std::vector<MetricPair>{}), "mtlx: delta_m: no metrics", Error);
  CHECK_THROWS_AS(delta_m_flat(std::vector<MetricPair>{}), Error);
  CHECK_THROWS_WITH_AS(
      delta_m(std::vector<MetricPair>{{"a", "r2", 0.2, -0.1, true}}),
      "mtlx: delta_m: the baseline's r2 of the task \"a\" is -0.1, and a relative gain needs one above 0", Error);
  CHECK_THROWS_AS(delta_m_flat(std::vector<MetricPair>{{"a", "r2", 0.2, 0, true}}), Error);
  CHECK_THROWS_WITH_AS(delta_m(std::vector<MetricPair>{{"a", "r2", std::nan(""), 0.5, true}}),
                       "mtlx: delta_m: there is no r2 of the task \"a\"", Error);
}

TEST_CASE("a study's runs are paired by split and seed") {
  Study study = study_of_two();
  const Pairs pairs = delta_m(study, 1);
  REQUIRE(pairs.differences.size() == 2);
  CHECK(pairs.missing.empty());
  CHECK(pairs.differences[0] == doctest::Approx((10.0 - 10.0) / 2));
  CHECK(pairs.differences[1] == doctest::Approx((-10.0 + 20.0) / 2));
  CHECK(delta_m_flat(study, 1).differences[1] == doctest::Approx(-5));
  CHECK(delta_m(study, study.runs[2]) == doctest::Approx(5));
  CHECK(delta_m(study, 0).differences == std::vector<double>{0, 0});
  CHECK(metric_gains(study, 1, 0).differences[0] == doctest::Approx(0.08));
  CHECK(metric_gains(study, 1, 1).differences[0] == doctest::Approx(-0.2));  // a larger error is a loss
  CHECK(sampling_of(study).test_to_train == 0);

  // Overlapping splits: the seeds of a split are one number.
  study.test_to_train = 0.25;
  CHECK(sampling_of(study).test_to_train == 0.25);
  REQUIRE(delta_m(study, 1).differences.size() == 1);
  CHECK(delta_m(study, 1).differences[0] == doctest::Approx(2.5));
  study.runs[2].split = study.runs[3].split = 7;
  CHECK(delta_m(study, 1).differences.size() == 2);
}

TEST_CASE("a study's delta_m is over all metrics of its tasks") {
  Study study = study_of_two();
  study.tasks[0].more = {{"f1", true}};
  study.tasks[1].more = {{"mae", false}, {"r2", true}};
  study.runs = {run(0, 0, 1, {0.8, 2}), run(1, 0, 1, {0.88, 1.6})};
  study.runs[0].more_metrics = {0.5, 1, 0.5}, study.runs[1].more_metrics = {0.2, 0.9, 0.6};
  // By metrics: +10 and -60 % of a; +20, +10 and +20 % of b. By tasks: -25 and 50 / 3.
  const double by_tasks = (-25 + 50.0 / 3) / 2;
  CHECK(delta_m(study, 1).differences[0] == doctest::Approx(by_tasks));
  CHECK(delta_m(study, study.runs[1]) == doctest::Approx(by_tasks));
  CHECK(delta_m_flat(study, 1).differences[0] == doctest::Approx(0));
  // Better by the one, worse by the other.
  study.runs[1].more_metrics[0] = 0.3;  // -40 %: tasks -15 and 50 / 3, metrics 10 - 40 + 50
  study.runs[1].more_metrics[2] = 0.3;  // -40 %: tasks -15 and -10 / 3, metrics 10 - 40 + 20 + 10 - 40
  CHECK(delta_m(study, 1).differences[0] == doctest::Approx((-15 - 10.0 / 3) / 2));
  CHECK(delta_m_flat(study, study.runs[1]) == doctest::Approx(8));
  CHECK(delta_m_flat(study, 1).scale == doctest::Approx(110));
  // A task's own gains stay those of its first metric.
  CHECK(metric_gains(study, 1, 1).differences[0] == doctest::Approx(0.4));
  // Without one of them there is no delta_m.
  study.runs[1].more_metrics.clear();
  CHECK(delta_m(study, 1).missing == std::vector<std::string>{"split 0, seed 1: there is no f1 of the task \"a\""});
  CHECK(is_nan(delta_m_flat(study, study.runs[1])));
  study.runs[1].more_metrics = {0.3};
  CHECK_THROWS_WITH_AS(
      delta_m_flat(study, 1),
      "mtlx: delta_m: candidate 1 has 1 further metrics with seed 1 and split 0, and the study's tasks have 3", Error);
}

TEST_CASE("pairs that are not there are named") {
  Study study = study_of_two();
  study.runs[0].metrics[0] = 0;
  study.runs[3].error = "the loss of \"a\" is not finite";
  study.runs.push_back(run(1, 3, 4, {0.5, 0.5}));
  study.runs.push_back(run(1, 3, 5, {}));
  study.runs.back().error = "out of memory";
  study.runs.push_back(run(1, 3, 6, {std::nan(""), 0.5}));
  study.runs.push_back(run(0, 3, 6, {0.5, 1}));
  const Pairs pairs = delta_m(study, 1);
  CHECK(pairs.differences.empty());
  CHECK(pairs.missing ==
        std::vector<std::string>{
            "split 0, seed 1: the baseline's accuracy of the task \"a\" is 0, and a relative gain needs one above 0",
            "split 0, seed 2: the baseline's run failed: the loss of \"a\" is not finite",
            "split 3, seed 4: the baseline has no such run", "split 3, seed 5: the run failed: out of memory",
            "split 3, seed 6: there is no accuracy of the task \"a\""});
  CHECK(pairs.count == 5);
  CHECK(pairs.reasons.no_ratio == 1);
  CHECK(pairs.reasons.baseline_failed == 1);
  CHECK(pairs.reasons.other == 1);
  CHECK(pairs.reasons.candidate_failed == 2);
  CHECK(pairs.reasons.not_begun == 0);
  for (const RunRecord& one : study.runs)
    if (one.candidate == 1) CHECK(is_nan(delta_m(study, one)));
  // A difference needs no baseline above 0, and the other task has all it needs.
  CHECK(metric_gains(study, 1, 0).differences == std::vector<double>{0.88});
  CHECK(metric_gains(study, 1, 1).differences.size() == 2);
  // A run of the baseline that the candidate has not.
  study.runs.push_back(run(0, 9, 1, {0.5, 1}));
  CHECK(metric_gains(study, 1, 0).missing.back() == "split 9, seed 1: there is no such run");
  CHECK(metric_gains(study, 1, 0).scale == 0.88);
  study.runs.pop_back();

  CHECK_THROWS_AS(delta_m(study, 2), Error);
  CHECK_THROWS_AS(metric_gains(study, 1, 2), Error);
  study.runs.push_back(run(0, 3, 6, {0.5, 1}));
  CHECK_THROWS_WITH_AS(delta_m(study, 1), "mtlx: the baseline has two runs with split 3 and seed 6", Error);
  study.runs.back().metrics.pop_back();
  study.runs.back().seed = 4;
  CHECK_THROWS_WITH_AS(delta_m(study, 1),
                       "mtlx: delta_m: candidate 0 has 1 metrics with seed 4 and split 3, and the study has 2 tasks",
                       Error);
}
