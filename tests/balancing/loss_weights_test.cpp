// SPDX-License-Identifier: MIT
// The balancers that go by losses, against their objectives differentiated by PyTorch, published values, and at the edges.
#include <mtlx/balancing/dynamic_weight_average.hpp>
#include <mtlx/balancing/excess_risk.hpp>
#include <mtlx/balancing/famo.hpp>
#include <mtlx/balancing/fixed_weights.hpp>
#include <mtlx/balancing/geometric_mean.hpp>
#include <mtlx/balancing/go4_align.hpp>
#include <mtlx/balancing/grad_norm.hpp>
#include <mtlx/balancing/imtl_l.hpp>
#include <mtlx/balancing/log_loss.hpp>
#include <mtlx/balancing/random_weights.hpp>
#include <mtlx/balancing/smooth_tchebycheff.hpp>
#include <mtlx/balancing/uncertainty.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <vector>

namespace oracle {
#include "loss_weights_oracle.inc"
}

using namespace mtlx;
using namespace mtlx::balancing;

namespace {

using Numbers = std::vector<double>;

static_assert(Observes<Uncertainty> && Observes<ImtlL> && Observes<DynamicWeightAverage> && LooksBack<Famo>);
static_assert(weighs_own<GradNorm> && weighs_own<ExcessRisk> && ReadsRows<ExcessRisk>);

// A step as a balancer may see it; rows : (tasks, 3).
struct Asking {
  TaskSet tasks{};
  Numbers losses{}, after{}, rows{};
  std::size_t epoch = 0, step = 0;
};

// What of a test depends on the policy's type, and no more: the rest is compiled once.
struct Asked {
  struct Policy {
    virtual ~Policy() = default;
    virtual Needs needs() const = 0;
    virtual bool resets() const = 0;
    virtual void reset() = 0;
    virtual bool absorb(const Problem&, std::size_t, std::span<const double>, std::span<double>, double&) const = 0;
    virtual void weights(const Problem&, std::span<double>) = 0;
    virtual void observe(const Problem&) = 0;
    virtual void after(const Problem&) = 0;
  };
  template <class P>
  struct Of final : Policy {
    explicit Of(const P& p) : policy(p) { mtlx::validate(policy); }
    P policy;
    PolicyState<P> state{};
    Needs needs() const override { return P::needs; }
    bool resets() const override {
      return requires(PolicyState<P> some) { some.reset(); };
    }
    void reset() override {
      if constexpr (requires { state.reset(); }) state.reset();
    }
    bool absorb(const Problem& problem, std::size_t i, std::span<const double> row, std::span<double> kept,
                double& sum) const override {
      if constexpr (ReadsRows<P>) sum = policy.template absorb<double>(problem, state, i, row, kept);
      return ReadsRows<P>;
    }
    void weights(const Problem& problem, std::span<double> w) override { policy.weights(problem, state, w); }
    void observe(const Problem& problem) override {
      if constexpr (Observes<P>) policy.observe(problem, state);
    }
    void after(const Problem& problem) override {
      if constexpr (LooksBack<P>) policy.after(problem, state);
    }
  };

  template <class P>
  Asked(const P& p) : policy(std::make_unique<Of<P>>(p)) {}  // NOLINT: a policy is asked

  template <class P>
  const PolicyState<P>& state() const {
    return static_cast<const Of<P>&>(*policy).state;
  }

  // As a training loop asks: weights, then what the step's losses were.
  Numbers operator()(const Asking& at) {
    const std::size_t n = at.losses.size();
    Numbers gram, sums(n), w(n, -7);
    Problem problem{.tasks = at.tasks, .losses = at.losses, .gram = {}, .epoch = at.epoch, .step = at.step};
    problem.random = Random(3, Purpose::balance, at.step);
    if (policy->needs() == Needs::gradients) {
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < n; ++j) {
          gram.push_back(0);
          for (std::size_t k = 0; k < 3; ++k) gram.back() += at.rows[i * 3 + k] * at.rows[j * 3 + k];
        }
      problem.gram = gram;
      for (std::size_t i = 0; i < n; ++i)
        if (policy->absorb(problem, i, std::span(at.rows).subspan(i * 3, 3),
                           std::span(memory).subspan(problem.task(i) * 3, 3), sums[i]))
          problem.sums = sums;
    }
    if (policy->needs() == Needs::nothing) problem.losses = {};
    policy->weights(problem, w);
    problem.losses = at.losses;
    policy->observe(problem);
    problem.losses = at.after;
    policy->after(problem);
    return w;
  }
  // All tasks, in the first epoch.
  Numbers alone(const Numbers& losses) { return (*this)({TaskSet::first(losses.size()), losses, losses}); }

