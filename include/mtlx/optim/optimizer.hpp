// SPDX-License-Identifier: MIT
// The concept of an optimizer: how one gradient moves the parameters.
//
// An optimizer is an aggregate of hyper-parameters with `kind = Kind::optimizer` and
//   static constexpr std::size_t states;             numbers kept for each parameter, zero at first
//   auto rule(const Now& now) const;                 how a parameter moves in a step at that time
// rule(now) is a pure function of one parameter, over any number type:
//   function(Number& parameter, Number gradient, std::array<Number, states>& row)
// It holds copies of what it needs, not `this`. The backend applies it to each segment whose owners take part, in one
// pass. The rows are as long as the flat vector.
//
// Optional:
//   struct State;                                    what it remembers between epochs, trivially copyable; then
//   auto rule(const Now& now, const State&) const;   takes the place of the above, and
//   void observe(State&, double loss) const;         is called after each epoch with the mean validation loss of the
//                                                    tasks that train (their training loss without validation data)
//   static constexpr bool needs_norm = true;         asks for now.gradient_norm
//   static constexpr bool averages = true;           the first of its states is an average of the weights
//   void validate() const;                           throws `Error` if an option is out of range
//   static consteval bool check();                   refuses the type's own arguments, with one static_assert
//
// A checkpoint is the rows, the State and the segments' step counts.
//
// Laws: elementwise (cutting the vector anywhere changes no bit); agrees with PyTorch's optimizer of that name.
//
// The smallest type that models it:
//   struct Descent {
//     static constexpr auto kind = Kind::optimizer;
//     static constexpr std::size_t states = 0;
//     double learning_rate = 1e-2;
//     auto rule(const optim::Now&) const {
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
#include <mtlx/core/policy_state.hpp>
#include <type_traits>

namespace mtlx {

namespace optim {

/// What an optimizer may know about the step it is asked for.
struct Now {
  std::uint64_t step = 1;             ///< counts the segment's own steps from 1: for corrections of bias
  double epoch = 0;                   ///< place in the whole training, in epochs from 0, with the fraction
  double epochs = 1;                  ///< planned in all, those before this `fit` included
  std::uint64_t steps_per_epoch = 1;  ///< of this `fit`
  double gradient_norm = 0;           ///< of the direction on all present segments; only where `needs_norm` asks
};

// The optional members with their defaults.

template <class P>
inline constexpr std::size_t states = 0;
template <class P>
  requires requires {
    { P::states } -> std::convertible_to<std::size_t>;
  }
inline constexpr std::size_t states<P> = P::states;

template <class P>
inline constexpr bool needs_norm = requires { requires P::needs_norm; };

template <class P>
inline constexpr bool averages = requires { requires P::averages; };

/// The rule of an optimizer, whether it remembers anything or not.
template <class P>
auto rule(const P& policy, const Now& now, const PolicyState<P>& state)
  requires requires { policy.rule(now, state); } || requires { policy.rule(now); }
{
  if constexpr (requires { policy.rule(now, state); })
    return policy.rule(now, state);
  else
    return policy.rule(now);
}

/// The learning rate that an optimizer, maybe within wrappers, has at that time; 1 if it has none.
template <class P>
double learning_rate(const P& policy, const Now& now, const PolicyState<P>& state) {
  if constexpr (requires { policy.scheduled_rate(now, state); })
    return policy.scheduled_rate(now, state);
  else if constexpr (requires { policy.learning_rate; })
    return static_cast<double>(policy.learning_rate);
  else if constexpr (requires { learning_rate(policy.optimizer, now, state); })
    return learning_rate(policy.optimizer, now, state);
  else
    return 1;
}

/// Tells a policy that remembers the loss of an epoch.
template <class P>
void observe(const P& policy, PolicyState<P>& state, double loss) {
  if constexpr (requires { policy.observe(state, loss); }) policy.observe(state, loss);
}

}  // namespace optim

/// An optimizer policy; see the head of this file.
template <class P>
concept Optimizer = Policy<P> && P::kind == Kind::optimizer && std::is_aggregate_v<P> && requires {
  { P::states } -> std::convertible_to<std::size_t>;
} && requires(const P p, double number, std::array<double, P::states> row, const PolicyState<P> state) {
  optim::rule(p, optim::Now{}, state)(number, 0.0, row);
} && (std::is_empty_v<PolicyState<P>> || requires(const P p, PolicyState<P>& state) { p.observe(state, 0.0); });

namespace optim {

namespace detail {

template <class P>
consteval bool check_arguments() {
  if constexpr (requires { P::check(); })
    return P::check();
  else
    return true;
}

template <template <class...> class Wrapper, class P>
inline constexpr bool is_made_of = false;
template <template <class...> class Wrapper, class... P>
inline constexpr bool is_made_of<Wrapper, Wrapper<P...>> = true;

// Whether P is that wrapper, or has it somewhere within.
template <template <class...> class Wrapper, class P>
consteval bool contains() {
  if constexpr (is_made_of<Wrapper, P>)
    return true;
  else if constexpr (requires(P p) { p.optimizer; })
    return contains<Wrapper, decltype(P::optimizer)>();
  else
    return false;
}

}  // namespace detail

/// Whether P is an optimizer; if not, one sentence has said why.
template <class P>
consteval bool check() {
  if constexpr (detail::check_arguments<P>()) {
    static_assert(Optimizer<P>,
                  "mtlx: an optimizer must be an aggregate with `states` and `auto rule(const Now& now) const`: see "
                  "optim/optimizer.hpp");
    if constexpr (Optimizer<P>) return check_state<P>();
  }
  return false;
}

}  // namespace optim

}  // namespace mtlx
