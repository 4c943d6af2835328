// SPDX-License-Identifier: MIT
#include <mtlx/balancing/equal_weights.hpp>

#include <doctest/doctest.h>

#include <vector>

using namespace mtlx;

static_assert(Balancer<balancing::EqualWeights>);
static_assert(balancing::EqualWeights::needs == balancing::Needs::nothing);

TEST_CASE("equal weights are 1, whatever stood there") {
  NoState state;
  for (const std::size_t tasks : std::initializer_list<std::size_t>{1, 3, 64}) {
    std::vector<double> w(tasks, -7);
    balancing::EqualWeights{}.weights({.tasks = TaskSet::first(tasks), .losses = {}, .gram = {}}, state, w);
    CHECK(w == std::vector<double>(tasks, 1));
  }
}