  std::unique_ptr<Policy> policy;
  Numbers memory = Numbers(TaskSet::capacity * 3, 0.0);
};

Numbers first_weights(Asked asked, const Numbers& losses) { return asked.alone(losses); }

// As scripts/oracle/loss_weights.py has them.
constexpr std::size_t tasks = 4, steps = 12, epoch_steps = 4;
double loss(std::size_t step, std::size_t task) {
  constexpr double scale[] = {1, 8, 0.125, 2};
  return static_cast<double>((step * 5 + task * 7) % 11 + 1) / 8 * scale[task];
}
double loss_after(std::size_t step, std::size_t task) {
  return loss(step, task) * (1 + (static_cast<double>((step * 3 + task * 5) % 7) - 4) / 8);
}
double gradient(std::size_t step, std::size_t task, std::size_t k) {
  constexpr double scale[] = {1, 4, 0.25, 2};
  return (static_cast<double>((step * 7 + task * 13 + k * 5) % 17) - 8) / 8 * scale[task];
}
bool present(std::size_t step, std::size_t task) {
  return !(task == 1 && (step == 5 || step == 6)) && !(task == 3 && step == 0);
}

void check_oracle(const char* name, Asked asked, const double (&expected)[steps][tasks]) {
  CAPTURE(name);
  for (std::size_t step = 0; step < steps; ++step) {
    Asking at{.epoch = step / epoch_steps, .step = step};
    for (std::size_t t = 0; t < tasks; ++t) {
      if (!present(step, t)) continue;
      at.tasks = at.tasks.with(t);
      at.losses.push_back(loss(step, t));
      at.after.push_back(loss_after(step, t));
      for (std::size_t k = 0; k < 3; ++k) at.rows.push_back(gradient(step, t, k));
    }
    const Numbers w = asked(at);
    std::size_t i = 0;
    for (std::size_t t = 0; t < tasks; ++t) {
      if (!present(step, t)) continue;
      CAPTURE(step);
      CAPTURE(t);
      CHECK(std::abs(w[i] - expected[step][t]) <= 1e-10 * std::abs(expected[step][t]));
      ++i;
    }
  }
}

void check_near(const Numbers& found, const Numbers& expected, double tolerance) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    CAPTURE(i);
    CHECK(std::abs(found[i] - expected[i]) <= tolerance);
  }
}

double weighted_sum(const Numbers& w, const Numbers& losses) {
  double sum = 0;
  for (std::size_t i = 0; i < w.size(); ++i) sum += w[i] * losses[i];
  return sum;
}

// mu log sum exp(f / mu) from its derivative p: sum p f - mu sum p log p.
double smooth_maximum(const Numbers& p, const Numbers& f, double mu) {
  double sum = weighted_sum(p, f);
  for (const double x : p)
    if (x > 0) sum -= mu * x * std::log(x);
  return sum;
}

// Calls function(name, policy) for each.
void for_each_policy(void (*function)(const char* name, Asked, Asked)) {
  FixedWeights fixed;
  fixed.weight.fill(0.5);
  function("FixedWeights", fixed, fixed);
  function("LogLoss", LogLoss{}, LogLoss{});
  function("RandomWeights", RandomWeights{}, RandomWeights{});
  function("Uncertainty", Uncertainty{}, Uncertainty{});
  function("ImtlL", ImtlL{}, ImtlL{});
  function("DynamicWeightAverage", DynamicWeightAverage{}, DynamicWeightAverage{});
  function("GeometricMean", GeometricMean{}, GeometricMean{});
  function("SmoothTchebycheff", SmoothTchebycheff{.warm_up = 1}, SmoothTchebycheff{.warm_up = 1});
  function("SmoothTchebycheff", SmoothTchebycheff{.warm_up = 0}, SmoothTchebycheff{.warm_up = 0});
  function("Famo", Famo{}, Famo{});
  function("GradNorm", GradNorm{}, GradNorm{});
  function("ExcessRisk", ExcessRisk{}, ExcessRisk{});
  function("Go4Align", Go4Align{}, Go4Align{});
}

}  // namespace

