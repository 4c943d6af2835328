// SPDX-License-Identifier: MIT
#pragma once

#include <type_traits>

namespace mtlx {

/// The state of a policy that remembers nothing.
struct NoState {};

namespace detail {
template <class P>
struct StateOf {
  using type = NoState;
};
template <class P>
  requires requires { typename P::State; }
struct StateOf<P> {
  using type = typename P::State;
};
}  // namespace detail

/// The type of what a policy remembers between steps or epochs: its `State`, if it has one.
template <class P>
using PolicyState = typename detail::StateOf<P>::type;

/// Whether a checkpoint can hold what P remembers; if not, one sentence has said why.
template <class P>
consteval bool check_state() {
  static_assert(std::is_trivially_copyable_v<PolicyState<P>>,
                "mtlx: the State of a policy must be trivially copyable, so that a checkpoint can hold it");
  return std::is_trivially_copyable_v<PolicyState<P>>;
}

}  // namespace mtlx
