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
// Laws: w is assigned, finite where the problem is, and depends on nothing but the arguments.
//
// The smallest type that models it is EqualWeights (equal_weights.hpp).
#pragma once

#include <cstddef>
#include <mtlx/core/kind.hpp>
#include <mtlx/core/policy_state.hpp>
#include <mtlx/core/random.hpp>
#include <mtlx/core/task_set.hpp>
#include <span>
#include <type_traits>

namespace mtlx::balancing {

/// What a balancer must know before it can say its weights.
enum class Needs { nothing, losses, gradients };

/// What a balancer is asked. Entries of the spans belong to the tasks of the set, in order.
struct Problem {
  TaskSet tasks;
  std::span<const double> losses;  ///< this step's, (tasks); empty for Needs::nothing
  std::span<const double> gram;    ///< inner products of the tasks' gradients, (tasks, tasks); for Needs::gradients
  Random random{0, Purpose::balance};

  double g(std::size_t i, std::size_t j) const { return gram[i * tasks.count() + j]; }
};

}  // namespace mtlx::balancing

namespace mtlx {

/// A balancer policy; see the head of balancing/balancer.hpp.
template <class P>
concept Balancer = Policy<P> && P::kind == Kind::balancer && std::is_aggregate_v<P> &&
                   requires(const P p, const balancing::Problem& problem, PolicyState<P>& state, std::span<double> w) {
                     { P::needs } -> std::convertible_to<balancing::Needs>;
                     p.weights(problem, state, w);
                   };

}  // namespace mtlx
