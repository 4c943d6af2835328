// SPDX-License-Identifier: MIT
// Policies and tasks as a user writes them.
#include <mtlx/balancing/pc_grad.hpp>
#include <mtlx/optim/sgd.hpp>
#include <mtlx/training/multi_task.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <vector>

#include "small.hpp"

using namespace mtlx;
using balancing::Needs;

using balancing::Problem;

namespace {

using Hard = sharing::Hard<small::Trunk>;
template <class... Policies>
using Model = MultiTask<Input<4>, small::Kinds, Hard, backend::Reference, Policies...>;

// Turn about: each present task in turn is the only one that counts.
struct TurnAbout {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::nothing;
  struct State {
    std::size_t calls = 0;
  };
  double weight = 1;
  void weights(const Problem& problem, State& state, std::span<double> w) const {
    CHECK(problem.losses.empty());
    CHECK(problem.gram.empty());
    CHECK(w.size() == problem.tasks.count());
    for (std::size_t t = 0; t < w.size(); ++t) w[t] = state.calls % w.size() == t ? weight : 0;
    ++state.calls;
  }
};

// Every weighted loss is 1.
struct Inverse {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::losses;
  void weights(const Problem& problem, NoState&, std::span<double> w) const {
    CHECK(problem.gram.empty());
    CHECK(problem.losses.size() == w.size());
    for (std::size_t t = 0; t < w.size(); ++t) w[t] = 1 / problem.losses[t];
  }
};

// Every task's gradient on the shared parameters has length 1.
struct UnitLength {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::gradients;
  void weights(const Problem& problem, NoState&, std::span<double> w) const {
    CHECK(problem.losses.size() == w.size());
    for (std::size_t t = 0; t < w.size(); ++t) w[t] = 1 / std::sqrt(problem.g(t, t));
  }
};

struct Descent {
  static constexpr auto kind = Kind::optimizer;
  static constexpr std::size_t states = 0;
  double learning_rate = 1e-2;
  auto rule(const optim::Now&) const {
    return [rate = learning_rate](auto& parameter, auto gradient, auto&) {
      parameter -= decltype(gradient)(rate) * gradient;
    };
  }
};

struct Groups {
  static constexpr auto kind = Kind::grouping;
  std::vector<grouping::Group> groups;
  std::vector<grouping::Group> plan(std::size_t) const { return groups; }
};

struct Steps : training::Observer {
  std::vector<std::vector<double>> losses, weights;
  std::vector<TaskSet> present, members;
  void on_begin(const training::Run& run) override { members.push_back(run.members); }
  void on_step(const training::Step& step) override {
    losses.push_back(small::copy(step.losses));
    weights.push_back(small::copy(step.weights));
    present.push_back(step.present);
  }
};

template <class M>
std::vector<double> segment(const M& model, std::size_t s, std::size_t network = 0) {
  const Segment& part = M::Network::segments[s];
  return small::copy(model.parameters(network).subspan(part.offset, part.size));
}

}  // namespace

TEST_CASE("a balancer that needs nothing: its weights are its losses', its state its own") {
  const auto data = small::shared(12);
  Model<TurnAbout, Descent> model{{.balancer = {.weight = 2}, .optimizer = {.learning_rate = 0.1}}};
  Model<Descent> plain{{.optimizer = {.learning_rate = 0.2}}};
  Steps steps;
  const auto head = segment(model, 1);
  plain.fit(data);
  model.fit(data, {.observers = {&steps}});
  // Twice the weight is twice the rate.
  CHECK(small::distance(segment(model, 1), segment(plain, 1)) < 1e-14);
  CHECK(segment(model, 1) != head);
  CHECK(segment(model, 0) != segment(plain, 0));
  const auto trained = segment(model, 1), second = segment(model, 2);
  model.fit(data, {.observers = {&steps}});
  CHECK(segment(model, 1) == trained);
  CHECK(segment(model, 2) != second);
  CHECK(steps.weights == std::vector<std::vector<double>>{{2, 0, 0}, {0, 2, 0}});
}

TEST_CASE("a balancer that needs losses gets this batch's, of the present tasks") {
  const auto data = small::own(20, 9);
  Model<Inverse, Descent> model;
  Steps steps;
  model.fit(data, {.batch_size = 5, .sampling = training::Sampling::round_robin, .observers = {&steps}});
  REQUIRE(steps.losses.size() == 6);
  for (std::size_t i = 0; i < 6; ++i)
    for (std::size_t t = 0; t < 3; ++t)
      CHECK(steps.losses[i][t] * steps.weights[i][t] ==
            doctest::Approx(steps.present[i].has(t) ? 1 : 0).epsilon(1e-14));
}

