// SPDX-License-Identifier: MIT
// What training tells an optimizer, and models whose optimizer is scheduled, clipped and averaged.
#include <mtlx/balancing/pc_grad.hpp>
#include <mtlx/optim/adam_w.hpp>
#include <mtlx/optim/averaged.hpp>
#include <mtlx/optim/clipped.hpp>
#include <mtlx/optim/schedule.hpp>
#include <mtlx/optim/sgd.hpp>
#include <mtlx/training/multi_task.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "data/temporary.hpp"
#include "small.hpp"
#include "support/allocation_counter.hpp"

using namespace mtlx;

namespace {

struct Log {
  std::vector<optim::Now> now;
  std::vector<int> epochs;
  std::vector<double> squares, observed;
};

// Plain descent that writes down what it is told, and the gradients' squares, rule by rule.
struct Recorder {
  static constexpr auto kind = Kind::optimizer;
  static constexpr std::size_t states = 0;
  static constexpr bool needs_norm = true;
  struct State {
    int epochs = 0;
  };
  Log* log = nullptr;
  auto rule(const optim::Now& now, const State& state) const {
    log->now.push_back(now);
    log->epochs.push_back(state.epochs);
    log->squares.push_back(0);
    return [log = log](auto& parameter, auto gradient, auto&) {
      log->squares.back() += gradient * gradient;
      parameter -= 0.1 * gradient;
    };
  }
  void observe(State& state, double loss) const {
    log->observed.push_back(loss);
    ++state.epochs;
  }
};

struct Groups {
  static constexpr auto kind = Kind::grouping;
  std::vector<grouping::Group> groups;
  std::vector<grouping::Group> plan(std::size_t) const { return groups; }
};

class Losses : public training::Observer {
 public:
  void on_epoch(const training::Epoch& epoch) override {
    training.push_back(small::copy(epoch.losses));
    validation.push_back(small::copy(epoch.validation_losses));
  }
  std::vector<std::vector<double>> training, validation;
};

using Hard = sharing::Hard<small::Trunk>;
template <class... Policies>
using Recorded = MultiTask<Input<4>, small::Kinds, Hard, backend::Reference, Recorder, Policies...>;

// More parameters than one job of a norm or an update covers.
constexpr Shape wide{2200};
using Everything =
    optim::Scheduled<optim::Clipped<optim::Averaged<optim::AdamW>>, optim::WarmUp<optim::ReduceOnPlateau>>;
using Wide = MultiTask<Input<2200>, small::Kinds, sharing::Hard<nn::Sequential<nn::Dense<4>, nn::Tanh>>, Everything>;
const Everything options{
    .optimizer = {.optimizer = {.optimizer = {.learning_rate = 1e-2}, .decay = 0.75}, .norm = 0.5, .value = 0.05},
    .schedule = {.epochs = 1.5, .next = {.factor = 0.5, .patience = 0, .threshold = 0.5}}};

}  // namespace

TEST_CASE("an optimizer is told the time of the whole training") {
  const auto data = small::shared(10);
  Log log;
  Recorded<> model{{.optimizer = {&log}}};
  model.fit(data, {.epochs = 2, .batch_size = 4});
  model.fit(data, {.epochs = 1, .batch_size = 5});
  // Four segments, the trunk's and three heads'; 2 x 3 and 2 steps.
  REQUIRE(log.now.size() == 4 * 8);
  for (std::size_t i = 0; i < log.now.size(); ++i) {
    const optim::Now& now = log.now[i];
    const std::size_t step = i / 4;
    CHECK(now.step == step + 1);
    CHECK(now.epochs == (step < 6 ? 2 : 3));
    CHECK(now.steps_per_epoch == (step < 6 ? 3 : 2));
    CHECK(log.epochs[i] == (step < 3 ? 0 : step < 6 ? 1 : 2));
    CHECK(now.epoch == doctest::Approx(step < 6 ? static_cast<double>(step) / 3 : 2 + static_cast<double>(step - 6) / 2)
                           .epsilon(1e-15));
  }
}

