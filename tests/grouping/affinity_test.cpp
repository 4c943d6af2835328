// SPDX-License-Identifier: MIT
#include <mtlx/grouping/affinity.hpp>
#include <mtlx/grouping/affinity/corrected.hpp>
#include <mtlx/grouping/affinity/cosine.hpp>
#include <mtlx/grouping/affinity/first_order.hpp>
#include <mtlx/grouping/affinity/gain.hpp>
#include <mtlx/grouping/affinity/lookahead.hpp>
#include <mtlx/grouping/affinity/odd.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <numeric>

using namespace mtlx;
using namespace mtlx::grouping;

namespace {

constexpr double none = std::numeric_limits<double>::quiet_NaN();

// One shared number. Task t's loss is offset[t] + slope[t] x + curve[t] x^2 / 2 at x = 0, its step is -rate slope[t].
struct Quadratic final : Moment {
  std::vector<double> slope{2, -1, 0.5, 1}, curve{1, 4, 0, 2}, offset{3, 2, 1, 4}, found;
  double rate = 0.1;
  std::size_t at = 0;
  std::uint64_t seeded = 0;
  TaskSet here = TaskSet::first(4);
  int passes = 0;
  double batch_slope = 1;  // the batch's gradients are so many times those that losses have

  double loss(std::size_t t, double x) const { return offset[t] + slope[t] * x + curve[t] * x * x / 2; }
  std::size_t tasks() const override { return 4; }
  TaskSet present() const override { return here; }
  std::size_t step() const override { return at; }
  std::uint64_t seed() const override { return seeded; }
  std::span<const double> losses() override { return offset; }
  std::span<const double> losses_after(std::span<const double> amounts) override {
    REQUIRE(amounts.size() == 4);
    ++passes;
    double x = 0;
    for (std::size_t t = 0; t < 4; ++t) x -= amounts[t] * rate * slope[t];
    found.clear();
    for (std::size_t t = 0; t < 4; ++t) found.push_back(loss(t, x));
    return found;
  }
  double fall(std::size_t affected, std::size_t acting) override { return rate * slope[affected] * slope[acting]; }
  double cosine(std::size_t a, std::size_t b) override { return slope[a] * slope[b] > 0 ? 1 : -1; }
  double batch_fall(std::size_t affected, std::size_t acting) override { return batch_slope * fall(affected, acting); }
};

template <class Measure>
std::vector<double> look(Moment& moment, Measure measure = {}) {
  Watching<Measure> watch(measure);
  watch.look(moment);
  return watch.seen().values;
}
double at(const std::vector<double>& table, std::size_t affected, std::size_t acting) {
  return table.at(affected * 4 + acting);
}
bool close(double a, double b) { return std::abs(a - b) < 1e-14; }

}  // namespace

TEST_CASE("measures of quadratic losses are what one reckons by hand") {
  Quadratic moment;
  // The loss of 0 after a step along 1, which goes up by 0.1: 3 + 0.2 + 0.005.
  CHECK(close(at(look<Lookahead>(moment), 0, 1), 1 - 3.205 / 3));
  // The other way round, along 0, which goes down by 0.2: 2 + 0.2 + 0.08.
  CHECK(close(at(look<Lookahead>(moment), 1, 0), 1 - 2.28 / 2));
  CHECK(close(at(look<FirstOrder>(moment), 0, 1), -0.2 / 3));
  CHECK(close(at(look<FirstOrder>(moment), 1, 0), -0.2 / 2));
  CHECK(close(at(look<Odd>(moment), 1, 0), -0.2 / 2));  // curvature cancels
  CHECK(at(look<Cosine>(moment), 1, 0) == -1);
  // Task 1 beside task 0: from +0.1 to -0.1, against +0.1.
  CHECK(close(at(look<Gain>(moment), 1, 0), 1 - (2 + 0.1 + 0.02) / (2 - 0.1 + 0.02)));
  // The diagonal.
  CHECK(close(at(look<Lookahead>(moment), 1, 1), 1 - (2 - 0.1 + 0.02) / 2));
  CHECK(close(at(look<Gain>(moment), 1, 1), 1 - (2 - 0.1 + 0.02) / 2));
  CHECK(close(at(look<FirstOrder>(moment), 3, 3), 0.1 / 4));
  CHECK(close(at(look<Odd>(moment), 3, 3), 0.1 / 4));
  CHECK(at(look<Cosine>(moment), 3, 3) == 1);
  // A task without curvature: all orders are the first.
  for (std::size_t i = 0; i < 4; ++i)
    CHECK(close(at(look<Lookahead>(moment), 2, i), at(look<FirstOrder>(moment), 2, i)));
}

TEST_CASE("a measure takes the passes that it says") {
  const auto passes = [](auto measure) {
    Quadratic moment;
    look(moment, measure);
    return moment.passes;
  };
  CHECK(passes(Lookahead{}) == 4);
  CHECK(passes(FirstOrder{}) == 0);
  CHECK(passes(Odd{}) == 8);
  CHECK(passes(Cosine{}) == 0);
  CHECK(passes(Gain{}) == 10);
  CHECK(passes(Corrected{.block = 1}) == 4);
}

