// SPDX-License-Identifier: MIT
#include <mtlx/backend/cpu.hpp>
#include <mtlx/backend/reference.hpp>
#include <mtlx/core/error.hpp>
#include <mtlx/optim/adam_w.hpp>
#include <mtlx/optim/averaged.hpp>
#include <mtlx/optim/clipped.hpp>
#include <mtlx/optim/schedule.hpp>
#include <mtlx/optim/sgd.hpp>

#include "oracle.hpp"

using namespace mtlx;
using namespace mtlx::optim;

namespace {

constexpr Averaged<Sgd> sgd{.optimizer = {.learning_rate = 0.05, .momentum = 0.9}, .decay = 0.9};
constexpr Averaged<Adam> adam{.optimizer = {.learning_rate = 1e-2}, .decay = 0.99};

constexpr AdamW adam_w{.learning_rate = 1e-2, .beta1 = 0.8, .beta2 = 0.99, .weight_decay = 0.1};
constexpr WarmUp<Cosine> schedule{.epochs = 1.6, .start_factor = 0.25, .next = {.floor = 0.05}};
// The wrappers in orders of all kinds.
using A = Averaged<Scheduled<Clipped<AdamW>, WarmUp<Cosine>>>;
using B = Scheduled<Clipped<Averaged<AdamW>>, WarmUp<Cosine>>;
using C = Clipped<Averaged<Scheduled<AdamW, WarmUp<Cosine>>>>;
constexpr A a{.optimizer = {.optimizer = {.optimizer = adam_w, .norm = 1.75}, .schedule = schedule}, .decay = 0.9};
constexpr B b{.optimizer = {.optimizer = {.optimizer = adam_w, .decay = 0.9}, .norm = 1.75}, .schedule = schedule};
constexpr C c{.optimizer = {.optimizer = {.optimizer = adam_w, .schedule = schedule}, .decay = 0.9}, .norm = 1.75};

}  // namespace

static_assert(Optimizer<A>);
static_assert(Optimizer<B>);
static_assert(Optimizer<C>);
static_assert(states<A> == 3 && states<B> == 3 && states<C> == 3, "mtlx: one number more than AdamW's");
static_assert(averages<A> && averages<B> && averages<C> && !averages<AdamW>, "mtlx: seen from outside");
static_assert(needs_norm<A> && needs_norm<B> && needs_norm<C> && !needs_norm<AdamW>, "mtlx: seen from outside");

TEST_CASE_TEMPLATE("Averaged keeps PyTorch's average in double", Back, backend::Reference, backend::Cpu<double>) {
  oracle::agrees<Back>(sgd, averaged_sgd, 1e-12);
  oracle::agrees<Back>(adam, averaged_adam, 1e-12);
  oracle::agrees<Back>(a, nested, 1e-12);
  oracle::agrees<Back>(b, nested, 1e-12);
  oracle::agrees<Back>(c, nested, 1e-12);
}

TEST_CASE("Averaged keeps PyTorch's average in float, to rounding") {
  using Back = backend::Cpu<float>;
  oracle::agrees<Back>(sgd, averaged_sgd, 2e-6);
  oracle::agrees<Back>(adam, averaged_adam, 2e-6);
  oracle::agrees<Back>(a, nested, 4e-6);
}

TEST_CASE("the first average is the weights, and training is not changed by it") {
  double p = 1, alone = 1;
  std::array<double, 2> row{};
  std::array<double, 1> velocity{};
  for (std::uint64_t step = 1; step <= 3; ++step) {
    optim::rule(sgd, {.step = step}, {})(p, 2.0, row);
    optim::rule(sgd.optimizer, {.step = step}, {})(alone, 2.0, velocity);
    CHECK(p == alone);
    CHECK(row[1] == velocity[0]);
    if (step == 1) CHECK(row[0] == p);
  }
  CHECK(row[0] != p);
}

TEST_CASE("Averaged refuses options out of range, and those of the optimizer within") {
  CHECK_THROWS_WITH_AS((Averaged<Sgd>{.decay = 1}.validate()),
                       "mtlx: Averaged: decay must be at least 0 and less than 1, and is 1", Error);
  CHECK_THROWS_WITH_AS((Averaged<Clipped<Sgd>>{.optimizer = {.norm = -1}}.validate()),
                       "mtlx: Clipped: norm must be a number of at least 0, and is -1", Error);
}
