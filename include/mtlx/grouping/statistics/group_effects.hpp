// SPDX-License-Identifier: MIT
// What training in a group does for a task, estimated from some measured groups, with how sure one is of it.
//
// y is the gain of task i in run u when it trains with the group S instead of alone, such as log L_i({i}) - log L_i(S)
// after the same steps from the same weights on the same batches, on held-out samples. Of each task i, x_j = 1 where j is
// in S, j and k other tasks than i:
//   y = sum_j beta_ij x_j + sum_{j<k} gamma_ijk x_j x_k + u_{i,run} + e
//   beta_ij ~ N(a s_i + b Z_ij, (tau s_i)^2),   gamma_ijk ~ N(0, (tau_gamma s_i)^2),
//   u_{i,run} ~ N(0, (s_u s_i)^2),              e ~ N(0, (s s_i)^2),
// s_i the root mean square of task i's gains, so that tasks with large and small gains share the five numbers. Z is an
// affinity table if there is one: beta shrinks to what the affinity, calibrated by b, says of it, and a b near 0 says that
// the affinity is useless here. u is what all gains of one task in one run share: the training alone that they are compared
// with.
//
// a, b (fixed effects) by generalised least squares, the variances by restricted maximum likelihood: with V the covariance of
// all y over (s s_i)^2, X the fixed effects' columns, P = V^-1 - V^-1 X (X' V^-1 X)^-1 X' V^-1, N results and p fixed effects,
//   -2 log likelihood = sum log|V_i| + log|X' V^-1 X| + (N-p) (log(s^2) + 1 + log 2 pi),   s^2 = y' P y / (N-p).
// The u are about 0: what a task gains in any group, whoever is in it, goes to them and not to beta. Then there is a note.
// beta, gamma and u are their posterior given the variances (best linear unbiased predictions), a and b flat. That the
// variances are themselves estimates is not in the errors: with few runs these are too small.
// Errors of different tasks in one training are taken as independent, which they are only nearly.
//
// On subsets left out (with all their tasks and runs, the variances kept) the errors e_S are exact: P_SS e_S = (P y)_S.
// References: Patterson and Thompson, "Recovery of Inter-Block Information when Block Sizes Are Unequal", Biometrika 58, 1971.
// Robinson, "That BLUP Is a Good Thing", Statistical Science 6, 1991. Nelder and Mead, Computer Journal 7, 1965.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mtlx/core/error.hpp>
#include <mtlx/core/random.hpp>
#include <mtlx/core/sample_mean.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/core/significance.hpp>
#include <mtlx/core/task_set.hpp>
#include <mtlx/grouping/detail/dense.hpp>
#include <mtlx/grouping/statistics/linear_surrogate.hpp>
#include <mtlx/grouping/statistics/words.hpp>
#include <numbers>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mtlx::grouping {

/// How group effects are fitted.
struct EffectOptions {
  std::span<const double> affinity = {};  ///< Z : (affected, acting), row by row; none: beta shrinks to a common value
  bool interactions = true;  ///< gamma: (T-1)(T-2)/2 numbers a task; leave them out for more than about 20 tasks
};

/// The variances, as standard deviations in units of a task's scale.
struct EffectVariances {
  double tau = 0;        ///< of partners about what a and b say
  double tau_gamma = 0;  ///< of interactions of pairs
  double run = 0;        ///< s_u
  double residual = 0;   ///< s
};

/// How well gains in subsets are predicted by the others. Each subset's error is that of its mean over runs.
struct HeldOut {
  double r2 = 0;  ///< 1 - squared errors / those of the mean of the task's other subsets in the same runs
  std::vector<double> task_r2 = {};  ///< of each task; NaN where there are less than two subsets
  std::size_t subsets = 0;           ///< different ones that were left out
};

/// One draw of all effects from the posterior: a score of task and group like `GroupEffects::score`.
class EffectDraw {
 public:
  EffectDraw(std::size_t tasks, bool interactions, std::vector<double> coefficients)
      : tasks_(tasks), interactions_(interactions), coefficients_(std::move(coefficients)) {}

  /// The task's gain in the group that holds it.
  double operator()(std::size_t task, TaskSet group) const {
    const std::size_t partners = tasks_ - 1, size = coefficients_.size() / tasks_;
    const double* own = coefficients_.data() + task * size;
    double value = 0;
    for (std::size_t p = 0; p < partners; ++p) {
      if (!group.has(detail::partner_at(task, p))) continue;
      value += own[p];
      if (!interactions_) continue;
      const double* pairs = own + partners + p * (2 * partners - p - 1) / 2;
      for (std::size_t q = p + 1; q < partners; ++q)
        if (group.has(detail::partner_at(task, q))) value += pairs[q - p - 1];
    }
    return value;
  }

 private:
  std::size_t tasks_;
  bool interactions_;
  std::vector<double> coefficients_;  // (tasks, partners then pairs)
};

