// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <mtlx/core/name.hpp>
#include <mtlx/core/tasks.hpp>
#include <mtlx/grouping/grouping.hpp>

namespace mtlx::grouping {

namespace detail {

template <Name... TaskNames>
struct NameList {
  template <class TaskList>
  static constexpr bool known = ((TaskList::index(TaskNames.view()) < TaskList::count) && ...);

  static constexpr int count([[maybe_unused]] std::string_view task) {
    return (0 + ... + static_cast<int>(TaskNames.view() == task));
  }
  static constexpr TaskSet set(std::span<const std::string_view> names) {
    TaskSet found;
    for (std::size_t t = 0; t < names.size(); ++t)
      if (count(names[t]) > 0) found = found.with(t);
    return found;
  }
};

struct IsGivenGroup {};

/// A group whose network predicts some tasks and trains others beside them.
template <class Served, class Helpers>
struct GivenGroup : IsGivenGroup {
  template <class TaskList>
  static constexpr bool known = Served::template known<TaskList> && Helpers::template known<TaskList>;

  /// How often it serves the task.
  static constexpr int serves(std::string_view task) { return Served::count(task); }
  static constexpr Group group(std::span<const std::string_view> names) {
    return {Served::set(names) | Helpers::set(names), Served::set(names)};
  }
};

/// Checks groups, one thing after the other.
template <class TaskList, class... G>
struct GivenCheck;
template <class... Task, class... G>
struct GivenCheck<Tasks<Task...>, G...> {
  static consteval bool run() {
    constexpr bool known = (G::template known<Tasks<Task...>> && ...);
    static_assert(known, "mtlx: a group of grouping::Given names a task that the model does not have");
    if constexpr (known) {
      constexpr bool once = ((served<Task>() == 1) && ...);
      static_assert(once, "mtlx: each task of the model is to be served by exactly one group of grouping::Given");
      return once;
    }
    return false;
  }

 private:
  template <class T>
  static constexpr int served() {
    return (0 + ... + G::serves(T::name.view()));
  }
};

}  // namespace detail

/// A group of `Given`: tasks that train one network together and are predicted by it. `Serves<"a", "b">::With<"c">` trains
/// c too, which another group serves.
template <Name... TaskNames>
struct Serves : detail::GivenGroup<detail::NameList<TaskNames...>, detail::NameList<>> {
  template <Name... HelperNames>
  using With = detail::GivenGroup<detail::NameList<TaskNames...>, detail::NameList<HelperNames...>>;
};

/// Grouping policy: these groups, by the tasks' names. `Given<Serves<"a", "b">, Serves<"c">::With<"a">>` is two networks: one
/// of a and b for both, and one of c and a for c. Where groups are known at run time only, `MultiTask::set_plan` takes them.
template <class... Groups>
struct Given {
  static constexpr auto kind = Kind::grouping;

  template <class TaskList>
  static consteval bool check() {
    constexpr bool groups = (std::derived_from<Groups, detail::IsGivenGroup> && ...);
    static_assert(groups, "mtlx: the template arguments of grouping::Given are grouping::Serves<\"task\", ...>");
    if constexpr (groups)
      return detail::GivenCheck<TaskList, Groups...>::run();
    else
      return false;
  }

  /// names : (tasks). A name that is no task's is left out.
  std::vector<Group> plan(std::span<const std::string_view> names) const { return {Groups::group(names)...}; }
};

}  // namespace mtlx::grouping
