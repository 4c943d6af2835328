// SPDX-License-Identifier: MIT
#include <mtlx/backend/cpu.hpp>
#include <mtlx/backend/reference.hpp>
#include <mtlx/core/error.hpp>
#include <mtlx/optim/adagrad.hpp>
#include <mtlx/optim/clipped.hpp>
#include <mtlx/optim/sgd.hpp>

#include <limits>

#include "oracle.hpp"

using namespace mtlx;
using optim::Adagrad;
using optim::Clipped;
using optim::Sgd;

static_assert(Optimizer<Clipped<Sgd>>);
static_assert(optim::needs_norm<Clipped<Sgd>> && !optim::needs_norm<Sgd>, "mtlx: clipping asks for the norm");
static_assert(optim::states<Clipped<Adagrad>> == 1, "mtlx: clipping keeps no numbers of its own");

namespace {
constexpr Sgd sgd{.learning_rate = 0.05, .momentum = 0.9};
constexpr Clipped<Sgd> norm{.optimizer = sgd, .norm = 1.75};
constexpr Clipped<Sgd> value{.optimizer = sgd, .value = 0.375};
constexpr Clipped<Adagrad> both{.optimizer = {.learning_rate = 0.1}, .norm = 1.75, .value = 0.375};
constexpr Clipped<Sgd> off{.optimizer = sgd};

// What a clipped gradient is, alone.
double clipped(const Clipped<Sgd>& policy, double gradient, double length) {
  double p = 0;
  std::array<double, 1> row{};
  optim::rule(policy, {.gradient_norm = length}, {})(p, gradient, row);
  return -p;
}
}  // namespace

TEST_CASE_TEMPLATE("Clipped clips as PyTorch does, in double", Back, backend::Reference, backend::Cpu<double>) {
  oracle::agrees<Back>(norm, clipped_norm, 1e-12);
  oracle::agrees<Back>(value, clipped_value, 1e-12);
  oracle::agrees<Back>(both, clipped_both, 1e-12);
}

TEST_CASE("Clipped clips as PyTorch does, in float to rounding") {
  using Back = backend::Cpu<float>;
  oracle::agrees<Back>(norm, clipped_norm, 2e-6);
  oracle::agrees<Back>(value, clipped_value, 2e-6);
  oracle::agrees<Back>(both, clipped_both, 2e-6);
}

TEST_CASE("nothing to clip changes no bit") {
  using Back = backend::Cpu<float>;
  CHECK(oracle::run<Back>(off) == oracle::run<Back>(sgd));
  CHECK(oracle::run<Back>(Clipped<Sgd>{.optimizer = sgd, .norm = 100, .value = 1}) == oracle::run<Back>(sgd));
}

TEST_CASE("by norm, by value, and first by norm") {
  const Sgd unit{.learning_rate = 1};
  CHECK(clipped({unit, 2}, 3, 4) == doctest::Approx(1.5).epsilon(1e-6));
  CHECK(clipped({unit, 2}, 3, 1) == 3);
  CHECK(clipped({unit, 2}, 0, 0) == 0);
  CHECK(clipped({unit, 0, 0.5}, 3, 4) == 0.5);
  CHECK(clipped({unit, 0, 0.5}, -3, 4) == -0.5);
  CHECK(clipped({unit, 2, 1.6}, 3, 4) == doctest::Approx(1.5).epsilon(1e-6));
  // A gradient that is no number is not hidden.
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(is_nan(clipped({unit, 2, 0.5}, nan, nan)));
}

TEST_CASE("Clipped refuses options out of range, and those of the optimizer within") {
  CHECK_THROWS_WITH_AS((Clipped<Sgd>{.norm = -1}.validate()),
                       "mtlx: Clipped: norm must be a number of at least 0, and is -1", Error);
  CHECK_THROWS_WITH_AS((Clipped<Sgd>{.value = -1}.validate()),
                       "mtlx: Clipped: value must be a number of at least 0, and is -1", Error);
  CHECK_THROWS_WITH_AS((Clipped<Sgd>{.optimizer = {.learning_rate = -1}}.validate()),
                       "mtlx: Sgd: learning_rate must be a number of at least 0, and is -1", Error);
}