class GroupEffects;
class EffectFit;

/// The posterior of what each group does for each task.
class GroupEffects {
 public:
  std::size_t tasks() const { return tasks_; }
  /// a: the mean effect of a partner, in units of each task's scale; its error.
  double offset() const { return fixed_(0, 0); }
  double offset_error() const { return std::sqrt(fixed_covariance_(0, 0)); }
  /// b: what an affinity of 1 is worth; its error. 0 without an affinity.
  double slope() const { return fixed_.size() > 1 ? fixed_(1, 0) : 0; }
  double slope_error() const { return fixed_.size() > 1 ? std::sqrt(fixed_covariance_(1, 1)) : 0; }
  const EffectVariances& variances() const { return variances_; }
  /// s_i: the root mean square of each task's gains.
  const std::vector<double>& scales() const { return scales_; }
  /// The restricted log likelihood, of the scaled gains.
  double log_likelihood() const { return log_likelihood_; }
  const HeldOut& held_out() const { return held_out_; }
  /// Results, different runs and different subsets that it rests on.
  std::size_t results() const { return results_; }
  std::size_t runs() const { return runs_; }
  std::size_t subsets() const { return held_out_.subsets; }
  /// What limits the answer, in words; empty if nothing was noticed.
  const std::string& note() const { return note_; }

  /// The posterior mean of beta and gamma, in the unit of the gains.
  double beta(std::size_t affected, std::size_t partner) const {
    return parts_[affected].mean(index(detail::partner_place(affected, partner)), 0);
  }
  double gamma(std::size_t affected, std::size_t j, std::size_t k) const {
    return interactions_ ? parts_[affected].mean(index(pair_place(affected, j, k)), 0) : 0;
  }
  /// A task's posterior covariance of (beta of its partners, gamma of their pairs), partners ascending, pairs (0,1), (0,2),
  /// ..., (1,2), ...
  [[gnu::cold]] Eigen::MatrixXd covariance(std::size_t affected) const {
    const Part& part = parts_[affected];
    Eigen::MatrixXd own = detail::times(part.root, part.root.transpose());
    own += detail::times(detail::times(part.response, fixed_covariance_), part.response.transpose());
    return own;
  }

  /// The posterior mean of the task's gain in a group that holds it; 0 in the group of the task alone.
  double score(std::size_t task, TaskSet group) const { return means_(task, group); }
  double operator()(std::size_t task, TaskSet group) const { return means_(task, group); }

  /// The posterior standard deviation of that.
  [[gnu::noinline]] double error(std::size_t task, TaskSet group) const {
    const Part& part = parts_[task];
    std::vector<double> own(static_cast<std::size_t>(part.root.cols()));
    double common[2] = {};
    for (const Eigen::Index i : present(task, group)) {
      for (std::size_t c = 0; c < own.size(); ++c) own[c] += part.root(i, index(c));
      for (Eigen::Index f = 0; f < fixed_.rows(); ++f) common[f] += part.response(i, f);
    }
    double variance = 0;
    for (const double number : own) variance += number * number;
    for (Eigen::Index f = 0; f < fixed_.rows(); ++f)
      for (Eigen::Index g = 0; g < fixed_.rows(); ++g) variance += common[f] * common[g] * fixed_covariance_(f, g);
    return std::sqrt(variance);
  }

  /// The gain exceeds this with probability `level` (one-sided): a cautious score.
  double lower(std::size_t task, TaskSet group, double level = 0.95) const {
    return score(task, group) - normal_critical(1 - level) * error(task, group);
  }

  /// All effects at once, drawn from their posterior.
  [[gnu::noinline]] EffectDraw draw(Random& random) const {
    const auto normals = [&random](Eigen::Index count) {
      detail::Matrix z(count, 1);
      for (Eigen::Index n = 0; n < count; ++n) z(n, 0) = random.normal();
      return z;
    };
    const detail::Matrix moved = detail::times(fixed_root_, normals(fixed_.rows()));
    std::vector<double> drawn;
    for (const Part& part : parts_) {
      const detail::Matrix own = detail::times(part.root, normals(part.root.cols()));
      const detail::Matrix common = detail::times(part.response, moved);
      for (Eigen::Index n = 0; n < own.rows(); ++n) drawn.push_back(part.mean(n, 0) + own(n, 0) + common(n, 0));
    }
    return {tasks_, interactions_, std::move(drawn)};
  }

 private:
  friend class EffectFit;

  // A task's coefficients (beta, then gamma): mean, root of their covariance with a and b fixed, and how they move with those.
  struct Part {
    detail::Matrix mean, root, response;
  };

