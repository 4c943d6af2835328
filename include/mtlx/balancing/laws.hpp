// SPDX-License-Identifier: MIT
// What a balancer says about its direction d, so that testing/balancer_laws.hpp can hold it to its word: a policy's
//   constexpr Laws laws() const;
// Optional for policies of your own. J has a row g_i for each task, d = Jᵀ w is what a descent step subtracts; a policy
// with a state speaks of the state after `reset` (or State{}).
//
// Every inequality is meant up to rounding: a sum of the w_j g_j that cancels has no more digits than they leave. With
// s = sum_j |w_j| |g_j|, an inner product g_i · d from the rows is known to some 1e-12 |g_i| s.
#pragma once

#include <concepts>

namespace mtlx::balancing {

/// How the direction answers to another order of the tasks.
enum class Permutation {
  exact,            ///< it is the same (the weights may not be, where they are not unique)
  in_distribution,  ///< the tasks are visited in random order, every order equally likely
  none              ///< it may change: tasks have options of their own
};

/// For which matrices no task is made worse, to first order: g_i · d >= 0 for all i.
enum class NeverConflicts {
  no,           ///< nothing is promised
  independent,  ///< where the rows are linearly independent
  yes           ///< for all
};

/// What becomes of a problem that the method's equation has no solution for.
enum class Unsolved {
  none,  ///< there is always a solution
  zero,  ///< the direction is 0: the tasks stay where they are. Rows of zeros are left out before
  other  ///< another finite direction, named in the policy's header
};

/// The laws that a balancer keeps.
struct Laws {
  bool scales = true;            ///< d(c J) goes as a power of c; not so where weights take steps of a given size
  double scale_exponent = 1;     ///< d(c J) = c^e d(J) for c > 0; of a single task if nothing scales
  double single_task_scale = 1;  ///< of one task: d = s |g|^(e - 1) g
  Permutation permutation = Permutation::exact;
  NeverConflicts never_conflicts = NeverConflicts::no;
  bool never_uphill = true;  ///< never g_i · d < 0 for all i at once; weights of at least 0 grant it
  Unsolved unsolved = Unsolved::none;
};

/// Whether P declares its laws.
template <class P>
concept Lawful = requires(const P policy) {
  { policy.laws() } -> std::same_as<Laws>;
};

}  // namespace mtlx::balancing
