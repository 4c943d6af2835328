// SPDX-License-Identifier: MIT
#include <mtlx/balancing/equal_weights.hpp>
#include <mtlx/balancing/on_representation.hpp>
#include <mtlx/balancing/pc_grad.hpp>
#include <mtlx/grouping/affinity/corrected.hpp>
#include <mtlx/grouping/affinity/cosine.hpp>
#include <mtlx/grouping/affinity/first_order.hpp>
#include <mtlx/grouping/affinity/lookahead.hpp>
#include <mtlx/nn/dropout.hpp>
#include <mtlx/optim/adam.hpp>
#include <mtlx/optim/adam_w.hpp>
#include <mtlx/optim/clipped.hpp>
#include <mtlx/optim/sgd.hpp>
#include <mtlx/sharing/hierarchical.hpp>
#include <mtlx/sharing/random_masks.hpp>
#include <mtlx/sharing/sparse.hpp>
#include <mtlx/training/affinity.hpp>
#include <mtlx/training/multi_task.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <functional>

#include "small.hpp"

using namespace mtlx;
using grouping::Evaluation;
using grouping::StepKind;
using Session = training::ProbeSession<double>;
using Parameters = std::span<double>;

namespace {

using Trunk = nn::Sequential<nn::Dense<6>, nn::Dropout<30>, nn::Tanh>;
template <class Sharing, class Balancing, class Optimizing>
using ModelOf = MultiTask<Input<4>, small::Kinds, Sharing, Balancing, Optimizing, backend::Cpu<double>>;
// Gradients of each task are there, and an optimizer with a memory.
using Rows = ModelOf<sharing::Hard<Trunk>, balancing::PcGrad, optim::Adam>;
// They must be found.
using AtRepresentation = ModelOf<sharing::Hard<Trunk>, balancing::OnRepresentation<balancing::PcGrad>, optim::Adam>;
// Parts of the trunk belong to some tasks alone.
using Levels = ModelOf<sharing::Hierarchical<sharing::Level<nn::Sequential<nn::Dense<6>, nn::Tanh>, "kind">,
                                             sharing::Level<nn::Sequential<nn::Dense<5>, nn::Tanh>, "flags", "place">>,
                       balancing::EqualWeights, optim::AdamW>;
// Each task owns some of the weights, and the optimizer asks for the gradient's norm.
using Masked = ModelOf<sharing::Sparse<nn::Sequential<nn::Dense<6>, nn::Tanh>, sharing::RandomMasks>,
                       balancing::EqualWeights, optim::Clipped<optim::Sgd>>;

// A watch and a probe that ask what a test wants to know.
struct Ask final : grouping::Watch {
  std::function<void(grouping::Moment&)> question;
  Evaluation on = Evaluation::same_batch;
  StepKind steps = StepKind::optimizer;
  std::size_t first = 0;
  int looks = 0;

  Evaluation evaluation() const override { return on; }
  StepKind step_kind() const override { return steps; }
  bool wants(std::size_t step) const override { return step >= first; }
  void look(grouping::Moment& moment) override {
    ++looks;
    question(moment);
  }
};
struct Shown final : training::Probe<double> {
  explicit Shown(training::AffinityProbe<double>& probe) : inner(probe) {}
  training::AffinityProbe<double>& inner;
  Session* session = nullptr;