  static Eigen::Index index(std::size_t i) { return static_cast<Eigen::Index>(i); }
  std::size_t pair_place(std::size_t task, std::size_t j, std::size_t k) const {
    const std::size_t partners = tasks_ - 1, a = detail::partner_place(task, std::min(j, k));
    return partners + a * (2 * partners - a - 1) / 2 + detail::partner_place(task, std::max(j, k)) - a - 1;
  }
  std::vector<Eigen::Index> present(std::size_t task, TaskSet group) const {
    std::vector<Eigen::Index> places;
    for (std::size_t j = 0; j < tasks_; ++j) {
      if (j == task || !group.has(j)) continue;
      places.push_back(index(detail::partner_place(task, j)));
      for (std::size_t k = j + 1; interactions_ && k < tasks_; ++k)
        if (k != task && group.has(k)) places.push_back(index(pair_place(task, j, k)));
    }
    return places;
  }

  std::size_t tasks_ = 0, results_ = 0, runs_ = 0;
  bool interactions_ = true;
  detail::Matrix fixed_, fixed_covariance_, fixed_root_;
  EffectVariances variances_;
  std::vector<double> scales_;
  double log_likelihood_ = 0;
  HeldOut held_out_;
  std::vector<Part> parts_;
  EffectDraw means_{1, false, {}};
  std::string note_;
};

/// The work of `fit_group_effects`.
class EffectFit {
 public:
  [[gnu::cold]] EffectFit(std::span<const GroupResult> gains, std::size_t tasks, const EffectOptions& options)
      : tasks_(tasks), options_(options) {
    constexpr auto of = "fit_group_effects";
    detail::check_results(of, gains, tasks);
    for (std::size_t n = 0; n < gains.size(); ++n)
      if (gains[n].group.count() < 2)
        fail(of, ": result ", n, " is of task ", gains[n].task, " alone, whose gain over itself is no measurement");
    const std::size_t fixed = options.affinity.empty() ? 1 : 2;
    if (gains.size() < fixed + 5)
      fail(of, ": ", gains.size(), " results are too few for ", fixed, " fixed effects and 4 variances");
    check_affinity();
    for (std::size_t t = 0; t < tasks; ++t) add_block(detail::results_of(gains, t));
    active_ = {true, options.interactions && tasks > 2, repeated_in_runs()};
    results_ = gains.size();
  }

  [[gnu::cold, gnu::noinline]] GroupEffects fit() {
    choose_ratios();
    GroupEffects effects;
    effects.tasks_ = tasks_;
    effects.interactions_ = active_[1];
    const Solved solved = solve(roots_);
    const auto rest = static_cast<double>(results_) - static_cast<double>(solved.fixed.rows());
    const double variance = solved.squares / rest;
    const auto in_units = [&](double root) { return std::abs(root) * std::sqrt(variance); };
    effects.variances_ = {in_units(roots_[0]), in_units(roots_[1]), in_units(roots_[2]), std::sqrt(variance)};
    effects.log_likelihood_ =
        -0.5 * (solved.criterion + 2 * std::log(affinity_unit_) + rest * (1 + std::log(2 * std::numbers::pi)));

    // b is kept per unit of the affinity as it was given.
    const Index p = solved.fixed.rows();
    const auto unit = [&](Index f) { return f == 0 ? 1 : affinity_unit_; };
    const Matrix inverse = detail::Root(solved.products).solve(Matrix::Identity(p, p));
    effects.fixed_ = solved.fixed;
    effects.fixed_covariance_ = inverse;
    for (Index f = 0; f < p; ++f) {
      effects.fixed_(f, 0) /= unit(f);
      for (Index g = 0; g < p; ++g) effects.fixed_covariance_(f, g) *= variance / (unit(f) * unit(g));
    }
    effects.fixed_root_ = detail::Root(effects.fixed_covariance_).lower();

    std::vector<double> means;
    for (const Block& block : blocks_) {
      const GroupEffects::Part& part = effects.parts_.emplace_back(posterior(block, solved.fixed, variance));
      means.insert(means.end(), part.mean.data(), part.mean.data() + part.mean.size());
      effects.scales_.push_back(block.scale);
    }
    effects.means_ = {tasks_, active_[1], std::move(means)};
    effects.held_out_ = held_out(solved.fixed, inverse);
    effects.results_ = results_;
    effects.runs_ = count_runs();
    effects.note_ = note(effects, common_level(solved.fixed));
    return effects;
  }

 private:
  using Matrix = detail::Matrix;
  using Index = Eigen::Index;
  using Roots = std::array<double, 3>;  // of the variances' ratios to the residual's: tau, tau_gamma, run

  // One task's results, scaled, subset by subset.
  struct Block {
    std::vector<GroupResult> results;
    double scale = 1;
    Matrix partners;                    // x : (results, partners)
    Matrix same, same_pairs, same_run;  // (results, results): what they have in common
    Matrix fixed_of_partner;            // (partners, fixed effects): the mean of beta
    Matrix sides;                       // X, y : (results, fixed effects and 1)
    Index rows() const { return partners.rows(); }
  };
  struct Solved {
    Matrix fixed;      // a, b
    Matrix products;   // X' V^-1 X
    double squares;    // y' P y
    double criterion;  // -2 log likelihood but for a constant
  };

