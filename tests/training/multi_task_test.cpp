// SPDX-License-Identifier: MIT
#include <mtlx/nn/dropout.hpp>
#include <mtlx/optim/sgd.hpp>
#include <mtlx/sharing/single.hpp>
#include <mtlx/training/multi_task.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "small.hpp"

using namespace mtlx;

namespace {

using Trunk = nn::Sequential<nn::Dense<5>, nn::Dropout<20>, nn::Tanh>;
using Sharing = sharing::Hard<Trunk, small::FlagsHead>;
using Model = MultiTask<Input<4>, small::Kinds, Sharing, optim::Sgd>;
using Exact = MultiTask<Input<4>, small::Kinds, Sharing, optim::Sgd, backend::Reference>;

Model make(std::uint64_t seed = 1) {
  return Model{{.optimizer = {.learning_rate = 0.1, .momentum = 0.9}, .backend = {.threads = 2}, .seed = seed}};
}

}  // namespace

TEST_CASE("scores agree with what predict answers, summed by hand") {
  const std::size_t n = 37;
  const auto data = small::shared(n, 0.3);
  Model model = make();
  model.fit(data, {.epochs = 2, .batch_size = 10});
  const auto answers = model.predict(data.streams()[0].inputs);
  const auto scores = model.evaluate(data);
  std::array<double, 3> loss{}, right{}, count{};
  const auto& columns = data.streams()[0].columns;
  const auto &kind = columns[0].targets, &flags = columns[1].targets, &place = columns[2].targets;
  for (std::size_t s = 0; s < n; ++s) {
    if (kind.present(s)) {
      loss[0] -= std::log(static_cast<double>(answers.get<"kind">()[s][static_cast<std::size_t>(kind.value(s))]));
      right[0] += answers.get<"kind">().label(s) == static_cast<int>(kind.value(s)) ? 1 : 0;
      count[0] += 1;
    }
    double total = 0;
    for (const float p : answers.get<"kind">()[s]) total += static_cast<double>(p);
    CHECK(total == doctest::Approx(1).epsilon(1e-6));
    for (std::size_t i = 0; i < 3; ++i) {
      const double p = static_cast<double>(answers.get<"flags">()[s][i]);
      CHECK(p > 0);
      CHECK(p < 1);
      if (!flags.present(s, i)) continue;
      const bool yes = flags.value(s, i) > 0.5F;
      loss[1] -= std::log(yes ? p : 1 - p);
      right[1] += (p > 0.5) == yes ? 1 : 0;
      count[1] += 1;
    }
    for (std::size_t i = 0; i < 2; ++i) {
      if (!place.present(s, i)) continue;
      loss[2] += std::pow(static_cast<double>(answers.get<"place">()[s][i] - place.value(s, i)), 2);
      count[2] += 1;
    }
  }
  CHECK(count[0] < n);
  CHECK(scores.get<"kind">().loss == doctest::Approx(loss[0] / count[0]).epsilon(1e-5));
  CHECK(scores.get<"flags">().loss == doctest::Approx(loss[1] / count[1]).epsilon(1e-5));
  CHECK(scores.get<"place">().loss == doctest::Approx(loss[2] / count[2]).epsilon(1e-5));
  CHECK(scores.get<"kind">().accuracy == doctest::Approx(right[0] / count[0]).epsilon(1e-12));
  CHECK(scores.get<"flags">().accuracy == doctest::Approx(right[1] / count[1]).epsilon(1e-12));
  CHECK(scores.get<"place">().rmse == doctest::Approx(std::sqrt(loss[2] / count[2])).epsilon(1e-5));
}

TEST_CASE("a task without labels scores NaN, one with inputs of its own by those") {
  Model model = make();
  const data::DataSet kinds_alone(small::inputs(9), {small::kind(9, 0)});
  const auto scores = model.evaluate(kinds_alone);
  CHECK(scores.get<"kind">().loss > 0);
  for (const double number : {scores.get<"flags">().loss, scores.get<"flags">().accuracy, scores.get<"place">().loss,
                              scores.get<"place">().rmse})
    CHECK(is_nan(number));

  const auto own = small::own(30, 12, 0.2);
  const auto both = model.evaluate(own);
  const auto first = model.evaluate({own.streams()[0].inputs, own.streams()[0].columns});
  const auto second = model.evaluate({own.streams()[1].inputs, own.streams()[1].columns});
  CHECK(both.get<"kind">().loss == first.get<"kind">().loss);
  CHECK(both.get<"flags">().accuracy == second.get<"flags">().accuracy);
  CHECK(both.get<"place">().loss == second.get<"place">().loss);
}

