// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <mtlx/core/name.hpp>
#include <mtlx/core/task_set.hpp>
#include <string_view>
#include <tuple>

namespace mtlx {

/// A task, by what every floor asks of it: its name and how many numbers its head puts out. nn/task.hpp has the rest.
template <class T>
concept NamedTask = requires {
  { T::name.view() } -> std::convertible_to<std::string_view>;
  { T::outputs } -> std::convertible_to<int>;
};

/// The tasks of a model, in order.
template <class... T>
struct Tasks {
  static constexpr std::size_t count = sizeof...(T);
  template <std::size_t i>
  using At = std::tuple_element_t<i, std::tuple<T...>>;

  static constexpr std::array<std::string_view, count> names{T::name.view()...};

  /// The position of the task of that name, or `count`.
  static constexpr std::size_t index(std::string_view name) {
    std::size_t i = 0;
    while (i < count && names[i] != name) ++i;
    return i;
  }
};

namespace detail {

template <class L>
struct TaskListCheck {
  static consteval bool run() {
    static_assert(sizeof(L) == 0, "mtlx: the second template argument of MultiTask is the list of tasks, Tasks<...>");
    return false;
  }
};
template <class... T>
struct TaskListCheck<Tasks<T...>> {
  static consteval bool run() {
    constexpr std::size_t count = sizeof...(T);
    constexpr bool number = count > 0 && count <= TaskSet::capacity;
    static_assert(number, "mtlx: a model has from 1 to 64 tasks");
    constexpr bool tasks = (NamedTask<T> && ...);
    static_assert(tasks, "mtlx: a task needs a name and a number of outputs: see nn/task.hpp");
    if constexpr (number && tasks) {
      constexpr bool unique = [] {
        for (std::size_t i = 0; i < count; ++i)
          if (Tasks<T...>::index(Tasks<T...>::names[i]) != i) return false;
        return true;
      }();
      static_assert(unique, "mtlx: two tasks of a model have the same name");
      return unique;
    }
    return false;
  }
};

}  // namespace detail

/// Whether L is a list of tasks; if not, one sentence has said why.
template <class L>
consteval bool check_tasks() {
  return detail::TaskListCheck<L>::run();
}

}  // namespace mtlx
