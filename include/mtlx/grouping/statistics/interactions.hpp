// SPDX-License-Identifier: MIT
// Do pairs of partners matter beyond each partner alone? An F-test, checked by permutation.
//
// For task i, least squares of its gains with and without interactions, a level for each run in both:
//   reduced   y = level of the run + sum_j beta_j x_j
//   full      y = level of the run + sum_j beta_j x_j + sum_{j<k} gamma_jk x_j x_k
//   F = ((RSS_reduced - RSS_full) / d) / (RSS_full / (n - rank of full)),   d = rank of full - rank of reduced.
// Over all tasks: numerators and denominators of RSS in units of each task's mean squared residual of the reduced model,
// summed, over the summed degrees of freedom.
//
// F's distribution asks for normal errors of one size. The permutation test does not (Freedman and Lane): residuals of the
// reduced model are permuted within each run, added to its fit, and F computed anew; p is the share, the data themselves
// counted in, of F at least as large. Errors must be exchangeable within a run and, for the test over all tasks,
// independent between tasks, which they are only nearly: tasks of one subset were trained together.
// References: Freedman and Lane, "A Nonstochastic Interpretation of Reported Significance Levels", Journal of Business and
// Economic Statistics 1, 1983. Winkler et al., NeuroImage 92, 2014 (within blocks).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <mtlx/core/error.hpp>
#include <mtlx/core/random.hpp>
#include <mtlx/core/significance.hpp>
#include <mtlx/grouping/detail/dense.hpp>
#include <mtlx/grouping/statistics/linear_surrogate.hpp>
#include <mtlx/grouping/statistics/words.hpp>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mtlx::grouping {

/// How `interaction_test` permutes.
struct InteractionOptions {
  std::size_t draws = 999;  ///< permutations; 0: none
  std::uint64_t seed = 0;
};

/// Whether interactions matter.
struct InteractionTest {
  /// Of one task, or of all together.
  struct Part {
    double f = 0;
    std::size_t numerator = 0, denominator = 0;  ///< degrees of freedom
    double p = 1;                                ///< of the F distribution; 1 where no test was possible
    double p_permutation = 1;                    ///< by permutation; 1 without one
    std::string note = {};                       ///< why none was possible
  };
  Part all = {};
  std::vector<Part> tasks = {};
};

namespace detail {

/// A task's two models.
class NestedModels {
 public:
  [[gnu::cold, gnu::noinline]] NestedModels(std::vector<GroupResult> results, std::size_t tasks)
      : results_(std::move(results)) {
    // Runs one after the other, so that each run's residuals lie together.
    std::stable_sort(results_.begin(), results_.end(),
                     [](const GroupResult& a, const GroupResult& b) { return a.run < b.run; });
    const Matrix x = partners_in(results_, tasks);
    const Index n = x.rows(), partners = x.cols(), pairs = partners * (partners - 1) / 2;
    for (std::size_t k = 0; k < results_.size(); ++k)
      if (k == 0 || results_[k].run != results_[k - 1].run) runs_.push_back(k);
    runs_.push_back(results_.size());
    const auto levels = static_cast<Index>(runs_.size()) - 1;
    Matrix columns = Matrix::Zero(n, levels + partners + pairs), y(n, 1);
    for (std::size_t r = 0; r + 1 < runs_.size(); ++r)
      for (std::size_t k = runs_[r]; k < runs_[r + 1]; ++k) columns(static_cast<Index>(k), static_cast<Index>(r)) = 1;
    for (Index k = 0; k < n; ++k) {
      y(k, 0) = results_[static_cast<std::size_t>(k)].value;
      Index next = levels + partners;
      for (Index i = 0; i < partners; ++i) {
        columns(k, levels + i) = x(k, i);
        for (Index j = i + 1; j < partners; ++j) columns(k, next++) = x(k, i) * x(k, j);
      }
    }
    reduced_ = basis(columns.leftCols(levels + partners));
    full_ = basis(columns);
    residuals_ = y;
    const Matrix fit = times(reduced_, transposed_times(reduced_, y));
    for (Index k = 0; k < n; ++k) residuals_(k, 0) -= fit(k, 0);
    // What rounding leaves of an exact fit is no residual.
    exact_ = rest(residuals_, full_) <= 1e-20 * detail::squares(y);
  }

  std::size_t numerator() const { return static_cast<std::size_t>(full_.cols() - reduced_.cols()); }
  std::size_t denominator() const { return static_cast<std::size_t>(full_.rows() - full_.cols()); }
  bool testable() const { return numerator() > 0 && denominator() > 0 && !exact_; }
  /// The mean squared residual of the reduced model.
  double unit() const { return detail::squares(residuals_) / static_cast<double>(residuals_.rows() - reduced_.cols()); }

  /// Residual sums of squares of both models.
  struct Squares {
    double reduced, full;
  };
  Squares squares() const { return {detail::squares(residuals_), rest(residuals_, full_)}; }
  /// After a permutation of the residuals within runs.
  [[gnu::noinline]] Squares permuted(Random& random) const {
    Matrix y = residuals_;
    for (std::size_t r = 0; r + 1 < runs_.size(); ++r)
      random.shuffle(std::span(y.data() + runs_[r], runs_[r + 1] - runs_[r]));
    // The reduced model's fit is in the span of both models: it needn't be added.
    return {rest(y, reduced_), rest(y, full_)};
  }

