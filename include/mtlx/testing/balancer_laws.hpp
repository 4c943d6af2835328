// SPDX-License-Identifier: MIT
// The laws of balancing/balancer.hpp, and those that a balancer declares of its direction (balancing/laws.hpp), checked for
// any balancer on generated gradients:
//
//   testing::check_balancer(MyBalancer{.alpha = 0.5})
//
// The matrices have 1 to 16 rows, ranks from 1 to full, rows of equal length or up to 1e6 apart, and lengths from 1e-12
// to 1e12; among them are zero rows, equal and opposite ones, and rows of which a positive combination is 0. Losses go from
// 0.001 to 1000. Each question is the first of a training: epoch 0, step 0, a fresh state.
//
// assigned       weights are assigned whatever stood there, and depend on nothing but the arguments.
// finite         weights and direction are finite.
// places         where in the model's task list the present tasks stand doesn't matter, unless tasks have options.
// reset          a state that is `reset` answers as a fresh one.
// ranges         a balancer that combines coordinates by itself does it the same for any ranges.
// alone          balancing::combine gives the same direction of a balancer that needs gradients, and keeps its promises to
//                the sum's own rounding.
// What it declares, or for a balancer that declares nothing, none of it:
// scale          d(c J) = c^e d(J), c = 2^40 or 2^-40; where it says that it scales.
// single task    d = s |g|^(e - 1) g.
// permutation    another order of the tasks gives the same direction; or for random orders, in the mean of many.
// conflict       g_i · d >= 0 for all i, for all matrices or those with independent rows.
// uphill         never g_i · d < 0 for all i at once.
// unsolved       d = 0 where a positive combination of some rows is 0, and zero rows change nothing.
#pragma once

#include <mtlx/balancing/balancer.hpp>
#include <mtlx/balancing/combine.hpp>
#include <mtlx/balancing/laws.hpp>
#include <mtlx/core/error.hpp>
#include <mtlx/core/options.hpp>
#include <mtlx/core/random.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/testing/report.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mtlx::testing {

/// How a balancer is checked.
struct BalancerOptions {
  std::uint64_t seed = 1;
  std::size_t matrices = 2000;
  std::size_t most_tasks = 16;  ///< at least 1, at most 62
  /// Between directions that the laws call the same, relative to sum_j |w_j| |g_j|.
  double rounding = 1e-7;
};

namespace detail {

/// Gradients of some tasks, rows : (tasks, parameters), and their losses.
struct Gradients {
  std::size_t tasks = 0, parameters = 0;
  std::vector<double> rows, losses;
  bool independent = false;  ///< the rows surely are
  bool stationary = false;   ///< a positive combination of some rows is surely 0
  std::string text;

  std::span<const double> row(std::size_t i) const { return std::span(rows).subspan(i * parameters, parameters); }
  std::span<double> row(std::size_t i) { return std::span(rows).subspan(i * parameters, parameters); }
};

inline double inner(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t k = 0; k < a.size(); ++k) sum += a[k] * b[k];
  return sum;
}
inline double length(std::span<const double> a) { return std::sqrt(inner(a, a)); }

struct BalancerQuestion {
  std::uint64_t seed = 0;
  TaskSet tasks{};      ///< where the rows stand; if empty, the first
  double poison = -7;   ///< what stands where the answer goes
  std::size_t cut = 0;  ///< coordinates before it are combined apart
  bool after_reset = false;
};
struct BalancerAnswer {
  std::vector<double> w, d;  ///< weights : (tasks), direction : (parameters)
  double sum = 0;            ///< sum_j |w_j| |g_j|, of which the direction's rounding errors are parts
};

using AskBalancer = BalancerAnswer (*)(const void* policy, const Gradients&, const BalancerQuestion&);
using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using CombineAlone = Eigen::VectorXd (*)(const void* policy, const RowMajor&, const balancing::Besides&);

