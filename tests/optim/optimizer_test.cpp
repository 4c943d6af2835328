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
  auto rule(std::uint64_t) const {
    return [rate = learning_rate](auto& parameter, auto gradient, auto&) {
      parameter -= decltype(gradient)(rate) * gradient;
    };
  }
};

struct OtherKind : Descent {
  static constexpr auto kind = Kind::balancer;
};
struct NoStates {
  static constexpr auto kind = Kind::optimizer;
  auto rule(std::uint64_t) const {
    return [](auto&, auto, auto&) {};
  }
};
struct Constructed : Descent {
  explicit Constructed(double rate) : Descent{rate} {}
};
struct TooFewArguments {
  static constexpr auto kind = Kind::optimizer;
  static constexpr std::size_t states = 1;
  auto rule(std::uint64_t) const {
    return [](auto&, auto) {};
  }
};

}  // namespace

static_assert(Optimizer<Descent>);
static_assert(!Optimizer<OtherKind>);
static_assert(!Optimizer<NoStates>);
static_assert(!Optimizer<Constructed>);
static_assert(!Optimizer<TooFewArguments>);
static_assert(!Optimizer<int>);

TEST_CASE("the smallest optimizer descends as plain Sgd does") {
  oracle::agrees<backend::Cpu<double>>(Descent{0.1}, sgd_plain, 1e-13);
}
