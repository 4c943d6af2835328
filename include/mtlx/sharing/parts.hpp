// SPDX-License-Identifier: MIT
// Strategies that take levels and heads in one list of template arguments: what tells them apart.
#pragma once

namespace mtlx::sharing::detail {

template <class...>
struct List {};

/// Puts parts where they belong, in their order: those with a specialisation to the levels (or in front), the others to the
/// heads.
template <class Front, class Levels, class Heads, class... Parts>
struct Sorted;
template <class F, class Levels, class Heads>
struct Sorted<F, Levels, Heads> {
  using type = Sorted;
  using LevelList = Levels;
  using HeadList = Heads;
};
template <class F, class... L, class... H, class Part, class... Rest>
struct Sorted<F, List<L...>, List<H...>, Part, Rest...> : Sorted<F, List<L...>, List<H..., Part>, Rest...> {};

template <class Part>
inline constexpr bool is_head = requires {
  Part::name.view();
  typename Part::Layer;
};

}  // namespace mtlx::sharing::detail
