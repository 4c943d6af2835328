// SPDX-License-Identifier: MIT
// The concept of a grouping rule: which tasks train together.
//
// A rule is an aggregate with `kind = Kind::grouping` and one of
//   std::vector<Group> plan(std::size_t tasks) const;    a plan that is known beforehand, or
//   std::vector<Group> plan(std::span<const std::string_view> names) const;     one that names tasks
//   Plan find(Workshop& workshop) const;                 a plan that is found by training (grouping/workshop.hpp), at the
//                                                        beginning of the first `fit`; until then all tasks are one group
// The model trains one network for each group, on the group's members, and predicts each task from the one group that
// serves it. Groups may overlap; every task is served exactly once, by a group that it is a member of.
//
// Rules that regroup while one network trains: see grouping/regrouping.hpp.
//
// Optional:
//   void validate() const;                               throws `Error` if an option is out of range
//   template <class TaskList> static consteval bool check();   whether it can serve these tasks; if not, one `static_assert`
//                                                        has said why
//
// The smallest type that models it is Together (together.hpp).
#pragma once

#include <concepts>
#include <cstddef>
#include <mtlx/core/error.hpp>
#include <mtlx/core/kind.hpp>
#include <mtlx/core/task_set.hpp>
#include <mtlx/grouping/affinity.hpp>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace mtlx::grouping {

/// Tasks that train one network together, and those among them that it answers for.
struct Group {
  TaskSet members;
  TaskSet serves;

  friend bool operator==(const Group&, const Group&) = default;
};

/// What a rule found out on the way to its plan.
struct Evidence {
  std::string text{};           ///< in words: what is certain, what isn't
  std::vector<Table> tables{};  ///< what it went by
  double value = 0;             ///< of the plan, as the rule reckons; its unit is the rule's
  std::size_t steps = 0;        ///< of training that finding it took (the model fills it in)
};

/// A plan with its evidence.
struct Plan {
  std::vector<Group> groups;
  Evidence evidence{};
};

class Workshop;

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

/// A plan by the tasks' names, such as "left, (right); right": a task is in brackets where another group's network predicts
/// it.
[[gnu::cold, gnu::noinline]] inline std::string plan_text(const std::vector<Group>& plan,
                                                          std::span<const std::string_view> names) {
  std::string text;
  for (const Group& group : plan) {
    std::string members;
    for (std::size_t t = 0; t < names.size(); ++t) {
      if (!group.members.has(t)) continue;
      const bool serves = group.serves.has(t);
      members += join(members.empty() ? "" : ", ", serves ? "" : "(", names[t], serves ? "" : ")");
    }
    text += join(text.empty() ? "" : "; ", members);
  }
  return text;
}

/// Whether a rule finds its plan by training.
template <class P>
concept Finds = requires(const P p, Workshop& workshop) {
  { p.find(workshop) } -> std::same_as<Plan>;
};

/// Whether a rule has a plan beforehand.
template <class P>
concept Knows = requires(const P p) {
  { p.plan(std::size_t{1}) } -> std::convertible_to<std::vector<Group>>;
} || requires(const P p, std::span<const std::string_view> names) {
  { p.plan(names) } -> std::convertible_to<std::vector<Group>>;
};

/// The plan that a model of these tasks begins with: the rule's, or all together where that is yet to be found. Throws
/// `Error` if it is not sound.
template <class P>
std::vector<Group> first_plan(const P& rule, std::span<const std::string_view> names) {
  std::vector<Group> plan;
  if constexpr (requires { rule.plan(names); })
    plan = rule.plan(names);
  else if constexpr (Knows<P>)
    plan = rule.plan(names.size());
  else
    plan = {{TaskSet::first(names.size()), TaskSet::first(names.size())}};
  check_plan(plan, names.size());
  return plan;
}

}  // namespace mtlx::grouping

namespace mtlx {

/// A grouping policy; see the head of grouping/grouping.hpp.
template <class P>
concept GroupingRule =
    Policy<P> && P::kind == Kind::grouping && std::is_aggregate_v<P> && (grouping::Knows<P> || grouping::Finds<P>);

}  // namespace mtlx
