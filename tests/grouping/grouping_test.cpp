// SPDX-License-Identifier: MIT
#include <mtlx/grouping/grouping.hpp>

#include <doctest/doctest.h>

using namespace mtlx;
using grouping::Group;

namespace {

const TaskSet a = TaskSet::only(0), b = TaskSet::only(1), c = TaskSet::only(2);

struct NoPlan {
  static constexpr auto kind = Kind::grouping;
};
struct OtherPlan {
  static constexpr auto kind = Kind::grouping;
  std::vector<TaskSet> plan(std::size_t) const { return {}; }
};
struct Constructed {
  static constexpr auto kind = Kind::grouping;
  explicit Constructed(int) {}
  std::vector<Group> plan(std::size_t) const { return {}; }
};

}  // namespace

static_assert(!GroupingRule<NoPlan>);
static_assert(!GroupingRule<OtherPlan>);
static_assert(!GroupingRule<Constructed>);

TEST_CASE("sound plans pass") {
  grouping::check_plan({{a, a}, {b | c, b | c}}, 3);
  // Overlapping groups, and a group that serves nobody.
  grouping::check_plan({{a | b, a}, {a | b | c, b | c}, {c, {}}}, 3);
  grouping::check_plan({{TaskSet::first(64), TaskSet::first(64)}}, 64);
}

TEST_CASE("unsound plans throw and say which group") {
  const auto check = [](const std::vector<Group>& plan, const char* says) {
    CHECK_THROWS_WITH_AS(grouping::check_plan(plan, 3), says, Error);
  };
  check({}, "mtlx: grouping: 0 of 3 tasks are served by a group; every task must be");
  check({{a | b | c, a | c}}, "mtlx: grouping: 2 of 3 tasks are served by a group; every task must be");
  check({{a | b, a | b}, {b | c, b | c}}, "mtlx: grouping: group 1 serves a task that another group serves");
  check({{a, a}, {b, b | c}}, "mtlx: grouping: group 1 serves a task that is not its member");
  check({{TaskSet::first(4), TaskSet::first(3)}}, "mtlx: grouping: group 0 has a member that is no task of the model");
}
