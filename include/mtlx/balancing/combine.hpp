// SPDX-License-Identifier: MIT
// Balancers alone: for gradients, or their inner products, that were computed elsewhere.
//
//   Eigen::VectorXd d = balancing::combine(balancing::UpGrad{}, jacobian);     // a row for each task
//   Eigen::VectorXd w = balancing::weights(balancing::Mgda{}, jacobian * jacobian.transpose());
//
// A policy that remembers is given what it keeps:
//
//   balancing::Kept<balancing::GradVac> kept;
//   for (...) d = balancing::combine(balancing::GradVac{}, jacobian, kept);
//
// Includes Eigen, and is the only header of this folder that does.
#pragma once

#include <mtlx/balancing/balancer.hpp>
#include <mtlx/balancing/laws.hpp>
#include <mtlx/balancing/solvers.hpp>
#include <mtlx/core/error.hpp>
#include <mtlx/core/options.hpp>
#include <mtlx/core/scalar.hpp>

#include <Eigen/Core>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

namespace mtlx::balancing {

/// What a balancer remembers between calls for gradients of type S.
template <class P, class S = double>
struct Kept {
  PolicyState<Core<P>> state{};
  Eigen::Matrix<S, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> memory{};  ///< (tasks, parameters), where P has one
  std::size_t step = 0;                                                        ///< calls up to now
  std::size_t tasks = 0;                                                       ///< of the last call