  [[gnu::cold]] void check_affinity() {
    const std::span<const double> table = options_.affinity;
    if (table.empty()) return;
    if (table.size() != tasks_ * tasks_)
      fail("EffectOptions::affinity: ", table.size(), " cells for a table of ", tasks_, " tasks");
    double squares = 0, least = std::numeric_limits<double>::max(), most = -least;
    for (std::size_t cell = 0; cell < table.size(); ++cell) {
      if (cell % (tasks_ + 1) == 0) continue;
      if (!is_finite(table[cell]))
        fail("EffectOptions::affinity: row ", cell / tasks_, ", column ", cell % tasks_, " is not finite");
      squares += table[cell] * table[cell];
      least = std::min(least, table[cell]), most = std::max(most, table[cell]);
    }
    affinity_unit_ = std::sqrt(squares / static_cast<double>(tasks_ * (tasks_ - 1)));
    if (!(most - least > 1e-9 * affinity_unit_))
      fail("EffectOptions::affinity: all cells are ", most, ", which tells no partner from another");
  }

  [[gnu::cold, gnu::noinline]] void add_block(std::vector<GroupResult> results) {
    Block& block = blocks_.emplace_back();
    block.results = std::move(results);
    const std::size_t task = block.results[0].task;
    block.partners = detail::partners_in(block.results, tasks_);
    const Index n = block.rows(), partners = block.partners.cols();
    double largest = 0, squares = 0;
    for (const GroupResult& r : block.results) largest = std::max(largest, std::abs(r.value));
    if (!(largest > 0)) fail("fit_group_effects: all gains of task ", task, " are 0");
    // Of shares of the largest: squares of the gains themselves may be too large or too small for a number.
    for (const GroupResult& r : block.results)
      squares += (r.value / largest) * (r.value / largest) / static_cast<double>(n);
    block.scale = largest * std::sqrt(squares);
    block.same = block.same_pairs = block.same_run = detail::times(block.partners, block.partners.transpose());
    for (Index a = 0; a < n; ++a)
      for (Index b = 0; b < n; ++b) {
        block.same_pairs(a, b) *= (block.same(a, b) - 1) / 2;
        block.same_run(a, b) = result(block, a).run == result(block, b).run ? 1 : 0;
      }
    const bool with_affinity = !options_.affinity.empty();
    block.fixed_of_partner.setOnes(partners, with_affinity ? 2 : 1);
    for (Index p = 0; with_affinity && p < partners; ++p)
      block.fixed_of_partner(p, 1) =
          options_.affinity[task * tasks_ + detail::partner_at(task, static_cast<std::size_t>(p))] /
          (affinity_unit_ * block.scale);
    block.sides = detail::times(block.partners, block.fixed_of_partner);
    block.sides.conservativeResize(n, block.sides.cols() + 1);
    for (Index k = 0; k < n; ++k) block.sides(k, block.sides.cols() - 1) = result(block, k).value / block.scale;
  }

  static const GroupResult& result(const Block& block, Index n) { return block.results[static_cast<std::size_t>(n)]; }
  static double gain(const Block& block, Index n) { return block.sides(n, block.sides.cols() - 1); }
  // y - X a
  static Matrix rest_of(const Block& block, const Matrix& fixed) {
    Matrix rest(block.rows(), 1);
    for (Index n = 0; n < block.rows(); ++n) {
      rest(n, 0) = gain(block, n);
      for (Index f = 0; f < fixed.rows(); ++f) rest(n, 0) -= block.sides(n, f) * fixed(f, 0);
    }
    return rest;
  }
  // Otherwise a run's own deviation is nothing but residual.
  bool repeated_in_runs() const {
    for (const Block& block : blocks_)
      for (Index a = 0; a < block.rows(); ++a)
        for (Index b = 0; b < a; ++b)
          if (block.same_run(a, b) > 0) return true;
    return false;
  }

  [[gnu::noinline]] static detail::Root factor(const Block& block, const Roots& roots) {
    Matrix v(block.rows(), block.rows());
    const double tau = roots[0] * roots[0], gamma = roots[1] * roots[1], run = roots[2] * roots[2];
    for (Index b = 0; b < v.cols(); ++b)
      for (Index a = 0; a < v.rows(); ++a)
        v(a, b) =
            tau * block.same(a, b) + gamma * block.same_pairs(a, b) + run * block.same_run(a, b) + (a == b ? 1 : 0);
    return detail::Root(v);
  }

