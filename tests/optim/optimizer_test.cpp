// SPDX-License-Identifier: MIT
#include <mtlx/backend/cpu.hpp>
#include <mtlx/optim/optimizer.hpp>

#include "oracle.hpp"

using namespace mtlx;

namespace {

// The smallest type of the header's head.
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

// Its rate is the last loss that it was told.
struct Remembering {
  static constexpr auto kind = Kind::optimizer;
  static constexpr std::size_t states = 0;
  struct State {
    double loss = 0.25;
  };
  int unused = 0;
  auto rule(const optim::Now&, const State& state) const {
    return [rate = state.loss](auto& parameter, auto gradient, auto&) {
      parameter -= decltype(gradient)(rate) * gradient;
    };
  }
  void observe(State& state, double loss) const { state.loss = loss; }
};

struct OtherKind : Descent {
  static constexpr auto kind = Kind::balancer;
};
struct NoStates {
  static constexpr auto kind = Kind::optimizer;
  auto rule(const optim::Now&) const {
    return [](auto&, auto, auto&) {};
  }
};
struct Constructed : Descent {
  explicit Constructed(double rate) : Descent{rate} {}
};
struct TooFewArguments {
  static constexpr auto kind = Kind::optimizer;
  static constexpr std::size_t states = 1;
  auto rule(const optim::Now&) const {
    return [](auto&, auto) {};
  }
};
// What it remembers can never change.
struct Unobserving {
  static constexpr auto kind = Kind::optimizer;
  static constexpr std::size_t states = 0;
  struct State {
    double loss = 0;
  };
  auto rule(const optim::Now&, const State&) const {
    return [](auto&, auto, auto&) {};
  }
};
struct OfStep {
  static constexpr auto kind = Kind::optimizer;
  static constexpr std::size_t states = 0;
  auto rule(std::uint64_t) const {
    return [](auto&, auto, auto&) {};
  }
};

}  // namespace

static_assert(Optimizer<Descent>);
static_assert(Optimizer<Remembering>);
static_assert(!Optimizer<Unobserving>);
static_assert(!Optimizer<OfStep>);
static_assert(!Optimizer<OtherKind>);
static_assert(!Optimizer<NoStates>);
static_assert(!Optimizer<Constructed>);
static_assert(!Optimizer<TooFewArguments>);
static_assert(!Optimizer<int>);

TEST_CASE("the smallest optimizer descends as plain Sgd does") {
  oracle::agrees<backend::Cpu<double>>(Descent{0.1}, sgd_plain, 1e-13);
}

TEST_CASE("an optimizer is asked with what it remembers") {
  const Remembering policy;
  PolicyState<Remembering> state{};
  std::array<double, 0> row{};
  double p = 1;
  optim::rule(policy, {}, state)(p, 2.0, row);
  CHECK(p == 0.5);
  optim::observe(policy, state, 0.125);
  optim::rule(policy, {}, state)(p, 2.0, row);
  CHECK(p == 0.25);
  PolicyState<Descent> nothing{};
  optim::observe(Descent{}, nothing, 0.125);
  optim::rule(Descent{0.5}, {}, nothing)(p, 2.0, row);
  CHECK(p == -0.75);
}