/// What is known of a balancer's type, and how to ask it.
struct BalancerFacts {
  const void* policy;
  AskBalancer ask;
  CombineAlone combine;
  balancing::Laws laws;
  bool lawful, combines, resets;
};

inline std::vector<double> gram_of(const Gradients& g) {
  std::vector<double> gram(g.tasks * g.tasks);
  for (std::size_t i = 0; i < g.tasks; ++i)
    for (std::size_t j = 0; j <= i; ++j) gram[i * g.tasks + j] = gram[j * g.tasks + i] = inner(g.row(i), g.row(j));
  return gram;
}

inline void weighted_sum(BalancerAnswer& answer, const Gradients& g) {
  answer.sum = 0;
  for (std::size_t i = 0; i < g.tasks; ++i) {
    answer.sum += std::abs(answer.w[i]) * length(g.row(i));
    for (std::size_t k = 0; k < g.parameters; ++k) answer.d[k] += answer.w[i] * g.row(i)[k];
  }
}

template <class C, class State>
BalancerAnswer ask_once(const C& policy, State& state, Gradients g, const BalancerQuestion& question) {
  const std::vector<double> losses = g.losses;
  std::vector<double> gram = gram_of(g), sums(g.tasks, 0.0);
  balancing::Problem problem{
      .tasks = question.tasks, .losses = losses, .gram = {}, .random = Random(question.seed, Purpose::balance)};
  if constexpr (C::needs == balancing::Needs::nothing) problem.losses = {};
  if constexpr (C::needs == balancing::Needs::gradients) problem.gram = gram;
  if constexpr (balancing::Remembers<C>) {
    std::vector<double> memory(g.rows.size(), 0.0);
    for (std::size_t i = 0; i < g.tasks; ++i)
      sums[i] = policy.template absorb<double>(problem, state, i, g.row(i),
                                               std::span(memory).subspan(i * g.parameters, g.parameters));
    gram = gram_of(g);
    if constexpr (C::needs == balancing::Needs::gradients) problem.gram = gram;
    problem.sums = sums;
  }
  BalancerAnswer answer;
  answer.w.assign(g.tasks, 1.0);
  if constexpr (balancing::Weighs<C>) {
    answer.w.assign(g.tasks, question.poison);
    policy.weights(problem, state, answer.w);
  }
  answer.d.assign(g.parameters, 0.0);
  weighted_sum(answer, g);
  if constexpr (balancing::Combines<C>) {
    std::fill(answer.d.begin(), answer.d.end(), question.poison);
    std::vector<const double*> rows;
    for (const auto& [first, end] : {std::pair(std::size_t{0}, question.cut), std::pair(question.cut, g.parameters)}) {
      rows.clear();
      for (std::size_t i = 0; i < g.tasks; ++i) rows.push_back(g.row(i).data() + first);
      policy.template combine<double>(problem, std::as_const(state), rows, first,
                                      std::span(answer.d).subspan(first, end - first));
    }
  }
  return answer;
}

template <class P>
[[gnu::noinline]] BalancerAnswer ask_balancer(const void* policy, const Gradients& g,
                                              const BalancerQuestion& question) {
  using C = balancing::Core<P>;
  const C& core = balancing::core(*static_cast<const P*>(policy));
  BalancerQuestion asked = question;
  if (asked.tasks.empty()) asked.tasks = TaskSet::first(g.tasks);
  PolicyState<C> state{};
  if constexpr (requires { state.reset(); })
    if (asked.after_reset) {
      for (int step = 0; step < 2; ++step) {
        ask_once(core, state, g, asked);
        balancing::Problem over{.tasks = asked.tasks, .losses = g.losses, .gram = {}};
        if constexpr (balancing::Observes<C>) core.observe(over, state);
        if constexpr (balancing::LooksBack<C>) core.after(over, state);
      }
      state.reset();
    }
  return ask_once(core, state, g, asked);
}

template <class P>
[[gnu::noinline]] Eigen::VectorXd combine_alone(const void* policy, const RowMajor& rows,
                                                const balancing::Besides& besides) {
  return balancing::combine(*static_cast<const P*>(policy), rows, besides);
}

