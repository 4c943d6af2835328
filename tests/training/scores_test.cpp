// SPDX-License-Identifier: MIT
#include <mtlx/training/scores.hpp>

#include <doctest/doctest.h>

#include <limits>

#include "small.hpp"

using namespace mtlx;

namespace {

using Scores = training::Scores<small::Kinds>;
using Predictions = training::Predictions<small::Kinds>;
const Scores scores({{0.5, 0.75}, {1.5, 0.25}, {4, 2}});

}  // namespace

TEST_CASE("scores by name, by position and by run-time names") {
  CHECK(scores.get<"kind">().loss == 0.5);
  CHECK(scores.get<"flags">().accuracy == 0.25);
  CHECK(scores.get<"place">().rmse == 2);
  CHECK(scores.get<2>().loss == 4);
  CHECK(scores.value("kind", "accuracy") == 0.75);
  CHECK(scores.value("flags", "loss") == 1.5);
  CHECK(scores.value("place", "rmse") == 2);
  CHECK(scores.losses() == std::array{0.5, 1.5, 4.0});
  CHECK(scores.metrics() == std::array{0.75, 0.25, 2.0});
  static_assert(std::is_same_v<decltype(scores.get<"place">()), const Regression<"place", 2>::Score&>);
}

TEST_CASE("a task or metric that there is not") {
  CHECK_THROWS_WITH_AS(scores.value("plaice", "loss"), "mtlx: the model has no task \"plaice\"", Error);
  CHECK_THROWS_WITH_AS(scores.value("place", "accuracy"),
                       "mtlx: the task \"place\" has no metric \"accuracy\", only \"loss\" and \"rmse\"", Error);
}

TEST_CASE("predictions by name and position") {
  const std::vector<float> zeros(3);
  const Predictions answers(Predictions::All(Classification<"kind", 3>::Prediction({0, 9, 0, 0, 0, 9}),
                                             BinaryLabels<"flags", 3>::Prediction(zeros),
                                             Regression<"place", 2>::Prediction({1, 2, 3, 4})));
  CHECK(answers.get<"kind">().size() == 2);
  CHECK(answers.get<"kind">().label(0) == 1);
  CHECK(answers.get<0>().label(1) == 2);
  CHECK(answers.get<"flags">()[0][2] == 0.5F);
  CHECK(answers.get<2>()[1][0] == 3);
}
