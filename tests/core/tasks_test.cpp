// SPDX-License-Identifier: MIT
#include <mtlx/core/tasks.hpp>

#include <doctest/doctest.h>

#include <type_traits>

using namespace mtlx;

namespace {

template <Name TaskName, int Outputs>
struct Some {
  static constexpr auto name = TaskName;
  static constexpr int outputs = Outputs;
};
struct Nameless {
  static constexpr int outputs = 1;
};

using Three = Tasks<Some<"left", 1>, Some<"right", 2>, Some<"both", 3>>;

static_assert(NamedTask<Some<"left", 1>>);
static_assert(Nameless::outputs == 1 && !NamedTask<Nameless>);
static_assert(!NamedTask<int>);
static_assert(std::is_same_v<Three::At<1>, Some<"right", 2>>);

}  // namespace

TEST_CASE("tasks are found by name") {
  CHECK(Three::count == 3);
  CHECK(Three::names[2] == "both");
  CHECK(Three::index("left") == 0);
  CHECK(Three::index("both") == 2);
  CHECK(Three::index("bot") == 3);
  CHECK(Three::index("") == 3);
  CHECK(check_tasks<Three>());
}
