// SPDX-License-Identifier: MIT
#include <mtlx/core/error.hpp>
#include <mtlx/optim/schedule.hpp>
#include <mtlx/optim/sgd.hpp>

#include <limits>
#include <type_traits>

#include "oracle.hpp"

using namespace mtlx;
using namespace mtlx::optim;

static_assert(Schedule<Constant>);
static_assert(Schedule<optim::Step>);
static_assert(Schedule<MultiStep>);
static_assert(Schedule<Cosine>);
static_assert(Schedule<OneCycle>);
static_assert(Schedule<ReduceOnPlateau>);
static_assert(Schedule<WarmUp<>>);
static_assert(Schedule<WarmUp<ReduceOnPlateau>>);
static_assert(!Schedule<Sgd>);
static_assert(!Schedule<int>);
static_assert(Optimizer<Scheduled<Sgd, Cosine>>);
static_assert(std::is_empty_v<Scheduled<Sgd, Cosine>::State>);
static_assert(sizeof(Scheduled<Sgd, WarmUp<ReduceOnPlateau>>::State) == sizeof(ReduceOnPlateau::State),
              "mtlx: a checkpoint holds no byte without a meaning");

namespace {

template <class S>
double at(const S& schedule, double epoch, double epochs = 10, std::uint64_t steps = 5) {
  return optim::rate(schedule, {.epoch = epoch, .epochs = epochs, .steps_per_epoch = steps}, {});
}

template <class S>
void agrees(const S& schedule, const double (&expected)[oracle::steps]) {
  schedule.validate();
  for (int step = 1; step <= oracle::steps; ++step) {
    CAPTURE(step);
    CHECK(std::abs(optim::rate(schedule, oracle::now(step), {}) - expected[step - 1]) <= 1e-12);
  }
}

// The losses that scripts/oracle/optimizers.py showed PyTorch's.
double loss(int epoch) {
  constexpr std::array losses{1.0, 0.75, 0.75, 0.8125, 0.74999, 0.75, 0.5, 0.5, 0.625, 0.5};
  return losses[static_cast<std::size_t>(epoch % 10)] - epoch / 10 / 16.0;
}

template <class S>
void agrees_epoch_by_epoch(const S& schedule, const double (&expected)[oracle::steps]) {
  schedule.validate();
  PolicyState<S> state{};
  for (int epoch = 0; epoch < oracle::steps; ++epoch) {
    CAPTURE(epoch);
    CHECK(std::abs(optim::rate(schedule, {}, state) - expected[epoch]) <= 1e-12);
    schedule.observe(state, loss(epoch));
  }
}

const double not_a_number = std::numeric_limits<double>::quiet_NaN(),
             infinity = std::numeric_limits<double>::infinity();

}  // namespace

TEST_CASE("schedules give PyTorch's learning rates") {
  agrees(optim::Step{.step_size = 3, .gamma = 0.5}, step_rates);
  agrees(MultiStep{.milestones = {2, 3, 7}, .gamma = 0.25}, multi_step_rates);
  agrees(Cosine{}, cosine_rates);
  agrees(Cosine{.floor = 0.125}, cosine_floor_rates);
  agrees(OneCycle{}, one_cycle_rates);
  agrees(OneCycle{.pct_start = 0.45, .div_factor = 10, .final_div_factor = 100}, one_cycle_options_rates);
  agrees(WarmUp<>{.epochs = 1.4}, warm_up_rates);
  agrees(WarmUp<Cosine>{.epochs = 2, .start_factor = 0.25, .next = {.floor = 0.05}}, warm_up_cosine_rates);
}

TEST_CASE("ReduceOnPlateau gives PyTorch's learning rates") {
  agrees_epoch_by_epoch(ReduceOnPlateau{.factor = 0.5, .patience = 2}, plateau_rates);
  agrees_epoch_by_epoch(
      ReduceOnPlateau{.factor = 0.25, .patience = 1, .threshold = 0.05, .cooldown = 2, .min_factor = 0.02},
      plateau_options_rates);
}

TEST_CASE("a loss that is no number is no better, be it the first") {
  const ReduceOnPlateau schedule{.factor = 0.5, .patience = 0};
  ReduceOnPlateau::State state;
  const auto after = [&](double loss) {
    schedule.observe(state, loss);
    return state.rate;
  };
  CHECK(after(not_a_number) == 0.5);
  CHECK(after(4) == 0.5);
  CHECK(after(infinity) == 0.25);
  CHECK(after(-infinity) == 0.125);
  CHECK(after(5) == 0.0625);
  CHECK(after(3) == 0.0625);
}

TEST_CASE("steps are taken at whole epochs") {
  const optim::Step step{.step_size = 2, .gamma = 0.5};
  CHECK(at(step, 0) == 1);
  CHECK(at(step, 1.999) == 1);
  CHECK(at(step, 2) == 0.5);
  CHECK(at(step, 4.5) == 0.25);
  const MultiStep several{.milestones = {1, 4}, .gamma = 0.5};
  CHECK(at(several, 0.999) == 1);
  CHECK(at(several, 1) == 0.5);
  CHECK(at(several, 3.999) == 0.5);
  CHECK(at(several, 100) == 0.25);
  CHECK(at(MultiStep{}, 100) == 1);
  // After a warm-up of a part of an epoch too, whatever rounding makes of the difference.
  const WarmUp<optim::Step> warm{.epochs = 0.3, .next = {.step_size = 2, .gamma = 0.5}};
  CHECK(at(warm, 2.2) == 1);
  CHECK(at(warm, 2 + 3 / 10.0) == 0.5);
}