  void reset() { *this = {}; }
};

/// What a balancer may ask for besides the gradients. Random numbers depend on the seed and the step.
struct Besides {
  std::span<const double> losses{};  ///< (tasks); for methods that go by them
  std::uint64_t seed = 0;
  std::size_t epoch = 0;
};

namespace detail {

[[gnu::cold, gnu::noinline]] inline void check_tasks(std::size_t tasks, std::span<const double> losses,
                                                     bool needs_losses) {
  if (tasks < 1 || tasks > TaskSet::capacity)
    fail("balancing takes the gradients of 1 to ", TaskSet::capacity, " tasks, a row each, and these are ", tasks);
  if (needs_losses && losses.empty()) fail("this balancer goes by the losses, and none are given: {.losses = ...}");
  if (!losses.empty() && losses.size() != tasks)
    fail("balancing is given ", losses.size(), " losses for the gradients of ", tasks, " tasks");
  for (std::size_t i = 0; i < losses.size(); ++i)
    if (!is_finite(losses[i])) fail("balancing: the loss of task ", i, " (the first is 0) is not finite");
}
[[gnu::cold, gnu::noinline]] inline void check_gram(std::span<const double> gram, std::size_t tasks) {
  for (std::size_t i = 0; i < tasks; ++i)
    for (std::size_t j = 0; j < tasks; ++j)
      if (!is_finite(gram[i * tasks + j]))
        fail("balancing: the inner product of the gradients of tasks ", i, " and ", j,
             " (the first is 0) is not finite in double");
}

[[noreturn, gnu::cold, gnu::noinline]] inline void refuse_short(std::size_t task) {
  fail("balancing: the gradient of task ", task,
       " (the first is 0) is shorter than 1e-150, and the square of its length is lost in double: scale the gradients");
}

// The inner product in double. (g++ 12 warns of Eigen's with AVX-512.)
template <class A, class B>
[[gnu::noinline]] double inner(const A* a, const B* b, std::size_t size) {
  std::array<double, 16> sums{};
  const std::size_t even = size - size % sums.size();
  for (std::size_t k = 0; k < even; k += sums.size())
    for (std::size_t l = 0; l < sums.size(); ++l)
      sums[l] += static_cast<double>(a[k + l]) * static_cast<double>(b[k + l]);
  for (std::size_t k = even; k < size; ++k) sums[k - even] += static_cast<double>(a[k]) * static_cast<double>(b[k]);
  for (std::size_t l = sums.size() / 2; l > 0; l /= 2)
    for (std::size_t m = 0; m < l; ++m) sums[m] += sums[m + l];
  return sums[0];
}

// d gets what makes J d >= 0, where rounding has taken it away: the least change, which is Jᵀ v with v >= 0. G knows d's
// products only up to eps sum |w_i| |g_i|; those of the d that was made are known to eps |d|.
template <class Rows, class Direction>
[[gnu::noinline]] void hold_above(const Rows& rows, std::span<const double> gram, Direction& d) {
  const auto tasks = static_cast<std::size_t>(rows.rows());
  const Equilibrated scaled(gram, tasks);
  Numbers b, sizes, v;
  for (int pass = 0; pass < 3; ++pass) {
    const auto size = static_cast<std::size_t>(d.size());
    const double length = std::sqrt(inner(d.data(), d.data(), size));
    bool conflict = false;
    for (std::size_t i = 0; i < tasks; ++i) {
      const auto* const row = rows.data() + static_cast<Eigen::Index>(i) * rows.outerStride();
      b[i] = scaled.zero(i) ? 0 : -inner(row, d.data(), size) / scaled.length(i);
      sizes[i] = length;
      conflict = conflict || b[i] > 1e-13 * length;
    }
    if (!conflict) return;
    nonnegative_minimum({scaled.row(0), tasks * tasks}, {b.data(), tasks}, {sizes.data(), tasks}, {v.data(), tasks});
    for (std::size_t i = 0; i < tasks; ++i)
      if (v[i] > 0)
        d += v[i] / scaled.length(i) * rows.row(static_cast<Eigen::Index>(i)).template cast<double>().transpose();
  }
}

template <class P>
constexpr bool promises(const P& policy, NeverConflicts what) {
  if constexpr (Lawful<P>)
    return policy.laws().never_conflicts == what;
  else
    return false;
}

}  // namespace detail

/// The direction that a balancer makes of gradients, (parameters): what a descent step subtracts. `gradients` : (tasks,
/// parameters), float or double, 1 to 64 tasks; read in place if its rows lie one after the other (Eigen::RowMajor), else
/// copied. Inner products are summed in double. Where a balancer never makes a task worse, the direction is held to that
/// against rounding. Wrappers say where a balancer is applied (to layers, to the representation); here it is all of these
/// columns. Where a method takes several batches, this is each of them. Throws `Error` for numbers that are not finite, and
/// for losses that are missing. Nothing is scaled before its products are summed, for not every method's direction scales with
/// the gradients: those of a length above 0 and below 1e-150, or above some 1e150, whose squares a double does not hold, are an
/// `Error`.
template <class P, class Derived, class S = typename Derived::Scalar>
Eigen::Matrix<S, Eigen::Dynamic, 1> combine(const P& policy, const Eigen::MatrixBase<Derived>& gradients,
                                            Kept<P, S>& kept, const Besides& besides = {}) {
  using C = Core<P>;
  using Rows = Eigen::Matrix<S, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  static_assert(std::is_same_v<S, float> || std::is_same_v<S, double>,
                "mtlx: balancing::combine takes gradients of float or double");
  if constexpr (check<P>() && (std::is_same_v<S, float> || std::is_same_v<S, double>)) {
    const C& method = core(policy);
    mtlx::validate(policy);
    const auto tasks = static_cast<std::size_t>(gradients.rows());
    const auto size = static_cast<std::size_t>(gradients.cols());
    detail::check_tasks(tasks, besides.losses, C::needs == Needs::losses);
    const Eigen::Ref<const Rows> given(gradients.derived());
    // Where rows are written to, they are ours.
    constexpr bool writes = Remembers<C> && !ReadsRows<C>;
    Rows ours;
    if constexpr (writes) ours = given;
    const auto row = [&](std::size_t i) {
      return (writes ? ours.data() : given.data()) +
             i * static_cast<std::size_t>(writes ? ours.outerStride() : given.outerStride());
    };
    const auto view = [&](std::size_t i) {
      return Eigen::Map<const Eigen::Matrix<S, Eigen::Dynamic, 1>>(row(i), static_cast<Eigen::Index>(size));
    };

    detail::Square gram;
    const auto fill_gram = [&] {
      for (std::size_t i = 0; i < tasks; ++i)
        for (std::size_t j = 0; j <= i; ++j)
          gram[i * tasks + j] = gram[j * tasks + i] = detail::inner(row(i), row(j), size);
      for (std::size_t i = 0; i < tasks; ++i)
        for (std::size_t k = 0; k < size && gram[i * tasks + i] < 1e-300; ++k)
          if (row(i)[k] != 0) detail::refuse_short(i);
      detail::check_gram({gram.data(), tasks * tasks}, tasks);
    };
    fill_gram();
    Problem problem{.tasks = TaskSet::first(tasks),
                    .losses = C::needs == Needs::nothing ? std::span<const double>() : besides.losses,
                    .gram = {gram.data(), tasks * tasks},
                    .random = Random(besides.seed, Purpose::balance, kept.step),
                    .epoch = besides.epoch,
                    .step = kept.step};
    [[maybe_unused]] detail::Numbers sums;
    if constexpr (Remembers<C>) {
      if (kept.memory.rows() != gradients.rows() || kept.memory.cols() != gradients.cols())
        kept.memory = Rows::Zero(gradients.rows(), gradients.cols());
      for (std::size_t i = 0; i < tasks; ++i) {
        const std::span<S> memory(kept.memory.data() + i * size, size);
        if constexpr (writes)
          sums[i] = method.template absorb<S>(problem, std::as_const(kept.state), i,
                                              std::span<S>(ours.data() + i * size, size), memory);
        else
          sums[i] = method.template absorb<S>(problem, std::as_const(kept.state), i, std::span<const S>(row(i), size),
                                              memory);
      }
      if constexpr (writes) fill_gram();
      problem.sums = {sums.data(), tasks};
    }

    detail::Numbers w;
    if constexpr (Weighs<C>) method.weights(problem, kept.state, std::span<double>(w.data(), tasks));
    Eigen::Matrix<S, Eigen::Dynamic, 1> direction(static_cast<Eigen::Index>(size));
    if constexpr (Combines<C>) {
      std::array<const S*, TaskSet::capacity> rows{};
      for (std::size_t i = 0; i < tasks; ++i) rows[i] = row(i);
      method.combine(problem, std::as_const(kept.state), std::span<const S* const>(rows.data(), tasks), std::size_t{0},
                     std::span<S>(direction.data(), size));
    } else {
      Eigen::VectorXd d = Eigen::VectorXd::Zero(static_cast<Eigen::Index>(size));
      for (std::size_t i = 0; i < tasks; ++i) d += w[i] * view(i).template cast<double>();
      if (detail::promises(method, NeverConflicts::yes)) detail::hold_above(given, {gram.data(), tasks * tasks}, d);
      direction = d.template cast<S>();
    }
    if constexpr (Observes<C>) {
      problem.losses = besides.losses;
      if (!besides.losses.empty()) method.observe(problem, kept.state);
    }
    ++kept.step;
    kept.tasks = tasks;
    return direction;
  } else {
    return {};
  }
}

/// The same for a balancer that remembers nothing, or that starts anew.
template <class P, class Derived>
auto combine(const P& policy, const Eigen::MatrixBase<Derived>& gradients, const Besides& besides = {}) {
  Kept<P, typename Derived::Scalar> kept;
  return combine(policy, gradients, kept, besides);
}

/// A balancer's weights, (tasks), for the inner products of the tasks' gradients. `gram` : (tasks, tasks), of any type that
/// Eigen converts to double. Throws `Error` as `combine` does.
template <class P, class Derived, class S = double>
Eigen::VectorXd weights(const P& policy, const Eigen::MatrixBase<Derived>& gram, Kept<P, S>& kept,
                        const Besides& besides = {}) {
  using C = Core<P>;
  constexpr bool can = Weighs<C> && !Remembers<C> && !Combines<C>;
  static_assert(can, "mtlx: this balancer has no weights that follow from a Gram matrix: use balancing::combine");
  if constexpr (check<P>() && can) {
    mtlx::validate(policy);
    const auto tasks = static_cast<std::size_t>(gram.rows());
    if (gram.rows() != gram.cols())
      fail("a Gram matrix has as many rows as columns, and this is ", gram.rows(), " x ", gram.cols());
    detail::check_tasks(tasks, besides.losses, C::needs == Needs::losses);
    const Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> products =
        gram.template cast<double>();
    detail::check_gram({products.data(), tasks * tasks}, tasks);
    Problem problem{.tasks = TaskSet::first(tasks),
                    .losses = C::needs == Needs::nothing ? std::span<const double>() : besides.losses,
                    .gram = {products.data(), tasks * tasks},
                    .random = Random(besides.seed, Purpose::balance, kept.step),
                    .epoch = besides.epoch,
                    .step = kept.step};
    Eigen::VectorXd w(gram.rows());
    core(policy).weights(problem, kept.state, std::span<double>(w.data(), tasks));
    if constexpr (Observes<C>) {
      problem.losses = besides.losses;
      if (!besides.losses.empty()) core(policy).observe(problem, kept.state);
    }
    ++kept.step;
    kept.tasks = tasks;
    return w;
  } else {
    return {};
  }
}

/// The same for a balancer that remembers nothing, or that starts anew.
template <class P, class Derived>
Eigen::VectorXd weights(const P& policy, const Eigen::MatrixBase<Derived>& gram, const Besides& besides = {}) {
  Kept<P> kept;
  return weights(policy, gram, kept, besides);
}

/// Tells a balancer that looks back the losses after the step, (tasks) as many as in the call before. Throws `Error` if they
/// are not, or not finite.
template <class P, class S>
void after(const P& policy, Kept<P, S>& kept, std::span<const double> losses) {
  static_assert(LooksBack<Core<P>>, "mtlx: this balancer doesn't ask for the losses after the step");
  if constexpr (LooksBack<Core<P>>) {
    if (kept.tasks == 0) fail("balancing::after comes after balancing::combine or balancing::weights");
    detail::check_tasks(kept.tasks, losses, true);
    core(policy).after(Problem{.tasks = TaskSet::first(losses.size()), .losses = losses, .gram = {}, .step = kept.step},
                       kept.state);
  }
}

}  // namespace mtlx::balancing