TEST_CASE("what can't be told is NaN: absent tasks, losses that are not above 0, losses that are not finite") {
  Quadratic moment;
  moment.here = TaskSet::only(0).with(1).with(3);
  moment.offset[3] = 0;
  const auto check = [&](auto measure) {
    CAPTURE(measure.name);
    const std::vector<double> table = look(moment, measure);
    for (std::size_t j = 0; j < 4; ++j)
      for (std::size_t i = 0; i < 4; ++i) {
        const bool told = i != 2 && j < 2;  // row 3 is affected with loss 0, 2 is absent
        CHECK(is_nan(at(table, j, i)) != told);
      }
  };
  check(Lookahead{});
  check(FirstOrder{});
  check(Corrected{});
  check(Corrected{.block = 1});
  check(Odd{});
  moment.offset[3] = -1;
  check(Lookahead{});
  check(Corrected{.block = 1});
  moment.offset[3] = none;
  check(FirstOrder{});
  check(Lookahead{});
  moment.offset[3] = std::numeric_limits<double>::infinity();
  check(Lookahead{});
  check(Odd{});
}

TEST_CASE("measures look in every so manyeth step") {
  CHECK(Lookahead{.every = 3}.wants(0));
  CHECK_FALSE(Lookahead{.every = 3}.wants(2));
  CHECK(Lookahead{.every = 3}.wants(6));
  CHECK_FALSE(Lookahead{.every = 0}.wants(0));
  CHECK(Corrected{}.wants(7));
  Watching<FirstOrder> watch({.every = 2}, Evaluation::same_batch, StepKind::gradient);
  CHECK(watch.evaluation() == Evaluation::same_batch);
  CHECK(watch.step_kind() == StepKind::gradient);
  CHECK_FALSE(watch.wants(1));
  CHECK(watch.seen().measure == "first order");
  CHECK(watch.seen().looks() == 0);
  CHECK(watch.seen().mean().empty());
}

TEST_CASE("a record has every look, and means leave out what is NaN") {
  Watching<FirstOrder> watch;
  Quadratic moment;
  for (moment.at = 0; moment.at < 4; ++moment.at) {
    moment.rate = 0.1 * static_cast<double>(moment.at + 1);
    moment.here = moment.at == 3 ? TaskSet::only(0) : TaskSet::first(3);
    watch.look(moment);
  }
  const Affinities& seen = watch.seen();
  CHECK(seen.steps == std::vector<std::size_t>{0, 1, 2, 3});
  CHECK(seen.tasks == 4);
  CHECK(close(at({seen.look(1).begin(), seen.look(1).end()}, 0, 1), -0.4 / 3));
  CHECK(close(at(seen.mean(), 0, 1), -0.4 / 3));  // of three looks
  CHECK(close(at(seen.mean(), 0, 0), 4 * (0.1 + 0.2 + 0.3 + 0.4) / 4 / 3));
  CHECK(close(at(seen.mean(1, 2), 0, 1), -0.4 / 3));
  CHECK(close(at(seen.mean(2), 0, 1), -0.6 / 3));
  CHECK(is_nan(at(seen.mean(), 3, 0)));
  CHECK(is_nan(at(seen.mean(3), 0, 1)));
  watch.clear();
  CHECK(watch.seen().looks() == 0);
}

TEST_CASE("corrected: one exact look a block, and the mean of its looks has no bias, in an unfinished block too") {
  constexpr std::size_t steps = 27, block = 10;
  constexpr int runs = 4000;
  const Corrected measure{.block = block};
  Quadratic moment;
  moment.batch_slope = 0.7;
  // What the exact lookahead would have had at every step; steps differ.
  const auto set = [&](std::size_t s) {
    moment.at = s;
    moment.rate = 0.02 * static_cast<double>(1 + s % 7);
  };
  double exact = 0;
  for (std::size_t s = 0; s < steps; ++s) set(s), exact += at(look<Lookahead>(moment), 1, 0) / steps;
  std::vector<int> chosen(steps);
  double sum = 0, squares = 0;
  for (int run = 0; run < runs; ++run) {
    moment.seeded = static_cast<std::uint64_t>(run);
    double mean = 0;
    std::vector<int> in_block(3);
    for (std::size_t s = 0; s < steps; ++s) {
      set(s);
      moment.passes = 0;
      mean += at(look(moment, measure), 1, 0) / steps;
      if (moment.passes > 0) ++chosen[s], ++in_block[s / block];
    }
    CHECK((in_block[0] == 1 && in_block[1] == 1 && in_block[2] <= 1));
    sum += mean, squares += mean * mean;
  }
  const double mean = sum / runs, deviation = std::sqrt(squares / runs - mean * mean);
  CHECK(deviation > 0);
  CHECK(std::abs(mean - exact) < 4 * deviation / std::sqrt(runs));
  // Without the correction it would be far off.
  double first = 0;
  for (std::size_t s = 0; s < steps; ++s) set(s), first += moment.batch_fall(1, 0) / moment.offset[1] / steps;
  CHECK(std::abs(first - exact) > 20 * deviation / std::sqrt(runs));
  for (const int count : chosen) CHECK(std::abs(count - runs / 10) < 5 * std::sqrt(runs * 0.09));
}