/// Draws the gradients of a case.
[[gnu::cold]] inline Gradients draw_gradients(Random& random, std::size_t most_tasks) {
  const auto up_to = [&](std::size_t most) { return 1 + random.below(static_cast<std::uint32_t>(most)); };
  Gradients g;
  g.tasks = up_to(most_tasks);
  g.parameters = up_to(24);
  g.rows.resize(g.tasks * g.parameters);
  const std::size_t full = std::min(g.tasks, g.parameters), rank = random.below(2) == 0 ? full : up_to(full);
  enum Form { normal, whole, positive, pairs, balanced, sparse };
  const char* const names[] = {
      "normal", "whole numbers", "no conflict", "equal and opposite rows", "rows that balance", "zero rows"};
  // Every second one is normal.
  const std::uint32_t form = random.below(2) == 0 ? 0 : random.below(6);
  if (form == positive) {
    for (double& x : g.rows) x = 0.01 + std::abs(random.normal());
  } else {
    // (tasks, rank) times (rank, parameters): whole numbers are exact, and so is their rank.
    const bool exact = form == whole || form == balanced;
    std::vector<double> left(g.tasks * rank), right(rank * g.parameters);
    for (auto* factor : {&left, &right})
      for (double& x : *factor) x = exact ? static_cast<double>(random.below(5)) - 2 : random.normal();
    for (std::size_t i = 0; i < g.tasks; ++i)
      for (std::size_t r = 0; r < rank; ++r)
        for (std::size_t k = 0; k < g.parameters; ++k) g.row(i)[k] += left[i * rank + r] * right[r * g.parameters + k];
  }
  g.independent = rank == g.tasks && (form == normal || (form == positive && g.tasks <= g.parameters));
  const auto copy = [&](std::size_t from, std::size_t to, double factor) {
    for (std::size_t k = 0; k < g.parameters; ++k) g.row(to)[k] = factor * g.row(from)[k];
  };
  if (form == pairs && g.tasks > 1)
    for (std::size_t i = 1; i < g.tasks; ++i) {
      const std::uint32_t sign = random.below(3);  // as it is, equal, or opposite
      if (sign == 0) continue;
      copy(i - 1, i, sign == 1 ? 1 : -1);
      g.stationary = g.stationary || (sign == 2 && length(g.row(i)) > 0);
    }
  if (form == balanced && g.tasks > 1) {
    // Some of the rows, times 1 or 2, and the last one sum to 0.
    std::fill(g.row(g.tasks - 1).begin(), g.row(g.tasks - 1).end(), 0.0);
    const std::size_t some = up_to(g.tasks - 1);
    for (std::size_t i = 0; i < some; ++i) {
      g.stationary = g.stationary || length(g.row(i)) > 0;
      const double times = up_to(2);
      for (std::size_t k = 0; k < g.parameters; ++k) g.row(g.tasks - 1)[k] -= times * g.row(i)[k];
    }
  }
  if (form == sparse)
    for (std::size_t i = 0; i < g.tasks; ++i)
      if (random.below(3) == 0) copy(i, i, 0), g.independent = false;

  // Equal lengths, to a factor of 2 where that keeps the numbers exact, or powers of 2 apart.
  const bool spread = random.below(2) == 0;
  const auto range = static_cast<int>(up_to(20)), scale = static_cast<int>(random.below(81)) - 40;
  for (std::size_t i = 0; i < g.tasks; ++i) {
    const double size = length(g.row(i));
    if (size == 0) continue;
    const int power = spread ? static_cast<int>(random.below(static_cast<std::uint32_t>(range + 1))) : 0;
    for (double& x : g.row(i)) x = std::ldexp(x, scale + power - std::ilogb(size));
  }
  for (std::size_t i = 0; i < g.tasks; ++i)
    g.losses.push_back(g.tasks == 1 ? 1 : std::exp2(20 * random.uniform() - 10));
  g.text = join(names[form], ", ", g.tasks, " tasks, ", g.parameters, " parameters, rank of at most ", rank,
                ", lengths up to 2^", spread ? range : 0, " apart, scale 2^", scale);
  return g;
}