TEST_CASE("a balancer that needs gradients weighs them on the shared parameters alone") {
  const auto data = small::shared(12);
  Model<UnitLength, Descent> model{{.optimizer = {.learning_rate = 1}}};
  const auto trunk = segment(model, 0);
  std::vector<double> expected = trunk;
  // The tasks' own gradients, from a model where one alone counts.
  for (std::size_t turn = 0; turn < 3; ++turn) {
    data::DataSet one(data.streams()[0].inputs, {data.streams()[0].columns[turn]});
    training::Learner<Model<>::Network, small::Kinds, balancing::EqualWeights, Descent, backend::Reference> alone(
        TaskSet::only(turn), 0, 0, {}, {.learning_rate = 1});
    backend::Reference backend;
    alone.step(backend, {one, small::shape, {}}, small::Batch(one).parts(), {});
    double square = 0;
    for (std::size_t i = 0; i < trunk.size(); ++i) square += std::pow(trunk[i] - alone.parameters()[i], 2);
    for (std::size_t i = 0; i < trunk.size(); ++i)
      expected[i] -= (trunk[i] - alone.parameters()[i]) / std::sqrt(square);
  }
  Model<Descent> plain{{.optimizer = {.learning_rate = 1}}};
  model.fit(data, {.shuffle = false});
  plain.fit(data, {.shuffle = false});
  CHECK(small::distance(segment(model, 0), expected) < 1e-13);
  for (std::size_t s = 1; s < 4; ++s) CHECK(small::distance(segment(model, s), segment(plain, s)) < 1e-14);
}

TEST_CASE("a balancer is not asked about a batch without labels") {
  data::DataSet data(small::inputs(4), {small::kind(4, 0), small::flags(4, 0), small::place(4, 0)});
  data.add(small::inputs(4, 3), {{"kind", data::Targets::classes(std::vector<int>(4, data::missing_label))}});
  Model<TurnAbout, Descent> model;
  Steps steps;
  model.fit(data, {.epochs = 3, .batch_size = 4, .sampling = training::Sampling::round_robin, .observers = {&steps}});
  std::size_t turn = 0;
  for (std::size_t i = 0; i < steps.present.size(); ++i) {
    if (steps.present[i].empty()) {
      CHECK(steps.weights[i] == std::vector<double>{0, 0, 0});
      continue;
    }
    CHECK(steps.weights[i][turn++] == 1);
  }
  CHECK(turn == 3);
}

TEST_CASE("the smallest optimizer descends as Sgd does") {
  const auto data = small::shared(30, 0.2);
  Model<Descent> mine{{.optimizer = {.learning_rate = 0.1}}};
  Model<optim::Sgd> ours{{.optimizer = {.learning_rate = 0.1}}};
  mine.fit(data, {.epochs = 3, .batch_size = 8});
  ours.fit(data, {.epochs = 3, .batch_size = 8});
  CHECK(small::same_bits(mine.parameters(), ours.parameters()));
}

TEST_CASE("each task alone in a group is each task trained on its own") {
  using Grouped = Model<Groups, Descent>;
  const TaskSet a = TaskSet::only(0), b = TaskSet::only(1), c = TaskSet::only(2);
  const auto data = small::shared(30, 0.2);
  Grouped model{{.optimizer = {.learning_rate = 0.1}, .grouping = {{{a, a}, {b, b}, {c, c}}}}};
  CHECK(model.parameter_count() == 3 * Grouped::Network::parameters);
  CHECK(model.summary().networks == 3);
  std::vector<std::vector<double>> expected;
  for (std::size_t t = 0; t < 3; ++t) {
    // All tasks' labels but this one's are missing.
    auto columns = data.streams()[0].columns;
    for (std::size_t other = 0; other < 3; ++other) {
      if (other == t) continue;
      const std::size_t width = columns[other].targets.width();
      columns[other].targets = data::Targets::values(width, std::vector<float>(30 * width, small::nan));
    }
    Model<Descent> alone{{.optimizer = {.learning_rate = 0.1}}};
    std::copy(model.parameters(t).begin(), model.parameters(t).end(), alone.parameters().begin());
    alone.fit({data.streams()[0].inputs, columns}, {.epochs = 2, .batch_size = 8});
    expected.push_back(small::copy(alone.parameters()));
    const auto answers = alone.predict(data.streams()[0].inputs);
    const std::array values{answers.get<0>().values(), answers.get<1>().values(), answers.get<2>().values()};
    expected.emplace_back(values[t].begin(), values[t].end());
  }
  Steps steps;
  model.fit(data, {.epochs = 2, .batch_size = 8, .observers = {&steps}});
  CHECK(steps.members == std::vector<TaskSet>{a, b, c});
  const auto answers = model.predict(data.streams()[0].inputs);
  for (std::size_t t = 0; t < 3; ++t) CHECK(small::same_bits(model.parameters(t), expected[2 * t]));
  CHECK(small::distance(answers.get<0>().values(), expected[1]) == 0);
  CHECK(small::distance(answers.get<1>().values(), expected[3]) == 0);
  CHECK(small::distance(answers.get<2>().values(), expected[5]) == 0);

  // Streams of their own: each group is dealt what has labels for it.
  const auto own = small::own(20, 9);
  Steps of_own;
  model.fit(own, {.batch_size = 10, .observers = {&of_own}});
  CHECK(of_own.losses.size() == 2 + 1 + 1);

  // Overlapping groups: a task trains in both, and is predicted from the one that serves it.
  Grouped overlapping{{.grouping = {{{a | b, a}, {a | b | c, b | c}}}}};
  Steps both;
  overlapping.fit(data, {.batch_size = 30, .observers = {&both}});
  CHECK(both.present == std::vector<TaskSet>{a | b, a | b | c});
  const auto before = overlapping.evaluate(data);
  overlapping.parameters(1)[0] += 1;
  const auto after = overlapping.evaluate(data);
  CHECK(after.get<0>().loss == before.get<0>().loss);
  CHECK(after.get<1>().loss != before.get<1>().loss);
  CHECK(after.get<2>().loss != before.get<2>().loss);

  // A model whose grouping was never given has no group for its tasks.
  CHECK_THROWS_WITH_AS(Grouped(), "mtlx: grouping: 0 of 3 tasks are served by a group; every task must be", Error);
  CHECK_THROWS_WITH_AS(Grouped({.grouping = {{{a | b | c, a | b | c}, {c, c}}}}),
                       "mtlx: grouping: group 1 serves a task that another group serves", Error);
}