 private:
  // What is left of y's squares beside the span of a basis.
  static double rest(const Matrix& y, const Matrix& basis) {
    return std::max(0.0, detail::squares(y) - detail::squares(transposed_times(basis, y)));
  }

  std::vector<GroupResult> results_;
  std::vector<std::size_t> runs_;  // the first result of each, and the end
  Matrix reduced_, full_, residuals_;
  bool exact_ = false;
};

/// F of sums of squares; 0 where nothing is left over.
inline double f_of(const NestedModels::Squares& squares, double numerator, double denominator) {
  return squares.full > 0 ? (squares.reduced - squares.full) / numerator / (squares.full / denominator) : 0;
}

}  // namespace detail

/// Tests whether pairs of partners matter, for each task and over all. A task whose results can't tell (too few subsets for
/// its pairs, or no residual left) has p = 1 and a note, and is left out of the test over all. Gains or plain values may be
/// given. Throws `Error` as `fit_linear_surrogate` does.
[[gnu::cold, gnu::noinline]] inline InteractionTest interaction_test(std::span<const GroupResult> results,
                                                                     std::size_t tasks,
                                                                     const InteractionOptions& options = {}) {
  detail::check_results("interaction_test", results, tasks);
  std::vector<detail::NestedModels> models;
  InteractionTest test;
  detail::NestedModels::Squares all{0, 0};
  for (std::size_t t = 0; t < tasks; ++t) {
    const auto& model = models.emplace_back(detail::results_of(results, t), tasks);
    InteractionTest::Part& part = test.tasks.emplace_back();
    part.numerator = model.numerator(), part.denominator = model.denominator();
    if (!model.testable()) {
      part.note = part.numerator == 0     ? "no test: no pair of partners can be told from the partners alone"
                  : part.denominator == 0 ? "no test: as many coefficients as results"
                                          : "no test: the model fits without any residual";
      continue;
    }
    const auto squares = model.squares();
    const auto d = static_cast<double>(part.numerator), rest = static_cast<double>(part.denominator);
    part.f = detail::f_of(squares, d, rest);
    part.p = f_upper_tail(part.f, d, rest);
    all.reduced += squares.reduced / model.unit(), all.full += squares.full / model.unit();
    test.all.numerator += part.numerator, test.all.denominator += part.denominator;
  }
  if (test.all.numerator == 0) {
    test.all.note = "no test: in no task can pairs of partners be told from the partners alone";
    return test;
  }
  const auto d = static_cast<double>(test.all.numerator), rest = static_cast<double>(test.all.denominator);
  test.all.f = detail::f_of(all, d, rest);
  test.all.p = f_upper_tail(test.all.f, d, rest);
  if (options.draws == 0) return test;

  // Equal F's may differ by rounding.
  const auto as_large = [](double f, double seen) { return f >= seen * (1 - 1e-10) ? 1.0 : 0.0; };
  std::vector<double> counts(tasks, 1);
  double count = 1;
  for (std::size_t n = 0; n < options.draws; ++n) {
    Random random(options.seed, Purpose::group, n);
    detail::NestedModels::Squares sum{0, 0};
    for (std::size_t t = 0; t < tasks; ++t) {
      const InteractionTest::Part& part = test.tasks[t];
      if (!part.note.empty()) continue;
      const auto squares = models[t].permuted(random);
      counts[t] += as_large(
          detail::f_of(squares, static_cast<double>(part.numerator), static_cast<double>(part.denominator)), part.f);
      sum.reduced += squares.reduced / models[t].unit(), sum.full += squares.full / models[t].unit();
    }
    count += as_large(detail::f_of(sum, d, rest), test.all.f);
  }
  const auto draws = static_cast<double>(options.draws) + 1;
  for (std::size_t t = 0; t < tasks; ++t)
    if (test.tasks[t].note.empty()) test.tasks[t].p_permutation = counts[t] / draws;
  test.all.p_permutation = count / draws;
  return test;
}

/// The test in words.
[[gnu::cold, gnu::noinline]] inline std::string interaction_words(const InteractionTest& test,
                                                                  std::span<const std::string_view> names,
                                                                  double level = 0.05) {
  detail::check_names("interaction_words", names, test.tasks.size());
  const InteractionTest::Part& all = test.all;
  if (!all.note.empty()) return "Whether pairs of partners matter beyond each partner: " + all.note + ".\n";
  std::string text = join("Pairs of partners ", all.p_permutation <= level ? "matter" : "are not seen to matter",
                          " beyond each partner: F(", all.numerator, ", ", all.denominator, ") = ", all.f, ", p = ");
  text += join(all.p_permutation, " by permutation, ", all.p, " by the F distribution.");
  if (all.p_permutation > level) return text + " That is no evidence that they don't.\n";
  text += " By task (p by permutation, not adjusted):";
  for (std::size_t t = 0; t < names.size(); ++t)
    text += join(t == 0 ? " " : ", ", names[t], " ",
                 test.tasks[t].note.empty() ? join(test.tasks[t].p_permutation) : test.tasks[t].note);
  return text + ".\n";
}

}  // namespace mtlx::grouping