TEST_CASE("weights are the derivatives of the published objectives, step for step as PyTorch finds them") {
  check_oracle("log_loss", LogLoss{}, oracle::log_loss);
  check_oracle("geometric_mean", GeometricMean{}, oracle::geometric_mean);
  check_oracle("uncertainty", Uncertainty{}, oracle::uncertainty);
  check_oracle("uncertainty_from_minus_half", Uncertainty{.initial = -0.5}, oracle::uncertainty_from_minus_half);
  check_oracle("imtl_l", ImtlL{}, oracle::imtl_l);
  check_oracle("dynamic_weight_average", DynamicWeightAverage{}, oracle::dynamic_weight_average);
  check_oracle("smooth_tchebycheff", SmoothTchebycheff{.warm_up = 1}, oracle::smooth_tchebycheff);
  check_oracle("smooth_tchebycheff_sharp", SmoothTchebycheff{.mu = 0.25, .warm_up = 1},
               oracle::smooth_tchebycheff_sharp);
  check_oracle("plain_tchebycheff", SmoothTchebycheff{.warm_up = 0}, oracle::plain_tchebycheff);
  check_oracle(
      "plain_tchebycheff_options",
      SmoothTchebycheff{.mu = 0.5, .warm_up = 0, .weight = {1, 0.25, 4, 2}, .reference = {0.125, 0.5, 0, 0.25}},
      oracle::plain_tchebycheff_options);
  check_oracle("famo", Famo{}, oracle::famo);
  check_oracle("famo_above_minimum", Famo{.minimum = {-0.5, 0, -1, -2}}, oracle::famo_above_minimum);
  check_oracle("grad_norm", GradNorm{}, oracle::grad_norm);
  check_oracle("grad_norm_even", GradNorm{.alpha = 0}, oracle::grad_norm_even);
  check_oracle("excess_risk", ExcessRisk{}, oracle::excess_risk);
  check_oracle("excess_risk_fast", ExcessRisk{.step_size = 1}, oracle::excess_risk_fast);
  check_oracle("go4_align", Go4Align{}, oracle::go4_align);
  check_oracle("go4_align_three", Go4Align{.groups = 3, .step_size = 0.0625}, oracle::go4_align_three);
}

TEST_CASE("TorchJD's published values") {
  const Numbers l{1, 2, 4};
  CHECK(weighted_sum(first_weights(GeometricMean{}, l), l) == doctest::Approx(2).epsilon(1e-12));
  CHECK(weighted_sum(first_weights(ImtlL{}, l), l) == 7);
  CHECK(weighted_sum(first_weights(Uncertainty{}, l), l) == 3.5);

  Asked dwa{DynamicWeightAverage{}};
  CHECK(weighted_sum(dwa.alone({1, 1}), {1, 3}) == 4);
  const auto of_epoch = [](std::size_t epoch, const Numbers& losses) {
    return Asking{.tasks = TaskSet::first(2), .losses = losses, .epoch = epoch};
  };
  CHECK(weighted_sum(dwa(of_epoch(1, {1, 4})), {2, 5}) == 7);
  CHECK(weighted_sum(dwa(of_epoch(2, {3, 5})), {3, 5}) == doctest::Approx(9.27029790477).epsilon(1e-12));

  const auto tchebycheff = [](const SmoothTchebycheff& policy, const Numbers& losses) {
    Numbers p = first_weights(policy, losses), f(p.size());
    for (std::size_t i = 0; i < p.size(); ++i) {
      const double share = policy.weight[i] > 0 ? policy.weight[i] : 1 / static_cast<double>(p.size());
      p[i] /= share;
      f[i] = share * (losses[i] - policy.reference[i]);
    }
    return smooth_maximum(p, f, policy.mu);
  };
  CHECK(tchebycheff({.warm_up = 0}, {0, 0}) == doctest::Approx(0.6931471805599453).epsilon(1e-12));
  CHECK(tchebycheff({.warm_up = 0, .weight = {1, 1}}, {1, 1}) == doctest::Approx(1.6931471805599454).epsilon(1e-12));
  CHECK(tchebycheff({.warm_up = 0, .weight = {1, 1}, .reference = {1, 1}}, {1, 1}) ==
        doctest::Approx(0.6931471805599453).epsilon(1e-12));
  CHECK(tchebycheff({.mu = 1e-10, .warm_up = 0}, {1e30, 2e30, 3e30}) == doctest::Approx(1e30).epsilon(1e-5));

  check_near(first_weights(Famo{}, {1, 2}), {2.0 / 3, 1.0 / 3}, 1e-8);

  // Two calls. TorchJD does not scale the excess risks in the first one: what the second multiplies is comparable.
  Asked excess{ExcessRisk{.step_size = 1}};
  const auto first = excess({.tasks = TaskSet::first(2), .losses = {1, 1}, .rows = {2, 0, 0, 1, 0, 0}});
  check_near(first, {1, 1}, 1e-15);
  const auto second = excess({.tasks = TaskSet::first(2), .losses = {1, 1}, .rows = {1, 0, 0, 2, 0, 0}});
  CHECK(second[0] / second[1] ==
        doctest::Approx(0.362334141555 / 0.637665858445 / (0.73105857863 / 0.26894142137)).epsilon(1e-6));
}

