// SPDX-License-Identifier: MIT
// The concept of a balancer: how the tasks' losses or gradients become one direction.
//
// A balancer is an aggregate of hyper-parameters with `kind = Kind::balancer` and
//   static constexpr Needs needs;                                    what it must know before it can say its weights
//   void weights(const Problem&, State&, std::span<double> w) const; assigns w, one for each task of the problem
//   struct State;                                                    optional; what it remembers between steps,
//                                                                    trivially copyable
//   void validate() const;                                           optional; throws `Error` if an option is wrong
// What the weights mean follows from what it needs:
//   Needs::nothing    weights of the losses, known before the step (equal, random, from earlier losses)
//   Needs::losses     weights of the losses, from this batch's losses (costs a forward pass of its own)
//   Needs::gradients  weights of the tasks' gradients on the shared parameters, from their Gram matrix G = J Jᵀ: the
//                     direction is Jᵀ w; parameters of one task follow that task's own gradient
// Only tasks that are present in the step are in the problem.
//
// Optional, for any of these:
//   void after(const Problem&, State&) const;           after the update; problem.losses are those of the same batch with
//                                                       the same random draws, anew (costs a forward pass)
//   void observe(const Problem&, State&) const;         before the update; problem.losses are the step's, which cost
//                                                       nothing here: for weights that go by the losses of earlier steps
// Optional, with Needs::gradients:
//   static constexpr bool weighs_own = true;            a task's own parameters follow w_i times its own gradient; or
//   void own_weights(const Problem&, const State&, std::span<double> w) const;
//                                                       these times it, asked after `weights`
//   static constexpr std::size_t batches = k;           the step's batch is cut into k; see Problem::gram
//   template <class S> void combine(const Problem&, const State&, std::span<const S* const> rows, std::size_t first,
//                                   std::span<S> direction) const;
//       assigns coordinates [first, first + direction.size()) of the direction, in place of Jᵀ w; rows[i] : those of
//       g_i. Called for many ranges at once; random numbers go by the coordinate (Random::block). With it, `weights` may
//       be left out.
//   template <class S> double absorb(const Problem&, const State&, std::size_t i, std::span<S> gradient,
//                                    std::span<S> memory) const;
//       before `weights`: the policy keeps a number for each task and shared parameter (`memory`, zero at first); here are
//       some coordinates of g_i, with problem.gram of all g, and theirs. What it returns is summed over the coordinates,
//       in their order, into problem.sums[i]. It may write to `gradient`, and problem.gram is then computed anew from
//       what it left; with `std::span<const S> gradient` it only reads.
// What `combine` and `absorb` do to a coordinate depends on neither the range nor the order.
//
// A wrapper changes how another balancer is applied. It has `using Method`, a member `Method method`, and one of
//   static constexpr Blocks blocks;                     what is balanced apart, each with a State of its own
//   static constexpr bool on_representation = true;     g_i are gradients at the shared representation, not at parameters
//   static constexpr bool masks = true;                 some shared parameters never move; before the first step, for each
//                                                       block of them,
//   template <class S> void mask(const nn::Parameter&, std::span<const S> values, std::span<S> mask) const;
//                                                       assigns 1 (moves) or 0 to each
//
// Laws: w is assigned, finite where the problem is, and depends on nothing but the arguments.
//
// The smallest type that models it is EqualWeights (equal_weights.hpp).
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <mtlx/core/kind.hpp>
#include <mtlx/core/policy_state.hpp>
#include <mtlx/core/random.hpp>
#include <mtlx/core/task_set.hpp>
#include <span>
#include <type_traits>

namespace mtlx::balancing {

/// What a balancer must know before it can say its weights.
enum class Needs { nothing, losses, gradients };

/// Which shared parameters are balanced together: all, those of a layer, or one block of them (a matrix, a bias).
enum class Blocks { whole, layers, parameters };

/// What a balancer is asked. Entries of the spans belong to the tasks of the set, in order.
struct Problem {
  TaskSet tasks;
  std::span<const double> losses;  ///< this step's, (tasks); empty for Needs::nothing
  /// Inner products of the tasks' gradients, (tasks, tasks); for Needs::gradients. With k batches the direction is made of
  /// the last one's, and these are of the first one's (rows) with those of the last but one (columns): for k = 2 of the
  /// first one's alone, for k = 3 of two that know nothing of each other.
  std::span<const double> gram;
  Random random{0, Purpose::balance};
  std::size_t epoch = 0;           ///< of this step, from 0
  std::size_t step = 0;            ///< of this network's training, from 0
  std::span<const double> sums{};  ///< what `absorb` returned, (tasks)