TEST_CASE("predicting one, several and more than a block of samples gives the same answers") {
  Model model = make();
  const auto all = small::inputs(1025);
  const auto answers = model.predict(all);
  CHECK(answers.get<"kind">().size() == 1025);
  // The same bits from -O2 on (backend/cpu_single): below, g++ fuses multiply-adds in one loop and not in the other.
  const auto near = [](const auto& a, const auto& b) {
    for (std::size_t i = 0; i < a.size(); ++i)
      if (!(std::abs(a[i] - b[i]) <= 1e-6f)) return false;
    return a.size() == b.size();
  };
  for (const std::size_t s : std::initializer_list<std::size_t>{0, 1, 63, 64, 1023, 1024}) {
    const auto one = model.predict(all.subset(std::vector<std::size_t>{s}));
    REQUIRE(one.get<"kind">().size() == 1);
    CHECK(near(one.get<"kind">()[0], answers.get<"kind">()[s]));
    CHECK(near(one.get<"flags">()[0], answers.get<"flags">()[s]));
    CHECK(near(one.get<"place">()[0], answers.get<"place">()[s]));
  }
  CHECK_FALSE(small::same_bits(answers.get<"place">()[0], answers.get<"place">()[1024]));
  // Looking does not train, and is not disturbed by training's dropout.
  const auto before = small::copy(model.parameters());
  CHECK(small::same_bits(model.predict(all).get<"place">().values(), answers.get<"place">().values()));
  CHECK(small::same_bits(before, model.parameters()));
  CHECK(model.predict(small::inputs(0)).get<"kind">().size() == 0);
}

TEST_CASE("fitting twice is fitting once for as long") {
  const auto data = small::own(50, 21, 0.2);
  for (const auto sampling : {training::Sampling::together, training::Sampling::proportional}) {
    Model once = make(), twice = make();
    once.fit(data, {.epochs = 4, .batch_size = 8, .sampling = sampling});
    twice.fit(data, {.epochs = 1, .batch_size = 8, .sampling = sampling});
    twice.fit(data, {.epochs = 3, .batch_size = 8, .sampling = sampling});
    CHECK(small::same_bits(once.parameters(), twice.parameters()));
  }
}

TEST_CASE("a copy goes on as the original would, and leaves it alone") {
  const auto data = small::shared(40, 0.2);
  Model model = make();
  model.fit(data, {.epochs = 2, .batch_size = 16});
  Model copy = model, untouched = model;
  copy.fit(data, {.epochs = 2, .batch_size = 16});
  CHECK(small::same_bits(model.parameters(), untouched.parameters()));
  CHECK_FALSE(small::same_bits(model.parameters(), copy.parameters()));
  model.fit(data, {.epochs = 2, .batch_size = 16});
  CHECK(small::same_bits(model.parameters(), copy.parameters()));

  std::vector<Model> models;  // moves them about
  models.push_back(std::move(untouched));
  models.push_back(make(9));
  models.push_back(make(10));
  models[0].fit(data, {.epochs = 2, .batch_size = 16});
  CHECK(small::same_bits(models[0].parameters(), copy.parameters()));
  models[1] = models[0];
  models[2] = std::move(models[0]);
  CHECK(small::same_bits(models[1].parameters(), copy.parameters()));
  CHECK(small::same_bits(models[2].parameters(), copy.parameters()));
  models[1].fit(data, {.batch_size = 16});
  models[2].fit(data, {.batch_size = 16});
  CHECK(small::same_bits(models[1].parameters(), models[2].parameters()));
}

TEST_CASE("the CPU in float stays near Reference in double over 20 steps, dropout included") {
  const auto data = small::shared(100, 0.2);
  Model fast = make();
  Exact exact{{.optimizer = {.learning_rate = 0.1, .momentum = 0.9}, .seed = 1}};
  CHECK(small::distance(fast.parameters(), exact.parameters()) < 1e-7);
  const auto before = small::copy(exact.parameters());
  fast.fit(data, {.epochs = 4, .batch_size = 20});
  exact.fit(data, {.epochs = 4, .batch_size = 20});
  CHECK(small::distance(before, exact.parameters()) > 0.1);
  CHECK(small::distance(fast.parameters(), exact.parameters()) < 1e-5);
  CHECK(small::distance(fast.evaluate(data).losses(), exact.evaluate(data).losses()) < 1e-5);
}

