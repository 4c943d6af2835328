// SPDX-License-Identifier: MIT
#include <mtlx/nn/f1.hpp>
#include <mtlx/nn/ranking.hpp>
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
  static_assert(std::is_same_v<decltype(scores.get<"place">()), const training::Score<Regression<"place", 2>>&>);
}

TEST_CASE("a task or metric that there is not") {
  CHECK_THROWS_WITH_AS(scores.value("plaice", "loss"), "mtlx: the model has no task \"plaice\"", Error);
  CHECK_THROWS_WITH_AS(scores.value("place", "accuracy"),
                       "mtlx: the task \"place\" has no metric \"accuracy\", only \"loss\" and \"rmse\"", Error);
}

TEST_CASE("several metrics of a task") {
  using Several =
      Tasks<Classification<"kind", 3, nn::SoftmaxCrossEntropy, nn::Metrics<nn::MacroF1, nn::Accuracy>>,
            BinaryLabels<"flags", 2, nn::BinaryCrossEntropy, nn::RocAuc>,
            Regression<"place", 2, nn::MeanSquaredError, nn::Metrics<nn::RootMeanSquaredError, nn::AbsoluteError>>>;
  const training::Scores<Several> found({{0.5, 0.25, 0.75}, {1.5, 0.625}, {4, 2, 1}});
  CHECK(found.get<"kind">().f1 == 0.25);
  CHECK(found.get<"kind">().accuracy == 0.75);
  CHECK(found.get<"flags">().roc_auc == 0.625);
  CHECK(found.value("kind", "accuracy") == 0.75);
  CHECK(found.value("place", "mae") == 1);
  CHECK(found.value("place", "loss") == 4);
  CHECK_THROWS_WITH_AS(found.value("place", "accuracy"),
                       "mtlx: the task \"place\" has no metric \"accuracy\", only \"loss\", \"rmse\" and \"mae\"",
                       Error);
  // What a model is compared by is each task's first.
  CHECK(found.metrics() == std::array{0.25, 0.625, 2.0});
  CHECK(training::Scores<Several>::metric_names == std::array<std::string_view, 3>{"f1", "roc_auc", "rmse"});
  CHECK(training::Scores<Several>::higher_is_better == std::array{true, true, false});
  const auto all = found.all_metrics();
  REQUIRE(all.size() == 5);
  CHECK(all[1].task == "kind");
  CHECK(all[1].metric == "accuracy");
  CHECK(all[1].value == 0.75);
  CHECK(all[1].higher_is_better);
  CHECK(all[4].task == "place");
  CHECK(all[4].metric == "mae");
  CHECK(all[4].value == 1);
  CHECK_FALSE(all[4].higher_is_better);
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