/// Row i of the result is row order[i].
inline Gradients reordered(const Gradients& g, std::span<const std::size_t> order) {
  Gradients other = g;
  for (std::size_t i = 0; i < g.tasks; ++i) {
    std::copy(g.row(order[i]).begin(), g.row(order[i]).end(), other.row(i).begin());
    other.losses[i] = g.losses[order[i]];
  }
  return other;
}

class BalancerChecks {
 public:
  BalancerChecks(Report& report, const BalancerFacts& facts, const BalancerOptions& options)
      : report_(report), facts_(facts), options_(options) {}

  [[gnu::cold]] void run() {
    for (std::size_t m = 0; m < options_.matrices; ++m) {
      Random random(options_.seed, Purpose::user, m);
      const Gradients g = draw_gradients(random, options_.most_tasks);
      place_ = join("matrix ", m, " (", g.text, ")");
      question_ = {.seed = options_.seed + m};
      check(g, random, m);
    }
    place_ = "a matrix of zeros";
    for (std::size_t tasks = 1; tasks <= std::min<std::size_t>(3, options_.most_tasks); ++tasks) {
      Gradients zeros{.tasks = tasks,
                      .parameters = 2,
                      .rows = std::vector<double>(2 * tasks, 0.0),
                      .losses = std::vector<double>(tasks, 1.0),
                      .text = {}};
      finite(ask(zeros));
    }
    if (facts_.lawful && facts_.laws.permutation == balancing::Permutation::in_distribution) orders();
  }

 private:
  BalancerAnswer ask(const Gradients& g) const { return facts_.ask(facts_.policy, g, question_); }
  BalancerAnswer ask(const Gradients& g, const BalancerQuestion& question) const {
    return facts_.ask(facts_.policy, g, question);
  }

  void expect(bool holds, std::string_view law, const auto&... detail) {
    if (holds)
      report_.expect(true, law, {});
    else
      report_.expect(false, law, join(place_, ": ", detail...));
  }
  bool finite(const BalancerAnswer& answer) {
    bool all = true;
    for (const auto* numbers : {&answer.w, &answer.d})
      for (const double x : *numbers) all = all && is_finite(x);
    expect(all, "finite", "a weight or a coordinate of the direction is not");
    return all;
  }
  void expect_same(std::string_view law, const BalancerAnswer& expected, const BalancerAnswer& got) {
    bool all = true;
    for (std::size_t i = 0; i < expected.w.size(); ++i) all = all && same(expected.w[i], got.w[i]);
    for (std::size_t k = 0; k < expected.d.size(); ++k) all = all && same(expected.d[k], got.d[k]);
    expect(all, law, "not the same bits");
  }
  // d is `factor` times `expected`, to `rounding` of what it is summed of.
  void expect_near(std::string_view law, const std::vector<double>& expected, double factor, const BalancerAnswer& got,
                   double sum) {
    double most = 0;
    for (std::size_t k = 0; k < expected.size(); ++k) most = std::max(most, std::abs(got.d[k] / factor - expected[k]));
    expect(most <= options_.rounding * sum, law, "the direction is ", most, " off, and at most ",
           options_.rounding * sum, " is rounding");
  }