TEST_CASE("a segment's steps are its own, where tasks take turns") {
  const auto data = small::own(20, 10);
  Log log;
  Recorded<> model{{.optimizer = {&log}}};
  model.fit(data, {.batch_size = 10, .sampling = training::Sampling::round_robin});
  std::uint64_t trunk = 0, most = 0;
  for (const optim::Now& now : log.now) {
    trunk = std::max(trunk, now.step);
    most += now.step == 1 ? 1 : 0;
    CHECK(now.steps_per_epoch == 3);
  }
  CHECK(trunk == 3);
  CHECK(most == 4);
}

TEST_CASE_TEMPLATE("the norm is the length of the direction on the segments that move", Balancing,
                   balancing::EqualWeights, balancing::PcGrad) {
  const auto data = small::own(20, 10);
  Log log;
  Recorded<Balancing> model{{.optimizer = {&log}}};
  model.fit(data, {.batch_size = 10, .sampling = training::Sampling::round_robin});
  for (std::size_t i = 0; i < log.now.size();) {
    double squares = 0;
    const double norm = log.now[i].gradient_norm, epoch = log.now[i].epoch;
    for (; i < log.now.size() && log.now[i].epoch == epoch; ++i) {
      squares += log.squares[i];
      CHECK(log.now[i].gradient_norm == norm);
    }
    CHECK(norm > 0);
    CHECK(norm == doctest::Approx(std::sqrt(squares)).epsilon(1e-13));
  }
}

TEST_CASE("an optimizer is told an epoch's mean validation loss, or its training loss") {
  const auto data = small::shared(12), held_out = small::shared(8, 0, 3);
  Log log;
  Losses losses;
  Recorded<> model{{.optimizer = {&log}}};
  model.fit(data, {.epochs = 2, .batch_size = 6, .validation = &held_out, .observers = {&losses}});
  model.fit(data, {.batch_size = 6, .observers = {&losses}});
  const auto mean = [](const std::vector<double>& three) { return (three[0] + three[1] + three[2]) / 3; };
  REQUIRE(log.observed.size() == 3);
  CHECK(log.observed[0] == doctest::Approx(mean(losses.validation[0])).epsilon(1e-15));
  CHECK(log.observed[1] == doctest::Approx(mean(losses.validation[1])).epsilon(1e-15));
  CHECK(log.observed[2] == doctest::Approx(mean(losses.training[2])).epsilon(1e-15));

  // Tasks without validation labels don't count; without any, no number is known.
  const data::DataSet one(held_out.streams()[0].inputs, {small::place(8, 0, 3)});
  const data::DataSet none(held_out.streams()[0].inputs,
                           {{"place", data::Targets::values(2, std::vector<float>(16, small::nan))}});
  model.fit(data, {.validation = &one, .observers = {&losses}});
  model.fit(data, {.validation = &none, .observers = {&losses}});
  CHECK(log.observed[3] == losses.validation[3][2]);
  CHECK(is_nan(log.observed[4]));
}

TEST_CASE("in a group, the tasks that the network serves are judged") {
  const auto data = small::shared(12);
  const TaskSet a = TaskSet::only(0), b = TaskSet::only(1), c = TaskSet::only(2);
  Log log;
  Losses losses;
  Recorded<Groups> model{{.optimizer = {&log}, .grouping = {{{a | b, a}, {b | c, b | c}}}}};
  model.fit(data, {.validation = &data, .observers = {&losses}});
  REQUIRE(log.observed.size() == 2);
  CHECK(log.observed[0] == losses.validation[0][0]);
  CHECK(log.observed[1] == doctest::Approx((losses.validation[1][1] + losses.validation[1][2]) / 2).epsilon(1e-15));
}