TEST_CASE("FAMO and GradNorm step by step, recomputed in Python") {
  Asked famo{Famo{}};
  const Numbers before[] = {{1, 2, 0.5}, {0.9, 1.5, 0.5}, {0.8, 1.4, 0.45}},
                after[] = {{0.9, 1.5, 0.5}, {0.8, 1.4, 0.45}, {0.7, 1, 0.5}},
                weights[] = {{0.285714287143, 0.142857144286, 0.571428568571},
                             {0.296670962893, 0.169321296092, 0.534007741015},
                             {0.299531605264, 0.160424481022, 0.540043913714}},
                logits[] = {{0.0249999707645, -0.0249999952128, 0.0249999942754},
                            {0.0265623994895, -0.0382184480667, 0.0406287835067},
                            {0.0199178151664, -0.0571190062148, 0.0604959429956}};
  for (std::size_t call = 0; call < 3; ++call) {
    CAPTURE(call);
    check_near(famo({.tasks = TaskSet::first(3), .losses = before[call], .after = after[call]}), weights[call], 1e-11);
    check_near({famo.state<Famo>().s[0], famo.state<Famo>().s[1], famo.state<Famo>().s[2]}, logits[call], 1e-11);
  }

  Asked norm{GradNorm{.initial = {1, 2, 4}}};
  check_near(norm({.tasks = TaskSet::first(3), .losses = {0.5, 1.5, 1}, .rows = {2, 0, 0, 0, 1, 0, 0, 0, 0.5}}),
             {1, 1, 1}, 1e-15);
  // After one step Adam's mean is a tenth of the gradient.
  check_near({norm.state<GradNorm>().adam.m[0], norm.state<GradNorm>().adam.m[1], norm.state<GradNorm>().adam.m[2]},
             {0.15, -0.15, 0}, 1e-15);
}

TEST_CASE("GLS reports the weights that it uses: they give back its loss, at any scale") {
  for (const double scale : {1e-12, 1.0, 1e12}) {
    const Numbers losses{3 * scale, 1e-6 * scale, 0.5 * scale, 7e4 * scale};
    const Numbers w = first_weights(GeometricMean{}, losses);
    CHECK(weighted_sum(w, losses) == doctest::Approx(std::pow(3 * 1e-6 * 0.5 * 7e4, 0.25) * scale).epsilon(1e-12));
    // Each task has the same share of it.
    for (std::size_t i = 1; i < 4; ++i) CHECK(w[i] * losses[i] == doctest::Approx(w[0] * losses[0]).epsilon(1e-12));
  }
  // 64 losses whose product is no double.
  CHECK(first_weights(GeometricMean{}, Numbers(64, 1e-8))[9] == doctest::Approx(1.0 / 64).epsilon(1e-12));
}