  void check(const Gradients& g, Random& random, std::size_t m) {
    const BalancerAnswer answer = ask(g);
    if (!finite(answer)) return;
    BalancerQuestion other = question_;
    other.poison = 3;
    expect_same("assigned", answer, ask(g, other));
    if (facts_.combines) {
      other.cut = g.parameters / 2;
      expect_same("ranges", answer, ask(g, other));
    }
    if (m % 2 == 0 && facts_.combine != nullptr) alone(g, answer);
    if (facts_.resets && m % 4 == 0) {
      other = question_;
      other.after_reset = true;
      expect_same("reset", answer, ask(g, other));
    }
    if (!facts_.lawful || facts_.laws.permutation != balancing::Permutation::none) {
      other = question_;
      other.tasks = {};
      for (std::size_t i = 0; i < g.tasks; ++i)
        other.tasks = other.tasks.with(i < g.tasks / 2 ? i : TaskSet::capacity - g.tasks + i);
      expect_same("places", answer, ask(g, other));
    }
    if (facts_.lawful) declared(g, answer, random);
  }

  void declared(const Gradients& g, const BalancerAnswer& answer, Random& random) {
    const balancing::Laws& laws = facts_.laws;
    const double e = laws.scale_exponent;
    if (laws.scales) scale(g, answer, e);
    if (g.tasks == 1) single(g, answer, e);
    if (laws.permutation == balancing::Permutation::exact && g.tasks > 1) {
      std::vector<std::size_t> order(g.tasks);
      std::iota(order.begin(), order.end(), std::size_t{0});
      random.shuffle(std::span(order));
      const BalancerAnswer permuted = ask(reordered(g, order));
      if (finite(permuted)) expect_near("permutation", answer.d, 1, permuted, std::max(answer.sum, permuted.sum));
    }
    angles(g, answer, 1e-12);
    if (laws.unsolved == balancing::Unsolved::zero) unsolved(g, answer, e);
  }

  void alone(const Gradients& g, const BalancerAnswer& answer) {
    const Eigen::Map<const RowMajor> rows(g.rows.data(), static_cast<Eigen::Index>(g.tasks),
                                          static_cast<Eigen::Index>(g.parameters));
    const Eigen::VectorXd d = facts_.combine(facts_.policy, rows, {.losses = g.losses, .seed = question_.seed});
    const BalancerAnswer other{.w = answer.w, .d = {d.data(), d.data() + d.size()}, .sum = answer.sum};
    if (!finite(other)) return;
    expect_near("alone", answer.d, 1, other, answer.sum);
    // It has the rows: what the sum itself rounds away is its only excuse.
    if (facts_.lawful) angles(g, other, 4e-15);
  }

  void scale(const Gradients& g, const BalancerAnswer& answer, double e) {
    Gradients scaled = g;
    double largest = 0;
    for (const double x : g.rows) largest = std::max(largest, std::abs(x));
    const double c = largest > 1 ? 0x1p-40 : 0x1p40;
    for (double& x : scaled.rows) x *= c;
    const BalancerAnswer after = ask(scaled);
    if (finite(after)) expect_near("scale", answer.d, std::pow(c, e), after, answer.sum);
  }

  void single(const Gradients& g, const BalancerAnswer& answer, double e) {
    const double size = length(g.row(0));
    if (size == 0) return;
    const double factor = facts_.laws.single_task_scale * std::pow(size, e - 1);
    std::vector<double> expected(g.row(0).begin(), g.row(0).end());
    for (double& x : expected) x *= factor;
    expect_near("single task", expected, 1, answer, std::abs(factor) * size);
  }

  void angles(const Gradients& g, const BalancerAnswer& answer, double rounding) {
    const balancing::Laws& laws = facts_.laws;
    const double d = length(answer.d);
    double least = 0;
    bool uphill = true;
    for (std::size_t i = 0; i < g.tasks; ++i) {
      const double size = length(g.row(i));
      // An inner product of 1e-9 of the lengths counts as none, and so does what the sum's rounding makes.
      const double product = inner(g.row(i), answer.d) + size * (1e-9 * d + rounding * answer.sum);
      uphill = uphill && product < 0;
      if (size > 0 && d > 0) least = std::min(least, product / (size * d));
    }
    if (laws.never_conflicts == balancing::NeverConflicts::yes ||
        (laws.never_conflicts == balancing::NeverConflicts::independent && g.independent))
      expect(least >= 0, "conflict", "the direction makes a task worse: the cosine with its gradient is ", least);
    if (laws.never_uphill) expect(!uphill, "uphill", "the direction makes every task worse");
  }