  bool wants(const training::Step& step) override { return inner.wants(step); }
  void look(Session& now) override {
    session = &now;
    inner.look(now);
  }
};

// The first samples of some data, as one batch of which task t alone has labels.
data::DataSet only(const data::DataSet& data, std::size_t t) {
  const data::Stream& stream = data.streams()[0];
  std::vector<data::Column> columns = stream.columns;
  for (std::size_t u = 0; u < columns.size(); ++u)
    if (u != t) {
      const std::size_t width = columns[u].targets.width();
      columns[u].targets =
          u == 0 ? data::Targets::classes(std::vector<int>(stream.inputs.size(), data::missing_label))
                 : data::Targets::values(width, std::vector<float>(width * stream.inputs.size(), small::nan));
    }
  return {stream.inputs, columns};
}
std::vector<double> amounts_of(std::size_t t, double amount = 1) {
  std::vector<double> amounts(3);
  amounts[t] = amount;
  return amounts;
}

// A task's step is the one that a copy makes of the shared parameters in a step on that task alone; first order is the slope
// of the losses along it; and nothing of it leaves a trace.
template <class Model>
void check_steps(const typename Model::Options& options) {
  const auto data = small::shared(37, 0.2), held_out = small::shared(21, 0.3, 5);
  Model plain(options);
  plain.fit(data, {.epochs = 4, .batch_size = 64, .shuffle = false});
  for (const Evaluation on : {Evaluation::same_batch, Evaluation::held_out})
    for (const StepKind kind : {StepKind::optimizer, StepKind::gradient}) {
      CAPTURE(static_cast<int>(on));
      CAPTURE(static_cast<int>(kind));
      Model model(options);
      Ask ask;
      ask.on = on, ask.steps = kind, ask.first = 2;
      training::AffinityProbe<double> probe(ask, &held_out, 20);
      Shown shown(probe);
      ask.question = [&](grouping::Moment& moment) {
        CHECK(moment.step() == static_cast<std::size_t>(ask.looks) + 1);
        CHECK(moment.present() == TaskSet::first(3));
        const auto parameters = small::copy(shown.session->parameters());
        const std::size_t shared = shown.session->shared();
        const auto losses = small::copy(moment.losses());
        if (on == Evaluation::same_batch) CHECK(small::same_bits(losses, shown.session->step().losses));
        CHECK(small::same_bits(moment.losses_after(std::vector<double>(3)), losses));
        for (std::size_t t = 0; t < 3; ++t) {
          const auto after = small::copy(moment.losses_after(amounts_of(t)));
          if (kind == StepKind::optimizer) {
            Model copy = model;
            copy.fit(only(data, t), {.batch_size = 64, .shuffle = false});
            bool moved = false;
            const auto there = shown.session->losses_at([&](Parameters p) {
              for (std::size_t i = 0; i < shared; ++i) {
                moved = moved || p[i] != copy.parameters()[i];
                p[i] = copy.parameters()[i];
              }
            });
            CHECK(moved);
            CHECK(small::distance(there, after) < 1e-13);
          }
          CHECK(after != losses);
          constexpr double little = 1e-3;
          const auto back = small::copy(moment.losses_after(amounts_of(t, -little)));
          const auto ahead = small::copy(moment.losses_after(amounts_of(t, little)));
          for (std::size_t j = 0; j < 3; ++j) {
            const double slope = (back[j] - ahead[j]) / (2 * little);
            CHECK(moment.fall(j, t) == doctest::Approx(slope).epsilon(1e-4).scale(1e-4));
            if (on == Evaluation::same_batch) CHECK(moment.batch_fall(j, t) == moment.fall(j, t));
          }
        }
        if (kind == StepKind::gradient)
          for (std::size_t t = 0; t < 3; ++t) CHECK(moment.batch_fall(t, t) > 0);
        CHECK(moment.cosine(1, 1) == doctest::Approx(1).epsilon(1e-14));
        CHECK(moment.cosine(0, 2) == moment.cosine(2, 0));
        // Steps add up.
        const auto both = small::copy(moment.losses_after(std::vector<double>{1, 0, 1}));
        CHECK(both != small::copy(moment.losses_after(amounts_of(0))));
        CHECK(small::same_bits(moment.losses(), losses));
        CHECK(small::same_bits(shown.session->parameters(), parameters));
      };
      model.fit(data, {.epochs = 4, .batch_size = 64, .shuffle = false, .probes = {&shown}});
      CHECK(ask.looks == 2);
      CHECK(small::same_bits(model.parameters(), plain.parameters()));
    }
}

// What a watch saw of a training with several batches an epoch.
template <class Measure, class Model>
grouping::Affinities watched(Model& model, const data::DataSet* held_out, Measure measure = {},
                             StepKind kind = StepKind::optimizer, std::size_t samples = 0) {
  grouping::Watching<Measure> watch(measure, held_out != nullptr ? Evaluation::held_out : Evaluation::same_batch, kind);
  training::AffinityProbe<double> probe(watch, held_out, samples);
  model.fit(small::shared(150, 0.2), {.epochs = 2, .batch_size = 40, .probes = {&probe}});
  return watch.seen();
}

}  // namespace

TEST_CASE("a task's step is the optimizer's real one, on the shared parameters alone") {
  check_steps<Rows>({.optimizer = {.learning_rate = 0.02}, .backend = {.threads = 2}, .seed = 3});
  check_steps<Levels>(
      {.optimizer = {.learning_rate = 0.02, .weight_decay = 0.1}, .backend = {.threads = 2}, .seed = 3});
  check_steps<Masked>({.sharing = {.rule = {.density = 0.6}},
                       .optimizer = {.optimizer = {.learning_rate = 0.1, .momentum = 0.9}, .norm = 0.3},
                       .backend = {.threads = 2},
                       .seed = 3});
}