TEST_CASE("losses of 0 and beyond the scale leave every weight finite") {
  static constexpr double huge = 1e30, tiny = 1e-38;
  static const std::vector<Numbers> rows{{0, 1}, {0, 0}, {tiny, huge}, {huge, 0}, {1, 1}, {0, tiny}, {0.5, 0.25}};
  for_each_policy([](const char* name, Asked asked, Asked) {
    CAPTURE(name);
    for (std::size_t step = 0; step < 40; ++step) {
      const Numbers& losses = rows[step % rows.size()];
      const Numbers w = asked({.tasks = TaskSet::first(2),
                               .losses = losses,
                               .after = rows[(step + 1) % rows.size()],
                               .rows = {losses[0], 0, 0, 0, -losses[1], 0},
                               .epoch = step / 3,
                               .step = step});
      CAPTURE(step);
      for (const double number : w) CHECK((is_finite(number) && number >= 0));
    }
  });
  // A loss of 0 has no say where its logarithm would be.
  CHECK(first_weights(LogLoss{}, {0, 2}) == Numbers{0, 0.5});
  CHECK(first_weights(GeometricMean{}, {0, 2})[0] == 0);
  CHECK(first_weights(SmoothTchebycheff{}, {0, 2}) == Numbers{0, 0.5});
}

TEST_CASE("learned scales stay within 60, at both ends") {
  const Numbers nothing{0}, much{1e30};
  const auto told = [](const auto& policy, auto& state, const Numbers& losses) {
    const Problem problem{.tasks = TaskSet::first(1), .losses = losses, .gram = {}};
    for (int step = 0; step < 3; ++step) policy.observe(problem, state);
    Numbers w(1);
    policy.weights(problem, state, w);
    return w[0];
  };
  // A step would be of a thousand.
  const ImtlL imtl{.learning_rate = 1000};
  ImtlL::State s;
  CHECK(told(imtl, s, nothing) == std::exp(60.0));
  CHECK(told(imtl, s, much) == std::exp(-60.0));
  const Uncertainty uncertainty{.learning_rate = 1000, .initial = 3};
  Uncertainty::State u;
  CHECK(told(uncertainty, u, nothing) == std::exp(60.0) / 2);
  u.reset();
  CHECK(told(uncertainty, u, much) == std::exp(-60.0) / 2);
}

TEST_CASE("a loss below 0 is an Error that names the task, where it has no meaning") {
  const auto refused = [](Asked asked) {
    std::string said;
    try {
      asked({.tasks = TaskSet::only(2).with(5), .losses = {1, -0.25}, .after = {1, 1}, .rows = {1, 0, 0, 0, 1, 0}});
    } catch (const Error& error) {
      said = error.what();
    }
    return said;
  };
  for (const std::string& said : {refused(LogLoss{}), refused(GeometricMean{}), refused(SmoothTchebycheff{}),
                                  refused(Famo{}), refused(GradNorm{}), refused(Go4Align{}), refused(Uncertainty{}),
                                  refused(ImtlL{}), refused(DynamicWeightAverage{})}) {
    CAPTURE(said);
    CHECK(said.find("the loss of task 5 (the first is 0) is -0.25, and must be at least 0") != std::string::npos);
  }
  CHECK(refused(SmoothTchebycheff{.warm_up = 0}).empty());
  CHECK(refused(RandomWeights{}).empty());
  CHECK(refused(ExcessRisk{}).empty());

  // Nor is anything of the step remembered: the first task's loss was right.
  const auto unchanged = [](const auto& policy, auto ask) {
    using State = PolicyState<std::remove_cvref_t<decltype(policy)>>;
    State state{};
    const State before = state;
    const Numbers losses{1, -0.25}, gram{1, 0, 0, 1};
    Numbers w(2);
    const Problem problem{.tasks = TaskSet::first(2), .losses = losses, .gram = gram};
    CHECK_THROWS_AS(ask(policy, problem, state, std::span<double>(w)), Error);
    CHECK(std::memcmp(&state, &before, sizeof state) == 0);
  };
  const auto weigh = [](const auto& p, const Problem& problem, auto& s, std::span<double> w) {
    p.weights(problem, s, w);
  };
  const auto observe = [](const auto& p, const Problem& problem, auto& s, std::span<double>) { p.observe(problem, s); };
  unchanged(Go4Align{}, weigh);
  unchanged(GradNorm{}, weigh);
  unchanged(Famo{}, weigh);
  unchanged(SmoothTchebycheff{.warm_up = 1}, weigh);
  unchanged(Uncertainty{}, observe);
  unchanged(ImtlL{}, observe);
  unchanged(DynamicWeightAverage{}, observe);

  // FAMO takes what lies above the minimum, the minimum itself included.
  Famo famo;
  famo.minimum[5] = -0.25;
  CHECK(refused(famo).empty());
  famo.minimum[5] = -0.125;
  CHECK(refused(famo).find("must be at least -0.125") != std::string::npos);
}