  void unsolved(const Gradients& g, const BalancerAnswer& answer, double e) {
    // What a direction would be as long as, were there one.
    double typical = 0;
    bool zero_row = false;
    for (std::size_t i = 0; i < g.tasks; ++i) {
      const double size = length(g.row(i));
      zero_row = zero_row || size == 0;
      typical = std::max(typical, size);
    }
    if (typical == 0) return;
    typical = std::pow(typical, e);
    if (g.stationary)
      expect(length(answer.d) <= options_.rounding * typical, "unsolved", "a direction of length ", length(answer.d),
             " where the tasks cannot all be improved");
    if (zero_row) return;
    Gradients more = g;
    ++more.tasks;
    more.rows.resize(more.tasks * more.parameters, 0.0);
    more.losses.push_back(1);
    const BalancerAnswer with_zeros = ask(more);
    if (finite(with_zeros)) expect_near("unsolved", answer.d, 1, with_zeros, std::max(answer.sum, typical));
  }

  // The mean direction over many seeds, before and after tasks change places.
  void orders() {
    for (std::size_t m = 0; m < 4; ++m) {
      Random random(options_.seed, Purpose::user, m);
      Gradients g{.tasks = 3, .parameters = 4, .rows = {}, .losses = {0.5, 1, 2}, .text = {}};
      for (std::size_t i = 0; i < 12; ++i) g.rows.push_back(random.normal());
      const std::size_t order[] = {2, 0, 1};
      const Gradients turned = reordered(g, order);
      constexpr std::size_t draws = 1000;
      std::vector<double> difference(g.parameters, 0.0), square(g.parameters, 0.0);
      double largest = 0;
      for (std::size_t draw = 0; draw < draws; ++draw) {
        const std::vector<double> a = ask(g, {.seed = 2 * draw}).d, b = ask(turned, {.seed = 2 * draw + 1}).d;
        for (std::size_t k = 0; k < g.parameters; ++k) {
          difference[k] += (a[k] - b[k]) / draws;
          square[k] += (a[k] - b[k]) * (a[k] - b[k]) / draws;
          largest = std::max(largest, std::abs(a[k]));
        }
      }
      place_ = join("normal rows, draw ", m);
      for (std::size_t k = 0; k < g.parameters; ++k)
        expect(std::abs(difference[k]) <= 5 * std::sqrt(square[k] / draws) + options_.rounding * largest, "permutation",
               "the mean direction of ", draws, " seeds depends on the order by ", difference[k]);
    }
  }

  Report& report_;
  const BalancerFacts& facts_;
  const BalancerOptions& options_;
  BalancerQuestion question_;
  std::string place_;
};

}  // namespace detail

/// Whether a balancer, with these options of its own, obeys the laws at the head of this file. Of a wrapper, what is within
/// is checked.
template <Balancer P>
[[gnu::cold]] Report check_balancer(const P& policy, const BalancerOptions& options = {},
                                    std::string subject = "balancer") {
  using C = balancing::Core<P>;
  mtlx::validate(balancing::core(policy));
  constexpr bool resets = requires(PolicyState<C> state) { state.reset(); };
  detail::BalancerFacts facts{.policy = &policy,
                              .ask = &detail::ask_balancer<P>,
                              .combine = nullptr,
                              .laws = {},
                              .lawful = balancing::Lawful<C>,
                              .combines = balancing::Combines<C>,
                              .resets = resets};
  // Where gradients are not needed there is nothing to combine but a weighted sum.
  if constexpr (C::needs == balancing::Needs::gradients) facts.combine = &detail::combine_alone<P>;
  if constexpr (balancing::Lawful<C>) facts.laws = balancing::core(policy).laws();
  Report report(std::move(subject));
  detail::BalancerChecks(report, facts, options).run();
  return report;
}

}  // namespace mtlx::testing