  [[gnu::noinline]] Solved solve(const Roots& roots) const {
    const Index p = blocks_[0].sides.cols() - 1;
    Matrix products = Matrix::Zero(p + 1, p + 1);
    double log_determinants = 0;
    for (const Block& block : blocks_) {
      const detail::Root v = factor(block, roots);
      const Matrix sides = v.whiten(block.sides);
      products += detail::transposed_times(sides, sides);
      log_determinants += v.log_determinant();
    }
    Solved solved{.fixed = {}, .products = products.topLeftCorner(p, p), .squares = products(p, p), .criterion = 0};
    const detail::Root root(solved.products);
    if (!root.exists()) fail("fit_group_effects: the groups can't tell the affinity's part from the common one");
    const Matrix sides = products.topRightCorner(p, 1);
    solved.fixed = root.solve(sides);
    for (Index f = 0; f < p; ++f) solved.squares -= solved.fixed(f, 0) * sides(f, 0);
    const double rest = static_cast<double>(results_) - static_cast<double>(p);
    // Where nothing is left over the logarithm has no value; so far down no search for variances means anything.
    const double least = 1e-12 * static_cast<double>(results_);
    solved.squares = std::max(solved.squares, least);
    solved.criterion = log_determinants + root.log_determinant() + rest * std::log(solved.squares / rest);
    return solved;
  }
  // The criterion is even in each root, so that a variance of 0 is an ordinary place for it.
  double criterion(const Roots& roots) const {
    constexpr double most = 100;
    Roots within = roots;
    double beyond = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      within[i] = active_[i] ? std::clamp(roots[i], -most, most) : 0;
      beyond += active_[i] ? std::abs(roots[i] - within[i]) : 0;
    }
    return solve(within).criterion + beyond;
  }

  [[gnu::cold, gnu::noinline]] void choose_ratios() {
    // Far up too: on the same batches little is left to chance, and another variance's peak must not be taken for the top.
    constexpr double grid[] = {0, 0.1, 0.3, 1, 3, 10, 30};
    double best = std::numeric_limits<double>::max();
    for (const double tau : grid)
      for (const double gamma : grid)
        for (const double run : grid) {
          if ((gamma > 0 && !active_[1]) || (run > 0 && !active_[2])) continue;
          const double found = criterion({tau, gamma, run});
          if (found < best) best = found, roots_ = {tau, gamma, run};
        }
    // Each time from a fresh simplex about the best, until that wins nothing.
    for (int round = 0; round < 20; ++round) {
      const double before = best;
      best = descend(0.3);
      if (before - best < 1e-11) break;
    }
    for (std::size_t i = 0; i < 3; ++i) {
      Roots without = roots_;
      without[i] = 0;
      if (!active_[i] || criterion(without) <= best + 1e-9) roots_ = without;
      roots_[i] = std::abs(roots_[i]);
    }
  }

  // Nelder and Mead's simplex about roots_, which becomes the best place; the criterion there.
  [[gnu::cold, gnu::noinline]] double descend(double size) {
    struct Corner {
      Roots at;
      double value;
    };
    std::vector<Corner> corners = {{roots_, criterion(roots_)}};
    for (std::size_t i = 0; i < 3; ++i) {
      if (!active_[i]) continue;
      Roots at = roots_;
      at[i] += size * std::max(0.3, std::abs(at[i]));
      corners.push_back({at, criterion(at)});
    }
    const auto between = [](const Roots& from, const Roots& to, double share) {
      Roots at{};
      for (std::size_t i = 0; i < 3; ++i) at[i] = from[i] + share * (to[i] - from[i]);
      return at;
    };
    for (int step = 0; step < 400; ++step) {
      std::stable_sort(corners.begin(), corners.end(),
                       [](const Corner& a, const Corner& b) { return a.value < b.value; });
      double width = 0;
      for (const Corner& corner : corners)
        for (std::size_t i = 0; i < 3; ++i) width = std::max(width, std::abs(corner.at[i] - corners[0].at[i]));
      if (width < 1e-8) break;
      Corner& worst = corners.back();
      const double second = corners[corners.size() - 2].value;
      Roots centre{};
      for (std::size_t c = 0; c + 1 < corners.size(); ++c)
        for (std::size_t i = 0; i < 3; ++i) centre[i] += corners[c].at[i] / static_cast<double>(corners.size() - 1);
      const auto try_at = [&](double share) {
        const Roots at = between(centre, worst.at, share);
        return Corner{at, criterion(at)};
      };
      const Corner reflected = try_at(-1);
      if (reflected.value < corners[0].value) {
        const Corner expanded = try_at(-2);
        worst = expanded.value < reflected.value ? expanded : reflected;
      } else if (reflected.value < second) {
        worst = reflected;
      } else if (const Corner nearer = try_at(reflected.value < worst.value ? -0.5 : 0.5);
                 nearer.value < std::min(worst.value, reflected.value)) {
        worst = nearer;
      } else {
        for (std::size_t c = 1; c < corners.size(); ++c) {
          const Roots at = between(corners[0].at, corners[c].at, 0.5);
          corners[c] = {at, criterion(at)};
        }
      }
    }
    const Corner best = *std::min_element(corners.begin(), corners.end(),
                                          [](const Corner& a, const Corner& b) { return a.value < b.value; });
    roots_ = best.at;
    return best.value;
  }

  [[gnu::cold, gnu::noinline]] GroupEffects::Part posterior(const Block& block, const Matrix& fixed,
                                                            double variance) const {
    const Index n = block.rows(), partners = block.partners.cols();
    const Index pairs = active_[1] ? partners * (partners - 1) / 2 : 0, size = partners + pairs;
    Matrix columns(n, size);  // W D^(1/2): times the roots of the variances' ratios
    for (Index k = 0; k < n; ++k) {
      Index next = partners;
      for (Index i = 0; i < partners; ++i) {
        columns(k, i) = roots_[0] * block.partners(k, i);
        for (Index j = i + 1; j < partners && pairs > 0; ++j)
          columns(k, next++) = roots_[1] * block.partners(k, i) * block.partners(k, j);
      }
    }
    const auto ratio = [&](Index c) { return roots_[c < partners ? 0 : 1]; };

    const detail::Root v = factor(block, roots_);
    const Matrix white = v.whiten(columns), sides = v.whiten(block.sides);
    Matrix covariance = -detail::transposed_times(white, white);
    for (Index c = 0; c < size; ++c) covariance(c, c) += 1;
    const Matrix moved = detail::transposed_times(white, sides);  // D^(1/2) W' V^-1 (X, y)
    GroupEffects::Part part{.mean = Matrix::Zero(size, 1),
                            .root = detail::Root(covariance).lower(),
                            .response = Matrix::Zero(size, fixed.rows())};
    for (Index c = 0; c < size; ++c) {
      part.mean(c, 0) = ratio(c) * moved(c, fixed.rows());
      for (Index f = 0; f < fixed.rows(); ++f) {
        const double response = (c < partners ? block.fixed_of_partner(c, f) : 0) - ratio(c) * moved(c, f);
        part.mean(c, 0) += response * fixed(f, 0);
        part.response(c, f) = block.scale * response * (f == 0 ? 1 : affinity_unit_);
      }
      part.mean(c, 0) *= block.scale;
      for (Index k = 0; k < size; ++k) part.root(c, k) *= block.scale * std::sqrt(variance) * ratio(c);
    }
    return part;
  }

  [[gnu::cold, gnu::noinline]] HeldOut held_out(const Matrix& fixed, const Matrix& inverse) const {
    std::vector<Matrix> v, columns, rest;  // V^-1, V^-1 X, P y
    std::vector<TaskSet> subsets;
    for (const Block& block : blocks_) {
      const detail::Root root = factor(block, roots_);
      v.push_back(root.solve(Matrix::Identity(block.rows(), block.rows())));
      columns.push_back(detail::times(v.back(), block.sides.leftCols(fixed.rows())));
      rest.push_back(detail::times(v.back(), rest_of(block, fixed)));
      for (const GroupResult& r : block.results)
        if (std::find(subsets.begin(), subsets.end(), r.group) == subsets.end()) subsets.push_back(r.group);
    }
    HeldOut found{.subsets = subsets.size()};
    std::vector<double> errors(tasks_), of_mean(tasks_);
    std::vector<bool> known(tasks_, true);
    struct Row {
      std::size_t task;
      Index at;
    };
    for (const TaskSet subset : subsets) {
      std::vector<Row> rows;  // task by task
      for (std::size_t t = 0; t < tasks_; ++t)
        for (Index n = 0; n < blocks_[t].rows(); ++n)
          if (result(blocks_[t], n).group == subset) rows.push_back({t, n});
      const auto total = static_cast<Index>(rows.size());
      Matrix p(total, total), x(total, fixed.rows()), e(total, 1);
      for (Index a = 0; a < total; ++a) {
        const auto [task, at] = rows[static_cast<std::size_t>(a)];
        for (Index f = 0; f < fixed.rows(); ++f) x(a, f) = columns[task](at, f);
        e(a, 0) = rest[task](at, 0);
      }
      p = -detail::times(detail::times(x, inverse), x.transpose());
      for (Index a = 0; a < total; ++a)
        for (Index b = 0; b < total; ++b) {
          const auto& first = rows[static_cast<std::size_t>(a)];
          const auto& second = rows[static_cast<std::size_t>(b)];
          if (first.task == second.task) p(a, b) += v[first.task](first.at, second.at);
        }
      const detail::Root root(p);
      if (root.exists()) e = root.solve(e);
      for (std::size_t a = 0, end = 0; a < rows.size(); a = end) {
        const std::size_t task = rows[a].task;
        double error = 0, null = 0;
        for (; end < rows.size() && rows[end].task == task; ++end) {
          const double others = mean_of_others(blocks_[task], rows[end].at);
          if (is_nan(others) || !root.exists()) known[task] = false;
          error += e(static_cast<Index>(end), 0);
          null += gain(blocks_[task], rows[end].at) - others;
        }
        const auto size = static_cast<double>(end - a);
        errors[task] += error * error / (size * size), of_mean[task] += null * null / (size * size);
      }
    }
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    double all = 0, all_of_mean = 0;
    for (std::size_t t = 0; t < tasks_; ++t) {
      const bool has = known[t] && of_mean[t] > 1e-20;  // in units of the scale: below, it is rounding
      found.task_r2.push_back(has ? 1 - errors[t] / of_mean[t] : nan);
      if (has) all += errors[t], all_of_mean += of_mean[t];
    }
    found.r2 = all_of_mean > 0 ? 1 - all / all_of_mean : nan;
    return found;
  }

  // The mean gain of the task in other subsets: in the same run if there are any, else in all; NaN without any.
  static double mean_of_others(const Block& block, Index n) {
    double sums[2] = {}, counts[2] = {};
    for (Index k = 0; k < block.rows(); ++k) {
      if (result(block, k).group == result(block, n).group) continue;
      for (const std::size_t i : {std::size_t{0}, std::size_t{1}})
        if (i == 0 || block.same_run(n, k) > 0) sums[i] += gain(block, k), counts[i] += 1;
    }
    const std::size_t i = counts[1] > 0 ? 1 : 0;
    return counts[i] > 0 ? sums[i] / counts[i] : std::numeric_limits<double>::quiet_NaN();
  }

  std::size_t count_runs() const {
    std::vector<std::size_t> runs;
    for (const Block& block : blocks_)
      for (const GroupResult& r : block.results)
        if (std::find(runs.begin(), runs.end(), r.run) == runs.end()) runs.push_back(r.run);
    return runs.size();
  }

  // The mean of all u, in units of the scale, where they are not about 0, as the model has it; else 0.
  [[gnu::cold]] double common_level(const Matrix& fixed) const {
    std::vector<double> levels;  // of each task and run, the u that is predicted
    for (const Block& block : blocks_) {
      const Matrix shared = detail::times(block.same_run, factor(block, roots_).solve(rest_of(block, fixed)));
      std::vector<std::size_t> seen;
      for (Index n = 0; n < block.rows(); ++n) {
        const std::size_t run = result(block, n).run;
        if (std::find(seen.begin(), seen.end(), run) != seen.end()) continue;
        seen.push_back(run);
        levels.push_back(roots_[2] * roots_[2] * shared(n, 0));
      }
    }
    const SampleMean mean = sample_mean(levels);
    if (!(roots_[2] > 0) || mean.degrees < 1) return 0;
    return std::abs(mean.value) > t_critical(0.0005, mean.degrees) * mean.error ? mean.value : 0;
  }

  [[gnu::cold]] std::string note(const GroupEffects& effects, double level) const {
    std::string words;
    const auto add = [&](const std::string& more) { words += (words.empty() ? "" : "; ") + more; };
    if (effects.runs_ == 1) add("one run: nothing here says how another run would come out");
    if (effects.held_out_.subsets < 2 * tasks_)
      add(join(effects.held_out_.subsets, " subsets are few for ", tasks_, " tasks, 3 for each task are advised"));
    std::size_t apart = 0;
    for (std::size_t t = 0; t < tasks_; ++t) {
      TaskSet seen = TaskSet::only(t);
      for (const GroupResult& r : blocks_[t].results) seen = seen | r.group;
      apart += tasks_ - seen.count();
    }
    if (level < 0 || level > 0)
      add(join("what a task gains in any group, whoever is in it, ", level,
               " of its scale on average, is taken for chance of its training alone: no score has it"));
    if (apart > 0)
      add(join(apart, " of ", tasks_ * (tasks_ - 1),
               " effects of one task on another were never measured: they are what the others suggest"));
    return words;
  }

  std::size_t tasks_, results_ = 0;
  EffectOptions options_;
  double affinity_unit_ = 1;  // its root mean square: so that both fixed effects are near 1
  std::vector<Block> blocks_;
  std::array<bool, 3> active_{};
  Roots roots_{};
};

