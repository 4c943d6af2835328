// SPDX-License-Identifier: MIT
#include <mtlx/core/policy_state.hpp>

#include <doctest/doctest.h>

#include <type_traits>

namespace {

struct Forgetful {};
struct Remembering {
  struct State {
    double last = 0.5;
  };
};

}  // namespace

TEST_CASE("what a policy remembers is its State, or nothing") {
  CHECK(std::is_same_v<mtlx::PolicyState<Forgetful>, mtlx::NoState>);
  CHECK(std::is_same_v<mtlx::PolicyState<Remembering>, Remembering::State>);
  CHECK(std::is_same_v<mtlx::PolicyState<int>, mtlx::NoState>);
  CHECK(std::is_empty_v<mtlx::NoState>);
  CHECK(mtlx::check_state<Remembering>());
  CHECK(mtlx::check_state<Forgetful>());
}
