// SPDX-License-Identifier: MIT
#include <mtlx/grouping/together.hpp>

#include <doctest/doctest.h>

using namespace mtlx;

static_assert(GroupingRule<grouping::Together>);

TEST_CASE("one group has and serves all tasks") {
  for (const std::size_t tasks : std::initializer_list<std::size_t>{1, 2, 64}) {
    const auto plan = grouping::Together{}.plan(tasks);
    REQUIRE(plan.size() == 1);
    CHECK(plan[0].members == TaskSet::first(tasks));
    CHECK(plan[0].serves == TaskSet::first(tasks));
    grouping::check_plan(plan, tasks);
  }
}