TEST_CASE("fixed weights: one for each task, and none forgotten") {
  Asked fixed{FixedWeights{.weight = {3, 0.5, 2}}};
  CHECK(fixed.alone({1, 1}) == Numbers{3, 0.5});
  CHECK(fixed({.tasks = TaskSet::only(0).with(2), .losses = {1, 1}}) == Numbers{3, 2});
  CHECK_THROWS_WITH_AS(fixed.alone({1, 1, 1, 1}), doctest::Contains("task 3 (the first is 0) has labels and no weight"),
                       Error);
  CHECK_THROWS_WITH_AS(mtlx::validate(FixedWeights{.weight = {-1}}), doctest::Contains("FixedWeights: weight"), Error);
  CHECK_THROWS_AS(mtlx::validate(SmoothTchebycheff{.mu = 0}), Error);
  CHECK_THROWS_AS(mtlx::validate(Go4Align{.groups = 0}), Error);
  CHECK_THROWS_AS(mtlx::validate(DynamicWeightAverage{.temperature = -1}), Error);
}

TEST_CASE("random weights: the same seed and step, the same weights; all tasks alike in the mean") {
  Asked asked{RandomWeights{}};
  Numbers sums(3, 0.0);
  for (std::size_t step = 0; step < 3000; ++step) {
    const Numbers w = asked({.tasks = TaskSet::first(3), .losses = {1, 1, 1}, .step = step});
    CHECK(w[0] + w[1] + w[2] == doctest::Approx(1).epsilon(1e-12));
    for (std::size_t i = 0; i < 3; ++i) sums[i] += w[i] / 3000;
  }
  // A weight's deviation is below 0.25, a mean's below 0.005.
  check_near(sums, {1.0 / 3, 1.0 / 3, 1.0 / 3}, 0.02);
  CHECK(asked.alone({1, 2, 3}) == asked.alone({4, 5, 6}));
}

TEST_CASE("learned scales settle where the weighted losses are alike") {
  const Numbers losses{100, 1e-3, 2};
  Asked imtl{ImtlL{}};
  Asked uncertainty{Uncertainty{}};
  Numbers a, b;
  for (std::size_t step = 0; step < 2000; ++step) {
    a = imtl({.tasks = TaskSet::first(3), .losses = losses, .step = step});
    b = uncertainty({.tasks = TaskSet::first(3), .losses = losses, .step = step});
  }
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(a[i] * losses[i] == doctest::Approx(1).epsilon(0.03));
    CHECK(b[i] * losses[i] == doctest::Approx(0.5).epsilon(0.03));
  }
}

TEST_CASE("dynamic weights: a loss that was 0 has no rate, and an epoch without labels is no epoch of the task") {
  Asked dwa{DynamicWeightAverage{}};
  const auto both = [&](std::size_t epoch, const Numbers& losses) {
    return dwa({.tasks = TaskSet::first(2), .losses = losses, .epoch = epoch});
  };
  both(0, {0, 2});
  both(1, {5, 2});
  // Rates 1 (not 5 / 0) and 1.
  CHECK(both(2, {1, 2}) == Numbers{1, 1});
  // Task 1 is away in epoch 3: its last two epochs are 1 and 2.
  dwa({.tasks = TaskSet::only(0), .losses = {1}, .epoch = 3});
  const Numbers w = both(4, {1, 1});  // rates 1 / 1 and 2 / 2
  CHECK(w[0] == doctest::Approx(1).epsilon(1e-12));
  const Numbers next = both(5, {1, 1});  // rates 1 / 1 and 1 / 2
  const double share = 1 / (1 + std::exp(-0.25));
  check_near(next, {2 * share, 2 - 2 * share}, 1e-12);
}