TEST_CASE("the smooth ones end where they should") {
  CHECK(at(Constant{}, 3.5) == 1);
  const Cosine early{.floor = 0.25, .epochs = 4};
  CHECK(at(early, 0) == 1);
  CHECK(at(early, 2) == doctest::Approx(0.625).epsilon(1e-15));
  CHECK(at(early, 4) == 0.25);
  CHECK(at(early, 9.8) == 0.25);
  CHECK(at(Cosine{}, 10) == 0);
  // A rise of no length, and one of the whole training.
  CHECK(at(OneCycle{.pct_start = 0}, 0) == doctest::Approx(1).epsilon(1e-2));
  CHECK(at(OneCycle{.pct_start = 1}, 9.8) == doctest::Approx(1).epsilon(1e-15));
  CHECK(at(OneCycle{.pct_start = 1}, 0) == doctest::Approx(0.04).epsilon(1e-15));
  CHECK(at(OneCycle{}, 9.8) == doctest::Approx(4e-6).epsilon(1e-15));
  // A training of one step has only its last one.
  CHECK(at(OneCycle{}, 0, 1, 1) == doctest::Approx(4e-6).epsilon(1e-15));
  CHECK(at(WarmUp<OneCycle>{.epochs = 2}, 9.8) == doctest::Approx(4e-6).epsilon(1e-12));
  // A warm-up of no length, and one that outlasts the training.
  CHECK(at(WarmUp<Cosine>{.epochs = 0}, 0) == 1);
  CHECK(at(WarmUp<Cosine>{.epochs = 20, .start_factor = 0}, 5) == 0.25);
}

TEST_CASE("a plateau is seen during a warm-up, and takes effect after it") {
  const WarmUp<ReduceOnPlateau> schedule{.epochs = 2, .start_factor = 0.5, .next = {.factor = 0.5, .patience = 0}};
  PolicyState<WarmUp<ReduceOnPlateau>> state{};
  schedule.observe(state, 1);
  schedule.observe(state, 1);
  CHECK(schedule.rate({.epoch = 1}, state) == 0.75);
  CHECK(schedule.rate({.epoch = 2}, state) == 0.5);
}

TEST_CASE("Scheduled changes the learning rate and nothing else") {
  const Scheduled<Sgd, Cosine> policy{.optimizer = {.learning_rate = 0.5, .momentum = 0.25}};
  double p = 0;
  std::array<double, 1> row{4};
  policy.rule({.step = 2, .epoch = 5, .epochs = 10}, {})(p, 1.0, row);
  CHECK(row[0] == 2);
  CHECK(p == doctest::Approx(-0.5).epsilon(1e-15));
  CHECK(policy.optimizer.learning_rate == 0.5);
  Scheduled<Sgd, ReduceOnPlateau> reducing{.optimizer = {.learning_rate = 1},
                                           .schedule = {.factor = 0.5, .patience = 0}};
  decltype(reducing)::State state;
  for (int epoch = 0; epoch < 2; ++epoch) reducing.observe(state, 1);
  p = 0;
  reducing.rule({}, state)(p, 1.0, row = {0});
  CHECK(p == -0.5);
}

TEST_CASE("schedules refuse options out of range") {
  CHECK_THROWS_WITH_AS((optim::Step{.step_size = 0}.validate()),
                       "mtlx: Step: step_size must be a number of at least 1, and is 0", Error);
  CHECK_THROWS_AS((optim::Step{.gamma = not_a_number}.validate()), Error);
  CHECK_THROWS_WITH_AS((MultiStep{.milestones = {3, 3}}.validate()),
                       "mtlx: MultiStep: milestones must ascend, and 3 follows 3", Error);
  CHECK_THROWS_AS((MultiStep{.gamma = -1}.validate()), Error);
  CHECK_THROWS_WITH_AS((Cosine{.floor = 2}.validate()),
                       "mtlx: Cosine: floor must be at least 0 and at most 1, and is 2", Error);
  CHECK_THROWS_AS((Cosine{.epochs = -1}.validate()), Error);
  CHECK_THROWS_AS((OneCycle{.pct_start = 1.5}.validate()), Error);
  CHECK_THROWS_AS((OneCycle{.div_factor = 0}.validate()), Error);
  CHECK_THROWS_AS((OneCycle{.final_div_factor = 0.5}.validate()), Error);
  CHECK_THROWS_AS((ReduceOnPlateau{.factor = 1}.validate()), Error);
  CHECK_THROWS_AS((ReduceOnPlateau{.threshold = -1}.validate()), Error);
  CHECK_THROWS_AS((ReduceOnPlateau{.min_factor = infinity}.validate()), Error);
  CHECK_THROWS_AS((WarmUp<>{.epochs = -1}.validate()), Error);
  CHECK_THROWS_AS((WarmUp<>{.start_factor = 1.5}.validate()), Error);
  CHECK_THROWS_AS((WarmUp<Cosine>{.next = {.floor = -1}}.validate()), Error);
  CHECK_THROWS_WITH_AS((Scheduled<Sgd, Cosine>{.schedule = {.floor = -1}}.validate()),
                       "mtlx: Cosine: floor must be at least 0 and at most 1, and is -1", Error);
  CHECK_THROWS_AS((Scheduled<Sgd, Cosine>{.optimizer = {.learning_rate = -1}}.validate()), Error);
}
