// SPDX-License-Identifier: MIT
#include <mtlx/balancing/pc_grad.hpp>
#include <mtlx/nn/dropout.hpp>
#include <mtlx/optim/sgd.hpp>
#include <mtlx/training/multi_task.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <optional>
#include <string>

#include "small.hpp"

using namespace mtlx;
using training::Epoch;
using training::Run;
using training::Step;

namespace {

using Trunk = nn::Sequential<nn::Dense<6>, nn::Dropout<30>, nn::Tanh>;
using Model =
    MultiTask<Input<4>, small::Kinds, sharing::Hard<Trunk>, balancing::PcGrad, optim::Sgd, backend::Cpu<double>>;
using Session = training::ProbeSession<double>;
using Parameters = std::span<double>;

Model make(std::uint64_t seed = 2) {
  return Model{{.optimizer = {.learning_rate = 0.05, .momentum = 0.9}, .backend = {.threads = 2}, .seed = seed}};
}

// Everything that an observer hears, as it hears it.
struct Recorder : training::Observer {
  struct OfStep {
    std::size_t epoch, step, samples;
    TaskSet present;
    std::vector<double> losses, weights, gram;
  };
  struct OfEpoch {
    std::size_t epoch;
    double seconds;
    std::vector<double> losses, validation_losses, validation_metrics;
  };
  std::vector<Run> runs;
  std::vector<std::string> tasks, metrics, calls;
  std::vector<OfStep> steps;
  std::vector<OfEpoch> epochs;

  void on_begin(const Run& run) override {
    calls.push_back("begin");
    runs.push_back(run);
    tasks.assign(run.tasks.begin(), run.tasks.end());
    metrics.assign(run.metrics.begin(), run.metrics.end());
  }
  void on_step(const Step& s) override {
    calls.push_back("step");
    steps.push_back(
        {s.epoch, s.step, s.samples, s.present, small::copy(s.losses), small::copy(s.weights), small::copy(s.gram)});
  }
  void on_epoch(const Epoch& e) override {
    calls.push_back("epoch");
    epochs.push_back({e.epoch, e.seconds, small::copy(e.losses), small::copy(e.validation_losses),
                      small::copy(e.validation_metrics)});
  }
  void on_end() override { calls.push_back("end"); }
};

// Looks in the steps whose number in the epoch is named (or in all).
struct Ask : training::Probe<double> {
  std::function<void(Session&)> question;
  std::optional<std::size_t> only;
  int looks = 0;

  explicit Ask(std::function<void(Session&)> ask) : question(std::move(ask)) {}
  bool wants(const Step& step) override { return !only || step.step == *only; }
  void look(Session& session) override {
    ++looks;
    question(session);
  }
};

const auto nothing = [](Parameters) {};

}  // namespace

TEST_CASE("an observer hears of every step and epoch") {
  const auto train = small::shared(50, 0.3), valid = small::shared(20, 0.2, 7);
  Model model = make();
  Recorder heard;
  model.fit(train, {.epochs = 2, .batch_size = 16, .validation = &valid, .observers = {&heard}});

  CHECK(heard.calls == std::vector<std::string>{"begin", "step", "step", "step", "step", "epoch", "step", "step",
                                                "step", "step", "epoch", "end"});
  REQUIRE(heard.runs.size() == 1);
  const Run& run = heard.runs[0];
  CHECK(heard.tasks == std::vector<std::string>{"kind", "flags", "place"});
  CHECK(heard.metrics == std::vector<std::string>{"accuracy", "accuracy", "rmse"});
  CHECK(run.members == TaskSet::first(3));
  CHECK(run.epochs == 2);
  CHECK(run.steps == 4);
  CHECK(run.samples == 50);
  CHECK(run.validates);

  for (std::size_t i = 0; i < 8; ++i) {
    const auto& step = heard.steps[i];
    CHECK(step.epoch == i / 4);
    CHECK(step.step == i % 4);
    CHECK(step.samples == (i % 4 == 3 ? 2 : 16));
    CHECK(step.losses.size() == 3);
    CHECK(step.weights.size() == 3);
    CHECK(step.gram.size() == step.present.count() * step.present.count());
    for (std::size_t t = 0; t < 3; ++t) CHECK((step.losses[t] > 0) == step.present.has(t));
  }
  for (std::size_t e = 0; e < 2; ++e) {
    CHECK(heard.epochs[e].epoch == e);
    CHECK(heard.epochs[e].seconds > 0);
    for (std::size_t t = 0; t < 3; ++t) {
      double sum = 0, count = 0;
      for (std::size_t i = 4 * e; i < 4 * e + 4; ++i)
        if (heard.steps[i].present.has(t)) sum += heard.steps[i].losses[t], count += 1;
      CHECK(heard.epochs[e].losses[t] == doctest::Approx(sum / count).epsilon(1e-14));
    }
  }
  const auto scores = model.evaluate(valid);
  CHECK(small::same_bits(heard.epochs[1].validation_losses, scores.losses()));
  CHECK(small::same_bits(heard.epochs[1].validation_metrics, scores.metrics()));
  CHECK_FALSE(small::same_bits(heard.epochs[0].validation_losses, scores.losses()));

  // Fitted on, epochs count on; without validation there is none.
  Recorder later;
  model.fit(train, {.batch_size = 50, .observers = {&later}});
  CHECK(later.epochs[0].epoch == 2);
  CHECK(later.steps[0].epoch == 2);
  CHECK(later.epochs[0].validation_losses.empty());
  CHECK_FALSE(later.runs[0].validates);
}