  /// Where the i-th task of the set stands in the model's task list: what a state is indexed by, since the set may differ
  /// from step to step.
  std::size_t task(std::size_t i) const {
    std::uint64_t rest = tasks.bits();
    for (; i > 0; --i) rest &= rest - 1;
    return static_cast<std::size_t>(std::countr_zero(rest));
  }
  double g(std::size_t i, std::size_t j) const { return gram[i * tasks.count() + j]; }
};

namespace detail {
template <class P>
struct CoreOf {
  using type = P;
};
template <class P>
  requires requires { typename P::Method; }
struct CoreOf<P> : CoreOf<typename P::Method> {};

template <class P>
concept Wrapper = requires { typename P::Method; };
}  // namespace detail

/// What is within all wrappers.
template <class P>
using Core = typename detail::CoreOf<P>::type;

/// The same of a value.
template <class P>
constexpr const Core<P>& core(const P& policy) {
  if constexpr (detail::Wrapper<P>)
    return balancing::core(policy.method);
  else
    return policy;
}

/// P wants the losses after the step.
template <class P>
concept LooksBack = requires(const P p, const Problem& problem, PolicyState<P>& state) { p.after(problem, state); };

/// P wants the losses of each step that is made.
template <class P>
concept Observes = requires(const P p, const Problem& problem, PolicyState<P>& state) { p.observe(problem, state); };

/// P has weights.
template <class P>
concept Weighs = requires(const P p, const Problem& problem, PolicyState<P>& state, std::span<double> w) {
  p.weights(problem, state, w);
};

/// P makes the direction itself, coordinate by coordinate.
template <class P>
concept Combines =
    requires(const P p, const Problem& problem, const PolicyState<P>& state, std::span<const float* const> rows,
             std::span<float> direction) { p.combine(problem, state, rows, std::size_t{}, direction); };

/// P reads rows into a memory of its own, and leaves them as they are.
template <class P>
concept ReadsRows = requires(const P p, const Problem& problem, const PolicyState<P>& state,
                             std::span<const float> gradient, std::span<float> memory) {
  { p.template absorb<float>(problem, state, std::size_t{}, gradient, memory) } -> std::same_as<double>;
};

/// P has a memory of rows.
template <class P>
concept Remembers = ReadsRows<P> || requires(const P p, const Problem& problem, const PolicyState<P>& state,
                                             std::span<float> gradient, std::span<float> memory) {
  { p.template absorb<float>(problem, state, std::size_t{}, gradient, memory) } -> std::same_as<double>;
};

/// P has factors for the tasks' own parameters that are not its weights.
template <class P>
concept WeighsOwn = requires(const P p, const Problem& problem, const PolicyState<P>& state, std::span<double> w) {
  p.own_weights(problem, state, w);
};

// The optional constants with their defaults.

template <class P>
inline constexpr bool weighs_own = WeighsOwn<P> || requires { requires P::weighs_own; };

template <class P>
inline constexpr std::size_t batches = 1;
template <class P>
  requires requires {
    { P::batches } -> std::convertible_to<std::size_t>;
  }
inline constexpr std::size_t batches<P> = P::batches;

// What wrappers ask for, wherever they stand in the chain.

template <class P>
consteval Blocks blocks() {
  if constexpr (requires {
                  { P::blocks } -> std::convertible_to<Blocks>;
                })
    return P::blocks;
  else if constexpr (detail::Wrapper<P>)
    return blocks<typename P::Method>();
  else
    return Blocks::whole;
}

template <class P>
consteval bool on_representation() {
  if constexpr (requires { requires P::on_representation; })
    return true;
  else if constexpr (detail::Wrapper<P>)
    return on_representation<typename P::Method>();
  else
    return false;
}

// How often a wrapper of the chain says each of the three.
namespace detail {
struct Said {
  int blocks = 0, representation = 0, masks = 0;
};
template <class P>
consteval Said said() {
  if constexpr (Wrapper<P>) {
    Said all = said<typename P::Method>();
    if constexpr (requires {
                    { P::blocks } -> std::convertible_to<Blocks>;
                  })
      ++all.blocks;
    if constexpr (requires { requires P::on_representation; }) ++all.representation;
    if constexpr (requires { requires P::masks; }) ++all.masks;
    return all;
  } else {
    return {};
  }
}
template <class P>
consteval bool wrapped_once() {
  constexpr Said all = said<P>();
  return all.blocks <= 1 && all.representation <= 1 && all.masks <= 1;
}
}  // namespace detail

// A member of that name, whatever its form: the name in a type with that and another of the name is ambiguous. P is not
// final: `check` says so first.
namespace detail {
struct Names {
  int after, observe, combine, absorb, own_weights;
};
template <class P>
struct AndNames : P, Names {};
template <class P>
inline constexpr bool has_after = !requires { &AndNames<P>::after; };
template <class P>
inline constexpr bool has_observe = !requires { &AndNames<P>::observe; };
template <class P>
inline constexpr bool has_combine = !requires { &AndNames<P>::combine; };
template <class P>
inline constexpr bool has_absorb = !requires { &AndNames<P>::absorb; };
template <class P>
inline constexpr bool has_own_weights = !requires { &AndNames<P>::own_weights; };
}  // namespace detail

/// Whether some parameters never move.
template <class P>
consteval bool masks() {
  if constexpr (requires { requires P::masks; })
    return true;
  else if constexpr (detail::Wrapper<P>)
    return masks<typename P::Method>();
  else
    return false;
}

/// What says which.
template <class P>
constexpr const auto& masking(const P& policy) {
  if constexpr (requires { requires P::masks; })
    return policy;
  else
    return balancing::masking(policy.method);
}

/// Whether a step is as without a balancer, but for weights of losses or of rows, and for telling it the losses.
template <class P>
consteval bool has_weights_alone() {
  using C = Core<P>;
  return Weighs<C> && !LooksBack<C> && !Combines<C> && !Remembers<C> && batches<C> == 1 && !weighs_own<C> &&
         blocks<P>() == Blocks::whole && !on_representation<P>() && !masks<P>();
}

}  // namespace mtlx::balancing

