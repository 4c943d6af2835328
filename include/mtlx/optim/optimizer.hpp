// SPDX-License-Identifier: MIT
// The concept of an optimizer: how one gradient moves the parameters.
//
// An optimizer is an aggregate of hyper-parameters with `kind = Kind::optimizer` and
//   static constexpr std::size_t states;             numbers kept for each parameter, zero at first
//   auto rule(std::uint64_t step) const;             step counts a segment's own steps from 1
// rule(step) is a pure function of one parameter, over any number type:
//   function(Number& parameter, Number gradient, std::array<Number, states>& state)
// The backend applies it to each segment whose owners take part, in one pass. The state lives in rows as long as the
// flat vector; a checkpoint is the rows and the segments' step counts.
//
// Laws: elementwise (cutting the vector anywhere changes no bit); agrees with PyTorch's optimizer of that name.
//
// The smallest type that models it:
//   struct Descent {
//     static constexpr auto kind = Kind::optimizer;
//     static constexpr std::size_t states = 0;
//     double learning_rate = 1e-2;
//     auto rule(std::uint64_t) const {
//       return [rate = learning_rate](auto& parameter, auto gradient, auto&) {
//         parameter -= decltype(gradient)(rate) * gradient;
//       };
//     }
//   };
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <mtlx/core/kind.hpp>
#include <type_traits>

namespace mtlx {

/// An optimizer policy; see the head of this file.
template <class P>
concept Optimizer = Policy<P> && P::kind == Kind::optimizer && std::is_aggregate_v<P> && requires {
  { P::states } -> std::convertible_to<std::size_t>;
} && requires(const P p, double number, std::array<double, P::states> state) {
  p.rule(std::uint64_t{1})(number, 0.0, state);
};

}  // namespace mtlx
