// SPDX-License-Identifier: MIT
#include <mtlx/balancing/balancer.hpp>

#include <doctest/doctest.h>

#include <vector>

using namespace mtlx;
using balancing::Needs;
using balancing::Problem;

namespace {

struct Forgetful {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::losses;
  void weights(const Problem&, NoState&, std::span<double>) const {}
};
struct Remembering {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::losses;
  struct State {
    double last = 0;
  };
  void weights(const Problem&, State&, std::span<double>) const {}
};
struct WrongState {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::losses;
  struct State {};
  void weights(const Problem&, NoState&, std::span<double>) const {}
};
struct NotConst {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::losses;
  void weights(const Problem&, NoState&, std::span<double>) {}
};
struct NoNeeds {
  static constexpr auto kind = Kind::balancer;
  void weights(const Problem&, NoState&, std::span<double>) const {}
};
struct OtherKind : Forgetful {
  static constexpr auto kind = Kind::optimizer;
};
struct Constructed : Forgetful {
  explicit Constructed(int) {}
};

}  // namespace

static_assert(Balancer<Forgetful>);
static_assert(Balancer<Remembering>);
static_assert(!Balancer<WrongState>);
static_assert(!Balancer<NotConst>);
static_assert(!Balancer<NoNeeds>);
static_assert(!Balancer<OtherKind>);
static_assert(!Balancer<Constructed>);
static_assert(std::is_same_v<PolicyState<Forgetful>, NoState>);
static_assert(std::is_same_v<PolicyState<Remembering>, Remembering::State>);

TEST_CASE("a problem reads its Gram matrix row by row") {
  const std::vector<double> gram{1, 2, 3, 4, 5, 6, 7, 8, 9};
  const Problem problem{.tasks = TaskSet::only(1).with(5).with(40), .losses = {}, .gram = gram};
  CHECK(problem.g(0, 2) == 3);
  CHECK(problem.g(2, 0) == 7);
  CHECK(problem.g(1, 1) == 5);
}
