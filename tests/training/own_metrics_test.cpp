// SPDX-License-Identifier: MIT
// A model whose tasks have other losses and metrics than by default.
#include <mtlx/nn/cross_entropy.hpp>
#include <mtlx/nn/f1.hpp>
#include <mtlx/nn/focal.hpp>
#include <mtlx/nn/r2.hpp>
#include <mtlx/nn/ranking.hpp>
#include <mtlx/nn/regression_loss.hpp>
#include <mtlx/training/history.hpp>
#include <mtlx/training/multi_task.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "small.hpp"

using namespace mtlx;

namespace {

using Several = Tasks<Classification<"kind", 3, nn::LabelSmoothing<10>, nn::Metrics<nn::MacroF1, nn::Accuracy>>,
                      BinaryLabels<"flags", 3, nn::Focal<>, nn::RocAuc>,
                      Regression<"place", 2, nn::Huber<0.5>, nn::Metrics<nn::AbsoluteError, nn::R2>>>;
using Model = MultiTask<Input<4>, Several, sharing::Hard<small::Trunk>>;

}  // namespace

TEST_CASE("a model trains with other losses and is judged by several metrics") {
  constexpr std::size_t samples = 37;
  const data::DataSet data(small::inputs(samples),
                           {small::kind(samples, 0.3), small::flags(samples, 0.3), small::place(samples, 0.3)});
  Model model{{.optimizer = {.learning_rate = 0.02}, .backend = {.threads = 1}}};
  const auto before = model.evaluate(data);
  training::History history;
  model.fit(data, {.epochs = 40, .batch_size = 10, .validation = &data, .observers = {&history}});
  const auto scores = model.evaluate(data);
  for (std::size_t t = 0; t < 3; ++t) CHECK(scores.losses()[t] < before.losses()[t]);

  // The same from the model's answers.
  const auto answers = model.predict(data.streams()[0].inputs);
  const auto& columns = data.streams()[0].columns;
  nn::MacroF1 f1;
  nn::RocAuc auc;
  nn::AbsoluteError mae;
  nn::R2 r2;
  for (std::size_t s = 0; s < samples; ++s) {
    const auto add = [&](auto& metric, const data::Targets& targets, std::span<const float> z) {
      std::vector<unsigned char> present;
      for (std::size_t i = 0; i < targets.width(); ++i) present.push_back(targets.present(s, i));
      metric.add(z, {targets.row(s), targets.width()}, present);
    };
    add(f1, columns[0].targets, answers.get<"kind">()[s]);
    add(auc, columns[1].targets, answers.get<"flags">()[s]);
    add(mae, columns[2].targets, answers.get<"place">()[s]);
    add(r2, columns[2].targets, answers.get<"place">()[s]);
  }
  CHECK(scores.get<"kind">().f1 == f1.value());
  CHECK(scores.get<"flags">().roc_auc == doctest::Approx(auc.value()).epsilon(1e-6));
  CHECK(scores.get<"place">().mae == mae.value());
  CHECK(scores.value("place", "r2") == r2.value());
  CHECK(scores.get<"kind">().accuracy > 0.5);
  CHECK(scores.metrics() ==
        std::array{scores.get<"kind">().f1, scores.get<"flags">().roc_auc, scores.get<"place">().mae});
  // Observers see each task's primary metric.
  CHECK(history.csv().find("kind_validation_f1") != std::string::npos);
  CHECK(history.csv().find("place_validation_mae") != std::string::npos);
}

TEST_CASE("a task without labels has NaN for every metric") {
  Model model{{.backend = {.threads = 1}}};
  const data::DataSet data(small::inputs(5), {small::kind(5, 0)});
  const auto scores = model.evaluate(data);
  CHECK(is_finite(scores.get<"kind">().f1));
  for (const double number :
       {scores.get<"flags">().loss, scores.get<"flags">().roc_auc, scores.get<"place">().mae, scores.get<"place">().r2})
    CHECK(is_nan(number));
}