TEST_CASE("GradNorm brings the gradients to one length; a task without a rate has the mean's") {
  Asked even{GradNorm{.alpha = 0}};
  Numbers w;
  for (std::size_t step = 0; step < 4000; ++step)
    w = even({.tasks = TaskSet::first(2), .losses = {1, 0}, .rows = {3, 0, 0, 0, 0.5, 0}, .step = step});
  CHECK(w[0] * 3 == doctest::Approx(w[1] * 0.5).epsilon(0.1));
  CHECK(w[0] + w[1] == doctest::Approx(2).epsilon(1e-12));

  // A rate above the mean asks for a longer gradient: after a step of Adam the weight has grown.
  Asked slow{GradNorm{.initial = {1, 1}}};
  const Asking at{.tasks = TaskSet::first(2), .losses = {2, 1}, .rows = {1, 0, 0, 0, 1, 0}};
  slow(at);
  w = slow(at);
  CHECK(w[0] > w[1]);
  // The second task's first loss is 0: both rates are 1, nothing moves.
  Asked unknown{GradNorm{}};
  const Asking zero{.tasks = TaskSet::first(2), .losses = {2, 0}, .rows = {1, 0, 0, 0, 1, 0}};
  unknown(zero);
  CHECK(unknown(zero) == Numbers{1, 1});
}

TEST_CASE("the groups of GO4Align are the best ones") {
  Random random(7, Purpose::user);
  for (std::size_t turn = 0; turn < 300; ++turn) {
    const std::size_t n = 1 + random.below(7), groups = 1 + random.below(4);
    Numbers x(n);
    for (double& number : x) number = random.below(3) == 0 ? 1 : random.normal() * (random.below(4) == 0 ? 1e6 : 1);
    Numbers found = x;
    balancing::detail::cluster(found, groups);
    double cost = 0;
    for (std::size_t i = 0; i < n; ++i) cost += (found[i] - x[i]) * (found[i] - x[i]);
    // All ways to name the groups of all numbers.
    double best = std::numeric_limits<double>::max();
    std::size_t ways = 1;
    for (std::size_t i = 0; i < n; ++i) ways *= groups;
    for (std::size_t way = 0; way < ways; ++way) {
      Numbers sum(groups, 0.0), count(groups, 0.0);
      double total = 0;
      for (std::size_t i = 0, rest = way; i < n; ++i, rest /= groups)
        sum[rest % groups] += x[i], count[rest % groups] += 1;
      for (std::size_t i = 0, rest = way; i < n; ++i, rest /= groups) {
        const double d = x[i] - sum[rest % groups] / count[rest % groups];
        total += d * d;
      }
      best = std::min(best, total);
    }
    CAPTURE(turn);
    CHECK(cost <= best * (1 + 1e-9) + 1e-18);
  }
  CHECK(first_weights(Go4Align{.groups = 64}, {1, 1, 1}) == Numbers{1, 1, 1});
}

TEST_CASE("a state is indexed by the task, and forgets") {
  for_each_policy([](const char* name, Asked low, Asked high) {
    CAPTURE(name);
    // Tasks 3 and 60 get what tasks 0 and 1 get.
    Numbers w, first;
    for (std::size_t step = 0; step < 9; ++step) {
      const double x = static_cast<double>(step % 3) + 1, y = static_cast<double>(step * 5 % 7) + 0.5;
      Asking at{.tasks = TaskSet::first(2),
                .losses = {x, y},
                .after = {y, x},
                .rows = {x, 1, 0, -1, y, y},
                .epoch = step / 3,
                .step = step};
      w = low(at);
      if (step == 0) first = w;
      at.tasks = TaskSet::only(3).with(60);
      CHECK(high(at) == w);
    }
    if (low.policy->resets()) {
      low.policy->reset();
      std::fill(low.memory.begin(), low.memory.end(), 0.0);
      CHECK(low({.tasks = TaskSet::first(2), .losses = {1, 0.5}, .after = {1, 1}, .rows = {1, 1, 0, -1, 0.5, 0.5}}) ==
            first);
    }
    // No task is no trouble.
    CHECK(low(Asking{}).empty());
  });
}