/// Fits the model to gains over the task alone. Throws `Error` for fewer results than the model has variances and fixed
/// effects, a task without a result, a group without partners (its gain is 0 by definition), a number that is not finite, an
/// affinity table of another size or that doesn't vary, and gains of a task that are all 0.
[[gnu::cold, gnu::noinline]] inline GroupEffects fit_group_effects(std::span<const GroupResult> gains,
                                                                   std::size_t tasks,
                                                                   const EffectOptions& options = {}) {
  return EffectFit(gains, tasks, options).fit();
}

/// How `choice_probability` draws.
struct ChoiceOptions {
  std::size_t draws = 1000;
  std::uint64_t seed = 0;
};

/// How often plans and groups were chosen.
struct Choices {
  struct Chosen {
    std::vector<TaskSet> groups;  ///< one group, or all of a plan
    double probability;
  };
  std::size_t draws = 0;
  std::vector<Chosen> plans = {};   ///< the most frequent first
  std::vector<Chosen> groups = {};  ///< the same of single groups, whatever else was chosen with them

  /// How often the group was chosen.
  double of(TaskSet group) const {
    for (const Chosen& chosen : groups)
      if (chosen.groups[0] == group) return chosen.probability;
    return 0;
  }
};

namespace detail {

[[gnu::cold, gnu::noinline]] inline void count_choice(std::vector<Choices::Chosen>& counts,
                                                      std::vector<TaskSet> groups) {
  for (Choices::Chosen& chosen : counts)
    if (chosen.groups == groups) {
      chosen.probability += 1;
      return;
    }
  counts.push_back({std::move(groups), 1});
}
[[gnu::cold, gnu::noinline]] inline void add_choice(Choices& choices, std::vector<TaskSet> plan) {
  std::sort(plan.begin(), plan.end(), [](TaskSet a, TaskSet b) { return a.bits() < b.bits(); });
  plan.erase(std::unique(plan.begin(), plan.end()), plan.end());
  for (const TaskSet group : plan) count_choice(choices.groups, {group});
  count_choice(choices.plans, std::move(plan));
  ++choices.draws;
}
[[gnu::cold, gnu::noinline]] inline void rank_choices(Choices& choices) {
  for (auto* counts : {&choices.plans, &choices.groups}) {
    for (Choices::Chosen& chosen : *counts) chosen.probability /= static_cast<double>(choices.draws);
    std::stable_sort(counts->begin(), counts->end(),
                     [](const auto& a, const auto& b) { return a.probability > b.probability; });
  }
}

}  // namespace detail