TEST_CASE("Hard with one task is Single with one task") {
  using One = Tasks<Regression<"place", 2>>;
  using Smooth = small::Trunk;
  const data::DataSet data(small::inputs(40), {small::place(40, 0.2)});
  const auto trained = [&](auto model, const std::vector<double>& from) {
    std::copy(from.begin(), from.end(), model.parameters().begin());
    model.fit(data, {.epochs = 3, .batch_size = 16});
    return small::copy(model.parameters());
  };
  const std::size_t numbers = 4 * 5 + 5 + 5 * 2 + 2;
  const auto floats = small::numbers(numbers, 3);
  const std::vector<double> from(floats.begin(), floats.end());
  const auto hard = trained(MultiTask<Input<4>, One, sharing::Hard<Smooth>, backend::Reference>{{.seed = 4}}, from);
  const auto single = trained(MultiTask<Input<4>, One, sharing::Single<Smooth>, backend::Reference>{{.seed = 4}}, from);
  CHECK(hard != from);
  CHECK(small::same_bits(hard, single));
}

TEST_CASE("it learns") {
  // The class is the sign of the first number, with room between.
  auto x = small::numbers(4 * 200, 1);
  std::vector<int> labels(200);
  for (std::size_t i = 0; i < 200; ++i) {
    labels[i] = x[4 * i] > 0 ? 2 : 0;
    x[4 * i] += x[4 * i] > 0 ? 0.5F : -0.5F;
  }
  const data::DataSet data(data::Inputs(small::shape, x),
                           {{"kind", data::Targets::classes(labels)}, small::flags(200, 0.9), small::place(200, 0.9)});
  Model model = make();
  CHECK(model.evaluate(data).get<"kind">().accuracy < 0.9);
  model.fit(data, {.epochs = 10, .batch_size = 20});
  CHECK(model.evaluate(data).get<"kind">().accuracy > 0.97);
  CHECK(model.evaluate(data).get<"kind">().loss < 0.2);
}

TEST_CASE("mistakes in data and options are named") {
  Model model = make();
  const auto before = small::copy(model.parameters());
  const auto good = small::shared(8);
  CHECK_THROWS_WITH_AS(model.fit(good, {.batch_size = 0}), "mtlx: the batch size must be at least 1, and is 0", Error);
  CHECK_THROWS_WITH_AS(model.fit({small::inputs(8), {small::kind(8, 0), small::place(8, 0)}}),
                       "mtlx: the data set has no targets for the task \"flags\"", Error);
  CHECK_THROWS_WITH_AS(model.fit(small::shared(8, 0, 0, Shape{5})),
                       "mtlx: the data set's inputs are 5, and the model takes 4", Error);
  CHECK_THROWS_WITH_AS(model.evaluate({small::inputs(2), {{"colour", data::Targets::values(1, {1, 2})}}}),
                       "mtlx: the data set has targets for a task \"colour\" that the model does not have", Error);
  CHECK_THROWS_WITH_AS(model.evaluate({}), "mtlx: the data set has no samples", Error);
  CHECK_THROWS_WITH_AS(model.predict(small::inputs(3, 0, Shape{1, 2, 2})),
                       "mtlx: predict: the inputs are 1 x 2 x 2, and the model takes 4", Error);
  const data::DataSet wrong_label(small::inputs(2), {{"kind", data::Targets::classes(std::vector<int>{1, 7})}});
  CHECK_THROWS_WITH_AS(model.evaluate(wrong_label),
                       "mtlx: the task \"kind\" takes whole numbers from 0 to the number of classes less 1, and row 1 "
                       "has 7",
                       Error);
  CHECK_THROWS_WITH_AS(Model({.backend = {.threads = -2}}),
                       "mtlx: the number of threads must be 0 (all cores) or more, and is -2", Error);
  CHECK(small::same_bits(before, model.parameters()));
}

TEST_CASE("a loss that is not finite stops training with the parameters of the step before") {
  struct Last : training::Observer {
    Model* model = nullptr;
    std::vector<float> parameters;
    void on_step(const training::Step&) override { parameters = small::copy(model->parameters()); }
  } last;
  const auto data = small::shared(40);
  Model model{{.optimizer = {.learning_rate = 1e25}, .backend = {.threads = 2}}};
  last.model = &model;
  std::string said;
  try {
    model.fit(data, {.epochs = 50, .batch_size = 20, .observers = {&last}});
  } catch (const Error& error) {
    said = error.what();
  }
  CHECK(said.find("mtlx: the loss of the task \"place\" is not finite in epoch 1, step 2;") == 0);
  CHECK(small::same_bits(last.parameters, model.parameters()));

  Model poisoned = make();
  poisoned.parameters()[0] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_WITH_AS(poisoned.fit(data),
                       "mtlx: the loss of the task \"kind\" is not finite in epoch 1, step 1; training stops before "
                       "the update (a smaller learning rate may help)",
                       Error);
}