namespace mtlx {

/// A balancer policy; see the head of balancing/balancer.hpp.
template <class P>
concept Balancer = Policy<P> && P::kind == Kind::balancer && std::is_aggregate_v<P> && requires {
  { balancing::Core<P>::needs } -> std::convertible_to<balancing::Needs>;
} && (balancing::Weighs<balancing::Core<P>> || balancing::Combines<balancing::Core<P>>);

}  // namespace mtlx

namespace mtlx::balancing {

namespace detail {
// Whether the method's own arguments are right: `static consteval bool check()`, if it has one, says why not.
template <class M>
consteval bool check_arguments() {
  if constexpr (requires { M::check(); })
    return M::check();
  else
    return true;
}
}  // namespace detail

/// Whether P is a balancer; if not, one sentence has said why.
template <class P>
consteval bool check() {
  static_assert(!detail::check_arguments<Core<P>>() || Balancer<P>,
                "mtlx: a balancer must be an aggregate with `needs` and `void weights(const Problem&, State&, "
                "std::span<double>) const`: see balancing/balancer.hpp");
  constexpr bool derivable = !std::is_final_v<Core<P>>;
  static_assert(derivable, "mtlx: a balancer is not `final`: `check` derives from it to see which names it has");
  static_assert(
      detail::wrapped_once<P>(),
      "mtlx: a balancer's wrapper is within another that asks for the same, and one of them would say nothing");
  if constexpr (derivable && detail::wrapped_once<P>() && detail::check_arguments<Core<P>>() && Balancer<P>) {
    using C = Core<P>;
    constexpr bool formed = (LooksBack<C> || !detail::has_after<C>) && (Observes<C> || !detail::has_observe<C>) &&
                            (Combines<C> || !detail::has_combine<C>) && (Remembers<C> || !detail::has_absorb<C>) &&
                            (WeighsOwn<C> || !detail::has_own_weights<C>);
    static_assert(formed,
                  "mtlx: `after`, `observe`, `combine`, `absorb` or `own_weights` of a balancer has not the form that "
                  "balancing/balancer.hpp shows");
    constexpr bool plain = !Combines<C> && !Remembers<C> && batches<C> == 1 && !weighs_own<C> &&
                           blocks<P>() == Blocks::whole && !on_representation<P>();
    constexpr bool needed = plain || C::needs == Needs::gradients;
    static_assert(!formed || needed,
                  "mtlx: what combines, absorbs or weighs gradients, takes several batches, goes by "
                  "layers or on a representation needs `Needs::gradients`");
    constexpr bool one = !Remembers<C> + (batches<C> == 1) + !on_representation<P>() >= 2 &&
                         !(on_representation<P>() && blocks<P>() != Blocks::whole);
    static_assert(!formed || !needed || one,
                  "mtlx: a balancer has a memory of rows, or several batches, or works on a "
                  "representation (and not by layers), but not two of these");
    if constexpr (formed && needed && one) return check_state<C>();
  }
  return false;
}

}  // namespace mtlx::balancing