namespace {

// Counts with a Poisson loss: l = e^z - t z, judged by the mean absolute error of the rate.
struct PoissonLoss {
  static constexpr int targets(int) { return 1; }
  template <int Outputs>
  static auto evaluate(const auto& s) {
    using Number = typename std::remove_cvref_t<decltype(s)>::Number;
    const auto there = s.present[0] > Number(0);
    const Number rate = exponential(Number(s.z[0]));
    s.dz[0] = select(there, s.scale * (rate - s.target[0]), Number(0));
    return select(there, rate - s.target[0] * s.z[0], Number(0));
  }
};
class RateError {
 public:
  static constexpr std::string_view name = "rate_error";
  static constexpr bool higher_is_better = false;
  static constexpr int targets(int) { return 1; }
  struct Value {
    double rate_error = 0;
  };
  void add(std::span<const float> z, std::span<const float> target, std::span<const unsigned char> present) {
    if (present[0] != 0) errors_.add(std::abs(std::exp(static_cast<double>(z[0])) - static_cast<double>(target[0])));
  }
  double value() const { return errors_.value(); }

 private:
  nn::Mean errors_;
};
struct Count {
  static constexpr auto name = Name("count");
  static constexpr int outputs = 1;
  using Loss = PoissonLoss;
  using Metric = RateError;
  static constexpr std::string_view targets_are = "counts from 0";
  static constexpr bool accepts(float target) { return target >= 0; }
  struct Prediction : Answers<1> {
    explicit Prediction(std::vector<float> z) : Answers<1>(std::move(z)) {
      for (float& x : values_) x = std::exp(x);
    }
  };
};

}  // namespace

TEST_CASE("a task of one's own trains beside the library's") {
  using Mixed = MultiTask<Input<4>, Tasks<Regression<"place", 2>, Count>, Hard, backend::Cpu<float>>;
  auto counts = small::numbers(60, 3);
  for (float& count : counts) count = count > 0 ? 5.0F : 1.0F;
  // What decides the count can be seen in the inputs.
  auto x = small::numbers(240, 5);
  for (std::size_t i = 0; i < 60; ++i) x[4 * i] = counts[i] - 3;
  const data::DataSet data(data::Inputs(small::shape, x),
                           {small::place(60, 0.2), {"count", data::Targets::values(1, counts)}});
  Mixed model{{.optimizer = {.learning_rate = 0.02}, .backend = {.threads = 1}}};
  const auto before = model.evaluate(data).get<"count">();
  model.fit(data, {.epochs = 60, .batch_size = 20});
  const auto scores = model.evaluate(data);
  CHECK(scores.get<"count">().loss < before.loss);
  CHECK(scores.get<"count">().rate_error < 0.5);
  CHECK(scores.value("count", "rate_error") == scores.get<"count">().rate_error);
  const auto answers = model.predict(data.streams()[0].inputs);
  CHECK(std::abs(answers.get<"count">()[0][0] - counts[0]) < 1.5F);
  counts[7] = -2;
  CHECK_THROWS_WITH_AS(model.evaluate({data.streams()[0].inputs, {{"count", data::Targets::values(1, counts)}}}),
                       "mtlx: the task \"count\" takes counts from 0, and row 7 has -2", Error);
}