TEST_CASE(
    "gradients are the same, to the bit, whether the balancer needs them or not, and TAG's affinity is what the paper "
    "says") {
  const auto data = small::shared(150, 0.2);
  std::vector<std::vector<double>> rows;
  const auto keep = [&](auto& model) {
    struct Look final : training::Probe<double> {
      std::vector<std::vector<double>>* rows;
      bool wants(const training::Step& step) override { return step.taken == 0; }
      void look(Session& session) override {
        std::vector<double> room(3 * session.shared());
        rows->push_back(small::copy(session.task_gradients(room)));
        CHECK(session.has_gram() == (room.data() != session.task_gradients(room).data()));
      }
    } look;
    look.rows = &rows;
    model.fit(data, {.batch_size = 130, .probes = {&look}});
  };
  Rows first({.seed = 3});
  AtRepresentation second({.seed = 3});
  keep(first);
  keep(second);
  REQUIRE(rows.size() == 2);
  CHECK(small::same_bits(rows[0], rows[1]));

  Rows model({.optimizer = {.learning_rate = 0.01}, .seed = 3});
  grouping::Watching<grouping::Lookahead> watch({.every = 1}, Evaluation::same_batch, StepKind::gradient);
  training::AffinityProbe<double> probe(watch);
  Shown shown(probe);
  struct Other final : training::Probe<double> {
    std::vector<double> expected;
    bool wants(const training::Step&) override { return true; }
    void look(Session& session) override {
      const auto losses = small::copy(session.step().losses);
      std::vector<double> table(9);
      for (std::size_t i = 0; i < 3; ++i) {
        const auto gradient = small::copy(session.gradient(i));
        const auto after = session.losses_at([&](Parameters p) {
          for (std::size_t k = 0; k < gradient.size(); ++k) p[k] -= 0.01 * gradient[k];
        });
        for (std::size_t j = 0; j < 3; ++j) table[j * 3 + i] = 1 - after[j] / losses[j];
      }
      expected.insert(expected.end(), table.begin(), table.end());
    }
  } other;
  model.fit(data, {.epochs = 2, .batch_size = 60, .probes = {&shown, &other}});
  CHECK(watch.seen().looks() == 6);
  CHECK(small::distance(watch.seen().values, other.expected) < 1e-13);
}

TEST_CASE("what is seen is the same on any number of threads, and follows the seed and the step") {
  const auto held_out = small::shared(90, 0.3, 7);
  const auto with = [&](int threads, std::size_t samples = 0) {
    Rows model({.optimizer = {.learning_rate = 0.02}, .backend = {.threads = threads}, .seed = 3});
    return watched<grouping::Corrected>(model, &held_out, {.block = 3}, StepKind::optimizer, samples);
  };
  const grouping::Affinities one = with(1), two = with(2);
  CHECK(one.looks() == 8);
  CHECK(small::same_bits(one.values, two.values));
  CHECK_FALSE(small::same_bits(one.values, with(2, 7).values));
  CHECK(one.measure == "corrected");
  CHECK(one.evaluation == Evaluation::held_out);

  // Held-out samples are drawn anew: a look at all of them is the same in any order, one at some is not.
  Rows a({.optimizer = {.learning_rate = 0}, .seed = 3});
  Ask ask;
  ask.on = Evaluation::held_out;
  std::vector<std::vector<double>> some, all;
  ask.question = [&](grouping::Moment& moment) {
    (some.size() < 2 ? some : all).push_back(small::copy(moment.losses()));
  };
  training::AffinityProbe<double> little(ask, &held_out, 10);
  a.fit(small::shared(80), {.batch_size = 40, .probes = {&little}});
  training::AffinityProbe<double> everything(ask, &held_out, 1000);
  a.fit(small::shared(80), {.batch_size = 40, .probes = {&everything}});
  REQUIRE(all.size() == 2);
  CHECK_FALSE(small::same_bits(some[0], some[1]));
  CHECK(small::same_bits(all[0], all[1]));
  CHECK(small::distance(all[0], a.evaluate(held_out).losses()) < 1e-13);

  // Tasks in streams of their own, one a step: a table has what was there.
  grouping::Watching<grouping::Cosine> cosines({.every = 1}, Evaluation::same_batch);
  training::AffinityProbe<double> probe(cosines);
  a.fit(small::own(40, 40), {.batch_size = 40, .sampling = training::Sampling::round_robin, .probes = {&probe}});
  REQUIRE(cosines.seen().looks() == 2);
  for (std::size_t look = 0; look < 2; ++look) {
    const auto table = cosines.seen().look(look);
    CHECK(is_nan(table[1]));
    CHECK((is_nan(table[0]) != is_nan(table[4])));
    CHECK((is_nan(table[4]) == is_nan(table[5])));
  }
}

TEST_CASE("affinities of a whole training") {
  Rows model({.optimizer = {.learning_rate = 0.02}, .seed = 3});
  const auto train = small::shared(150, 0.2), held_out = small::shared(90, 0.3, 7);
  grouping::Watching<grouping::Lookahead> watch({.every = 2});
  training::AffinityProbe<double> probe(watch, &held_out);
  model.fit(train, {.epochs = 2, .probes = {&probe}});
  const std::vector<double> table = watch.seen().mean();  // (affected task, acting task)
  CHECK(watch.seen().looks() == 3);
  REQUIRE(table.size() == 9);
  for (const double affinity : table) CHECK(std::abs(affinity) < 1);
}

TEST_CASE("a probe says what it lacks") {
  Ask ask;
  ask.on = Evaluation::held_out;
  CHECK_THROWS_WITH_AS(training::AffinityProbe<double>{ask},
                       "mtlx: affinities are to be evaluated on held-out samples, and none are given: AffinityProbe "
                       "probe(watch, &held_out), or a watch with Evaluation::same_batch",
                       Error);
}
