// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>

namespace mtlx {

/// What a policy is for. A policy says it with `static constexpr auto kind = Kind::balancer;`; the model's template
/// arguments are told apart by it, not by their position.
enum class Kind { sharing, balancer, optimizer, grouping, backend };

/// A type that says of itself which kind of policy it is.
template <class T>
concept Policy = requires {
  { T::kind } -> std::convertible_to<Kind>;
};

}  // namespace mtlx
