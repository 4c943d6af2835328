// SPDX-License-Identifier: MIT
// The concept of a grouping rule: which tasks train together.
//
// A rule is an aggregate with `kind = Kind::grouping` and
//   std::vector<Group> plan(std::size_t tasks) const;
// The model trains one network for each group, on the group's members, and predicts each task from the one group that
// serves it. Groups may overlap; every task is served exactly once, by a group that it is a member of.
//
// The smallest type that models it is Together (together.hpp).
#pragma once

#include <cstddef>
#include <mtlx/core/error.hpp>
#include <mtlx/core/kind.hpp>
#include <mtlx/core/task_set.hpp>
#include <type_traits>
#include <vector>

namespace mtlx::grouping {

/// Tasks that train one network together, and those among them that it answers for.
struct Group {
  TaskSet members;
  TaskSet serves;
};

/// Throws `Error` unless every task is served exactly once, by a group that it is a member of.
inline void check_plan(const std::vector<Group>& plan, std::size_t tasks) {
  TaskSet served;
  for (std::size_t g = 0; g < plan.size(); ++g) {
    const Group& group = plan[g];
    if (!((group.members | TaskSet::first(tasks)) == TaskSet::first(tasks)))
      fail("grouping: group ", g, " has a member that is no task of the model");
    if (!((group.serves & group.members) == group.serves))
      fail("grouping: group ", g, " serves a task that is not its member");
    if (served.meets(group.serves)) fail("grouping: group ", g, " serves a task that another group serves");
    served = served | group.serves;
  }
  if (!(served == TaskSet::first(tasks)))
    fail("grouping: ", served.count(), " of ", tasks, " tasks are served by a group; every task must be");
}

}  // namespace mtlx::grouping

namespace mtlx {

/// A grouping policy; see the head of grouping/grouping.hpp.
template <class P>
concept GroupingRule = Policy<P> && P::kind == Kind::grouping && std::is_aggregate_v<P> && requires(const P p) {
  { p.plan(std::size_t{1}) } -> std::convertible_to<std::vector<grouping::Group>>;
};

}  // namespace mtlx