/// With what probability each plan and group would be chosen, if effects were known instead of estimated: the search runs on
/// draws from the posterior. `search` is called with a score of (task, group) and returns the groups of its plan, a
/// std::vector<TaskSet>. Throws `Error` for no draws.
template <class Search>
Choices choice_probability(const GroupEffects& effects, const Search& search, const ChoiceOptions& options = {}) {
  if (options.draws == 0) fail("ChoiceOptions::draws must be at least 1");
  Choices choices;
  for (std::size_t n = 0; n < options.draws; ++n) {
    Random random(options.seed, Purpose::group, n);
    detail::add_choice(choices, search(effects.draw(random)));
  }
  detail::rank_choices(choices);
  return choices;
}

/// The effects in words: how well they predict, what the affinity was worth, which partners help or hurt, and how
/// sure the choice is, if choices are given.
[[gnu::cold, gnu::noinline]] inline std::string effects_words(const GroupEffects& effects,
                                                              std::span<const std::string_view> names,
                                                              const Choices* choices = nullptr) {
  detail::check_names("effects_words", names, effects.tasks());
  const HeldOut& held_out = effects.held_out();
  std::string text = join("Group effects from ", effects.results(), " results of ", held_out.subsets, " subsets in ",
                          effects.runs(), effects.runs() == 1 ? " run.\n" : " runs.\n");
  if (is_nan(held_out.r2))
    text +=
        "How well subsets that are left out are predicted is not known: there are too few of them, or gains don't "
        "vary.\n";
  else
    text +=
        join("Subsets that were left out are predicted with R^2 = ", held_out.r2,
             held_out.r2 > 0 ? " (0: no better than the mean of a task's other subsets).\n"
                             : ", no better than by the mean of a task's other subsets: choose no groups by this.\n");
  if (effects.slope_error() > 0)
    text += join("An affinity of 1 is worth a gain of ", effects.slope(), " (standard error ", effects.slope_error(),
                 std::abs(effects.slope()) > 2 * effects.slope_error() ? ").\n" : "): not seen to be of use here.\n");
  text += "Partners whose 95 % interval leaves out 0 (each by itself, the variances taken as known):\n";
  const double z = normal_critical(0.025);
  std::size_t seen = 0;
  for (std::size_t affected = 0; affected < names.size(); ++affected)
    for (std::size_t partner = 0; partner < names.size(); ++partner) {
      if (partner == affected) continue;
      const TaskSet pair = TaskSet::only(affected).with(partner);
      const double mean = effects.score(affected, pair), half = z * effects.error(affected, pair);
      if (!(std::abs(mean) > half)) continue;
      ++seen;
      text += join("  training with ", names[partner], mean > 0 ? " helps " : " hurts ", names[affected], ": ", mean,
                   ", from ", mean - half, " to ", mean + half, "\n");
    }
  if (seen == 0) text += "  none\n";
  for (std::size_t n = 0; choices != nullptr && n < choices->plans.size() && n < 3; ++n) {
    text += join(n == 0 ? "Chosen most often" : "then", " (", 100 * choices->plans[n].probability, " % of ",
                 choices->draws, " draws):");
    for (const TaskSet group : choices->plans[n].groups) text += " {" + detail::names_of(group, names) + "}";
    text += "\n";
  }
  if (!effects.note().empty()) text += "Mind: " + effects.note() + ".\n";
  return text + std::string(no_cause);
}

}  // namespace mtlx::grouping