TEST_CASE("the average of the weights is a model of its own") {
  using Model = MultiTask<Input<4>, small::Kinds, Hard, backend::Reference, optim::Averaged<optim::Sgd>>;
  class Average : public training::Observer {
   public:
    explicit Average(const Model& model) : model_(model) {}
    void on_step(const training::Step&) override {
      const auto now = model_.parameters();
      if (average.empty())
        average = small::copy(now);
      else
        for (std::size_t i = 0; i < average.size(); ++i) average[i] = 0.75 * average[i] + 0.25 * now[i];
    }
    std::vector<double> average;

   private:
    const Model& model_;
  };
  // Nothing has a label for "flags": its head never steps.
  const data::DataSet data(small::inputs(12),
                           {small::kind(12, 0),
                            small::place(12, 0),
                            {"flags", data::Targets::values(3, std::vector<float>(36, small::nan))}});
  Model model{{.optimizer = {.optimizer = {.learning_rate = 0.1}, .decay = 0.75}}};
  CHECK(small::same_bits(model.averaged().parameters(), model.parameters()));
  Average expected(model);
  model.fit(data, {.epochs = 3, .batch_size = 4, .observers = {&expected}});
  const auto weights = small::copy(model.parameters());
  Model averaged = model.averaged();
  CHECK(small::distance(averaged.parameters(), expected.average) < 1e-14);
  CHECK(small::distance(averaged.parameters(), weights) > 1e-4);
  CHECK(small::same_bits(model.parameters(), weights));
  const Segment& flags = Model::Network::segments[2];
  CHECK(small::same_bits(averaged.parameters().subspan(flags.offset, flags.size),
                         model.parameters().subspan(flags.offset, flags.size)));
  CHECK(averaged.evaluate(data).get<"kind">().loss != model.evaluate(data).get<"kind">().loss);
}

TEST_CASE("scheduled, clipped and averaged: the same bits for 1, 2 and 3 threads") {
  const auto data = small::shared(70, 0.3, 0, wide), held_out = small::shared(20, 0, 1, wide);
  const auto trained = [&](int threads) {
    Wide model{{.optimizer = options, .backend = {.threads = threads}, .seed = 5}};
    model.fit(data, {.epochs = 4, .batch_size = 17, .validation = &held_out});
    return std::vector<std::vector<float>>{small::copy(model.parameters()), small::copy(model.averaged().parameters())};
  };
  const auto one = trained(1);
  for (const int threads : {1, 2, 3}) {
    const auto found = trained(threads);
    CHECK(small::same_bits(one[0], found[0]));
    CHECK(small::same_bits(one[1], found[1]));
  }
  CHECK_FALSE(small::same_bits(one[0], one[1]));
}

TEST_CASE("scheduled, clipped and averaged: it learns, and allocates nothing after the first step") {
  class Counter : public training::Observer {
   public:
    Counter() { counts.reserve(100); }
    void on_step(const training::Step&) override { counts.push_back(support::allocations()); }
    std::vector<std::size_t> counts;
  };
  const auto data = small::shared(70, 0.3, 0, wide);
  Wide model{{.optimizer = options, .backend = {.threads = 2}}};
  const auto before = model.evaluate(data).get<"kind">().loss;
  Counter counter;
  model.fit(data, {.epochs = 8, .batch_size = 17, .observers = {&counter}});
  REQUIRE(counter.counts.size() == 40);
  CHECK(counter.counts.back() == counter.counts.front());
  CHECK(model.evaluate(data).get<"kind">().loss < before);
  CHECK(model.averaged().evaluate(data).get<"kind">().loss < before);
}

TEST_CASE("scheduled, clipped and averaged: a loaded model goes on to the bit") {
  const auto data = small::shared(30, 0.3, 0, wide), held_out = small::shared(10, 0, 1, wide);
  const Temporary folder;
  Wide model{{.optimizer = options, .backend = {.threads = 1}}}, loaded = model;
  model.fit(data, {.epochs = 4, .batch_size = 17, .validation = &held_out});
  model.save(folder.path() + "/model");
  loaded.load(folder.path() + "/model");
  CHECK(small::same_bits(loaded.averaged().parameters(), model.averaged().parameters()));
  for (Wide* each : {&model, &loaded}) each->fit(data, {.epochs = 3, .batch_size = 17, .validation = &held_out});
  CHECK(small::same_bits(loaded.parameters(), model.parameters()));
  CHECK(small::same_bits(loaded.averaged().parameters(), model.averaged().parameters()));
}

TEST_CASE("a model refuses options out of range") {
  CHECK_THROWS_WITH_AS((Wide{{.optimizer = {.schedule = {.epochs = -1}}}}),
                       "mtlx: WarmUp: epochs must be a number of at least 0, and is -1", Error);
  CHECK_THROWS_WITH_AS((Wide{{.optimizer = {.optimizer = {.optimizer = {.optimizer = {.learning_rate = -1}}}}}}),
                       "mtlx: AdamW: learning_rate must be a number of at least 0, and is -1", Error);
}