TEST_CASE("a task without a label in an epoch has NaN, and no part in any step") {
  const auto kinds = small::kind(8, 0), places = small::place(8, 0);
  const data::DataSet train(small::inputs(8),
                            {kinds, {"flags", data::Targets::values(3, std::vector<float>(24, small::nan))}, places});
  Model model = make();
  Recorder heard;
  model.fit(train, {.observers = {&heard}});
  CHECK(is_nan(heard.epochs[0].losses[1]));
  CHECK(heard.epochs[0].losses[0] > 0);
  CHECK(heard.steps[0].present == TaskSet::only(0).with(2));
  CHECK(heard.steps[0].gram.size() == 4);
}

TEST_CASE("a probe that changes nothing gets the step's losses, bit for bit, and leaves no trace") {
  // Little, and without one of the tasks: unlike the batch in every way.
  const data::DataSet held_out(small::inputs(9), {small::kind(9, 0.3), small::place(9, 0)});
  for (const auto& train : {small::shared(150, 0.3), small::own(150, 40, 0.3)}) {
    Model plain = make(), probed = make();
    Recorder heard, heard_probed;
    plain.fit(train, {.epochs = 2, .batch_size = 130, .observers = {&heard}});
    Ask probe([&](Session& session) {
      const auto losses = small::copy(session.step().losses);
      const auto weights = small::copy(session.step().weights);
      const auto parameters = small::copy(session.parameters());
      const auto gradient = small::copy(session.gradient(2));
      CHECK(small::same_bits(session.losses_at(nothing), losses));
      const auto elsewhere = small::copy(session.losses_at([](Parameters p) {
        for (double& x : p) x += 0.3;
      }));
      CHECK(elsewhere != losses);
      // Other data in between: the batch's own losses come out the same afterwards.
      session.losses_at([](Parameters p) { p[0] = 9; }, held_out);
      CHECK(small::same_bits(session.losses_at(nothing), losses));
      CHECK(small::same_bits(session.step().losses, losses));
      CHECK(small::same_bits(session.step().weights, weights));
      CHECK(small::same_bits(session.parameters(), parameters));
      CHECK(small::same_bits(session.gradient(2), gradient));
      session.losses_at([](Parameters p) { p[1] = -9; });
    });
    probed.fit(train, {.epochs = 2, .batch_size = 130, .observers = {&heard_probed}, .probes = {&probe}});
    CHECK(probe.looks == 4);
    CHECK(small::same_bits(plain.parameters(), probed.parameters()));
    for (std::size_t i = 0; i < 4; ++i) {
      CHECK(small::same_bits(heard.steps[i].losses, heard_probed.steps[i].losses));
      CHECK(small::same_bits(heard.steps[i].weights, heard_probed.steps[i].weights));
      CHECK(small::same_bits(heard.steps[i].gram, heard_probed.steps[i].gram));
    }
  }
}

TEST_CASE("losses on held-out data are those of evaluate") {
  const auto train = small::shared(20);
  for (const auto& held_out : {small::shared(75, 0.3, 5), small::own(70, 9)}) {
    Model model = make();
    Ask probe([&](Session& session) {
      const auto scores = model.evaluate(held_out).losses();
      CHECK(small::distance(session.losses_at(nothing, held_out), scores) < 1e-13);
      Model shifted = model;
      for (double& x : shifted.parameters()) x *= 0.5;
      CHECK(small::distance(session.losses_at(
                                [](Parameters p) {
                                  for (double& x : p) x *= 0.5;
                                },
                                held_out),
                            shifted.evaluate(held_out).losses()) < 1e-13);
    });
    model.fit(train, {.probes = {&probe}});
    CHECK(probe.looks == 1);
  }
}

TEST_CASE("a small step along a task's gradient lowers its loss by about the gradient's square") {
  const auto train = small::shared(40, 0.2);
  Model model = make();
  Ask probe([](Session& session) {
    CHECK(session.step().step == 1);
    const auto losses = small::copy(session.step().losses);
    for (std::size_t t = 0; t < 3; ++t) {
      const auto gradient = session.gradient(t);
      REQUIRE(gradient.size() == 4 * 6 + 6);
      double square = 0;
      for (const double g : gradient) square += g * g;
      constexpr double rate = 1e-5;
      const auto ahead = session.losses_at([&](Parameters p) {
        for (std::size_t i = 0; i < gradient.size(); ++i) p[i] -= rate * gradient[i];
      });
      CHECK(square > 0);
      CHECK((losses[t] - ahead[t]) / (rate * square) == doctest::Approx(1).epsilon(1e-3));
    }
  });
  probe.only = 1;
  model.fit(train, {.batch_size = 20, .probes = {&probe}});
  CHECK(probe.looks == 1);
}
