// SPDX-License-Identifier: MIT
// How sure one can be of an affinity: intervals and tests per pair of tasks, with control for many comparisons.
//
// Over runs (relations_over_runs): one table a run, each run with fresh first weights. The numbers of a pair are one a run;
// their mean has Student's t interval, runs - 1 degrees of freedom. This is the default and the only replication.
//
// Within one run (relations_within_run): the looks at one training follow from each other, so n of them are worth less than
// n. They are cut into b blocks; the b block means have a t interval with b - 1 degrees of freedom (batch means). A block
// should be at least twice the integrated autocorrelation time
//   tau = 1 + 2 sum_k rho_k,   the sum by Geyer's initial monotone sequence,
// or its mean still follows from the last one's and the interval is too narrow. And however long the run is, it tells of
// this run alone: with other first weights the mean is another one. Everything printed of it says "within this run".
//
// Tests are of row contrasts (contrasts.hpp) unless asked otherwise, two-sided, against 0. All pairs, T (T-1) of them, are
// tested together: p_holm keeps the probability of even one wrong relation at the level whatever the dependence, p_bh the
// expected share of wrong ones among those named (proved for independent tests, which the contrasts of a row are not).
// Verdicts go by p_holm. Intervals are for one pair each, and not for all at once.
// References: Schmeiser, "Batch Size Effects in the Analysis of Simulation Output", Operations Research 30, 1982.
// Geyer, "Practical Markov Chain Monte Carlo", Statistical Science 7, 1992, section 3.3.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <mtlx/core/error.hpp>
#include <mtlx/core/options.hpp>
#include <mtlx/core/sample_mean.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/core/significance.hpp>
#include <mtlx/core/task_set.hpp>
#include <mtlx/grouping/statistics/contrasts.hpp>
#include <span>
#include <string>
#include <vector>

namespace mtlx::grouping {

/// What a test says of a task (affected) and a partner (acting). Of contrasts, "helps" is: more than the task's other
/// partners do, and "hurts": less than they do, which may still be help.
enum class Verdict { cannot_tell, helps, hurts };

/// How relations are tested.
struct RelationOptions {
  double level = 0.05;     ///< family-wise, of Holm's test; intervals are of 1 - level
  bool contrasts = true;   ///< of row contrasts. false: of the values as they are, which have an offset in common
  std::size_t blocks = 8;  ///< within one run: blocks of looks, at least 2

  void validate() const {
    check_option("RelationOptions::level", level, {.most = 1, .most_too = false});
    if (!(level > 0)) fail("RelationOptions::level must be above 0");
    if (blocks < 2) fail("RelationOptions::blocks must be at least 2, and is ", blocks);
  }
};

/// What is known of one pair, or of one task and a set of partners.
struct Relation {
  std::size_t affected = 0;
  std::size_t acting = 0;       ///< of a pair
  TaskSet partners = {};        ///< of a question about a set of partners; else empty
  std::size_t count = 0;        ///< numbers that it rests on: runs, or blocks of one run
  double mean = 0;              ///< NaN where there is no number
  double lower = 0, upper = 0;  ///< NaN where there is no interval: one number, or no spread
  double t = 0;
  double p = 1;                     ///< two-sided; 1 where no test was possible
  double p_holm = 1, p_bh = 1;      ///< adjusted over all relations tested together
  double autocorrelation_time = 0;  ///< within one run, in looks; over runs 0
  bool blocks_too_short = false;    ///< within one run: shorter than twice that
  Verdict verdict = Verdict::cannot_tell;
};

/// Relations that were tested together.
struct Relations {
  std::size_t tasks = 0;
  std::size_t runs = 0;     ///< 1: within this run
  bool within_run = false;  ///< of one run's looks: says nothing about another run
  bool contrasts = true;
  double level = 0.05;
  double needed = 0;  ///< a mean must be so many standard deviations (of runs, or block means) from 0 to be told at all
  std::vector<Relation> all = {};  ///< pairs, row by row, without the diagonal; or the questions, in their order
  std::string note = {};           ///< in words: what limits the answer; empty if nothing

  /// A pair's relation; only of relations of all pairs.
  const Relation& at(std::size_t affected, std::size_t acting) const {
    if (affected == acting || affected >= tasks || acting >= tasks || all.size() != tasks * (tasks - 1))
      fail("Relations: there is no pair ", affected, ", ", acting);
    return all[affected * (tasks - 1) + acting - (acting > affected ? 1 : 0)];
  }
  /// How many have a verdict.
  std::size_t told() const {
    std::size_t count = 0;
    for (const Relation& r : all) count += r.verdict != Verdict::cannot_tell ? 1 : 0;
    return count;
  }
};

/// The integrated autocorrelation time of a series, in its steps, at least 1: so many numbers in a row are worth one
/// independent number. Short series give too small a one: not to be trusted below about 50 times its value. All numbers are
/// finite; less than 4, or without spread: 1.
[[gnu::cold, gnu::noinline]] inline double autocorrelation_time(std::span<const double> series) {
  const std::size_t n = series.size();
  double mean = 0, squares = 0;
  for (const double x : series) mean += x / static_cast<double>(n), squares += x * x;
  const auto covariance = [&](std::size_t lag) {
    double sum = 0;
    for (std::size_t i = 0; i + lag < n; ++i) sum += (series[i] - mean) * (series[i + lag] - mean);
    return sum;
  };
  const double variance = n < 4 ? 0 : covariance(0);
  if (!(variance > 1e-20 * squares)) return 1;  // what rounding leaves of a constant
  double time = -1, last = std::numeric_limits<double>::max();
  for (std::size_t lag = 0; lag + 1 < n; lag += 2) {
    const double pair = ((lag == 0 ? variance : covariance(lag)) + covariance(lag + 1)) / variance;
    if (!(pair > 0)) break;
    last = std::min(last, pair);
    time += 2 * last;
  }
  return std::max(1.0, time);
}

/// The means of `blocks` stretches of a series, as equal in length as can be. There are at least as many numbers as blocks.
[[gnu::cold, gnu::noinline]] inline std::vector<double> batch_means(std::span<const double> series,
                                                                    std::size_t blocks) {
  if (blocks == 0 || series.size() < blocks) fail("batch_means: ", blocks, " blocks of ", series.size(), " numbers");
  std::vector<double> means(blocks);
  for (std::size_t b = 0; b < blocks; ++b) {
    const std::size_t first = b * series.size() / blocks, last = (b + 1) * series.size() / blocks;
    for (std::size_t i = first; i < last; ++i) means[b] += series[i] / static_cast<double>(last - first);
  }
  return means;
}

namespace detail {

/// All tables, contrasts or as they are; cell (table, affected, acting).
[[gnu::cold, gnu::noinline]] inline std::vector<double> tested_tables(const char* of, std::span<const double> tables,
                                                                      std::size_t tasks, bool contrasts) {
  const std::size_t cells = tasks * tasks;
  if (tasks < 2 || tables.empty() || tables.size() % cells != 0)
    fail(of, ": ", tables.size(), " cells are no whole tables of ", tasks, " x ", tasks, " tasks");
  std::vector<double> tested;
  tested.reserve(tables.size());
  for (std::size_t first = 0; first < tables.size(); first += cells) {
    const auto table = tables.subspan(first, cells);
    if (contrasts) {
      const std::vector<double> made = row_contrasts(table, tasks);
      tested.insert(tested.end(), made.begin(), made.end());
      continue;
    }
    for (std::size_t cell = 0; cell < cells; ++cell) {
      if (cell % (tasks + 1) != 0 && !is_nan(table[cell]) && !is_finite(table[cell]))
        fail(of, ": table ", first / cells, ", row ", cell / tasks, ", column ", cell % tasks, " is not finite");
      tested.push_back(table[cell]);
    }
  }
  return tested;
}

/// Mean, interval and p of relations' numbers.
class Judge {
 public:
  explicit Judge(double level) : tail_(level / 2) {}

  [[gnu::cold, gnu::noinline]] void operator()(Relation& r, std::span<const double> numbers) {
    r.count = numbers.size();
    r.mean = r.lower = r.upper = std::numeric_limits<double>::quiet_NaN();
    if (numbers.empty()) return;
    const SampleMean e = sample_mean(numbers);
    r.mean = e.value;
    if (!e.has_spread()) return;
    if (e.degrees != degrees_) degrees_ = e.degrees, critical_ = t_critical(tail_, e.degrees);
    r.lower = e.value - critical_ * e.error, r.upper = e.value + critical_ * e.error;
    r.t = e.value / e.error;
    r.p = std::min(1.0, 2 * t_upper_tail(std::abs(r.t), e.degrees));
  }

 private:
  double tail_;
  double degrees_ = 0, critical_ = 0;  // of the last one: they are mostly the same
};

/// Adjusts all p-values together and gives the verdicts. `count` numbers stand behind most of them.
[[gnu::cold, gnu::noinline]] inline void adjust(Relations& relations, std::size_t count) {
  std::vector<double> p;
  for (const Relation& r : relations.all) p.push_back(r.p);
  const std::vector<double> by_holm = holm(p), by_bh = benjamini_hochberg(p);
  for (std::size_t i = 0; i < p.size(); ++i) {
    Relation& r = relations.all[i];
    r.p_holm = by_holm[i], r.p_bh = by_bh[i];
    if (r.p_holm <= relations.level) r.verdict = r.mean > 0 ? Verdict::helps : Verdict::hurts;
  }
  const auto n = static_cast<double>(count), tests = static_cast<double>(std::max<std::size_t>(1, p.size()));
  relations.needed = t_critical(relations.level / (2 * tests), n - 1) / std::sqrt(n);
}

[[gnu::cold]] inline std::string few_runs(const Relations& relations) {
  if (relations.runs >= 5) return {};
  return join(relations.runs, " runs are few, 5 or more are advised: with Holm's correction over ",
              relations.all.size(), relations.all.size() == 1 ? " test" : " tests", " a mean must be ",
              relations.needed, " standard deviations over runs away from 0 to be told from it");
}

}  // namespace detail

/// Each pair's mean over runs with its t interval and test. tables : (runs, affected, acting), one table for each run with
/// fresh first weights, such as the mean of its looks on held-out samples. Missing cells (NaN) are left out: such a pair
/// rests on fewer runs. Throws `Error` for less than 2 runs (one is no replication), less than 3 tasks where contrasts are
/// tested, cells that are no whole tables, and an infinite cell.
[[gnu::cold, gnu::noinline]] inline Relations relations_over_runs(std::span<const double> tables, std::size_t tasks,
                                                                  const RelationOptions& options = {}) {
  options.validate();
  const auto tested = detail::tested_tables("relations_over_runs", tables, tasks, options.contrasts);
  Relations result{.tasks = tasks, .runs = tables.size() / (tasks * tasks), .contrasts = options.contrasts};
  result.level = options.level;
  if (result.runs < 2)
    fail("relations_over_runs: one run is no replication; take 5, or relations_within_run for what holds within one");
  std::vector<double> numbers;
  detail::Judge judge(options.level);
  for (std::size_t affected = 0; affected < tasks; ++affected)
    for (std::size_t acting = 0; acting < tasks; ++acting) {
      if (acting == affected) continue;
      numbers.clear();
      for (std::size_t cell = affected * tasks + acting; cell < tested.size(); cell += tasks * tasks)
        if (!is_nan(tested[cell])) numbers.push_back(tested[cell]);
      judge(result.all.emplace_back(Relation{.affected = affected, .acting = acting}), numbers);
    }
  detail::adjust(result, result.runs);
  result.note = detail::few_runs(result);
  return result;
}

/// Each pair's mean over one run's looks, with the t interval of its block means: WITHIN THIS RUN, and no replication.
/// tables : (looks, affected, acting), in the order of time. Missing cells (NaN) are left out before blocks are cut; a pair
/// with fewer looks than blocks has no interval. Throws `Error` for fewer looks than twice the blocks, and as above.
[[gnu::cold, gnu::noinline]] inline Relations relations_within_run(std::span<const double> tables, std::size_t tasks,
                                                                   const RelationOptions& options = {}) {
  options.validate();
  const auto tested = detail::tested_tables("relations_within_run", tables, tasks, options.contrasts);
  const std::size_t looks = tables.size() / (tasks * tasks);
  if (looks < 2 * options.blocks)
    fail("relations_within_run: ", looks, " looks are too few for ", options.blocks, " blocks of at least 2");
  Relations result{.tasks = tasks, .runs = 1, .within_run = true, .contrasts = options.contrasts};
  result.level = options.level;
  std::size_t too_short = 0;
  double longest = 0;
  std::vector<double> numbers;
  detail::Judge judge(options.level);
  for (std::size_t affected = 0; affected < tasks; ++affected)
    for (std::size_t acting = 0; acting < tasks; ++acting) {
      if (acting == affected) continue;
      Relation& r = result.all.emplace_back(Relation{.affected = affected, .acting = acting});
      numbers.clear();
      for (std::size_t cell = affected * tasks + acting; cell < tested.size(); cell += tasks * tasks)
        if (!is_nan(tested[cell])) numbers.push_back(tested[cell]);
      const bool enough = numbers.size() >= options.blocks;
      judge(r, enough ? batch_means(numbers, options.blocks) : std::vector<double>{});
      if (!enough) continue;
      r.autocorrelation_time = autocorrelation_time(numbers);
      r.blocks_too_short = static_cast<double>(numbers.size() / options.blocks) < 2 * r.autocorrelation_time;
      too_short += r.blocks_too_short ? 1 : 0;
      longest = std::max(longest, r.autocorrelation_time);
    }
  detail::adjust(result, options.blocks);
  result.note = "within this run: with other first weights the means are others";
  if (too_short > 0)
    result.note +=
        join("; blocks of ", looks / options.blocks, " looks are too short for ", too_short, " of ", result.all.size(),
             " pairs, whose looks hang together over up to ", longest, " looks: their intervals are too narrow");
  return result;
}

/// A question: are these partners, as a whole, better for the task than its others?
struct GroupQuestion {
  std::size_t affected = 0;
  TaskSet partners = {};
};

/// For each question the mean over the partners of the task's row contrasts, over runs, all questions tested together.
/// tables as for `relations_over_runs`; a run that lacks one of a question's contrasts is left out of it. Only questions
/// that were asked before the tables were seen keep their level. Throws `Error` for no question, partners that hold the
/// task itself, none, or all of its partners (their contrasts add up to 0), and as above.
[[gnu::cold, gnu::noinline]] inline Relations groups_over_runs(std::span<const double> tables, std::size_t tasks,
                                                               std::span<const GroupQuestion> questions,
                                                               const RelationOptions& options = {}) {
  options.validate();
  const auto tested = detail::tested_tables("groups_over_runs", tables, tasks, true);
  Relations result{.tasks = tasks, .runs = tables.size() / (tasks * tasks), .level = options.level};
  if (result.runs < 2) fail("groups_over_runs: one run is no replication; take 5");
  if (questions.empty()) fail("groups_over_runs: no questions");
  std::vector<double> numbers;
  detail::Judge judge(options.level);
  for (std::size_t q = 0; q < questions.size(); ++q) {
    const auto& [affected, partners] = questions[q];
    if (affected >= tasks || tasks > TaskSet::capacity || partners.empty() || partners.has(affected) ||
        !((partners | TaskSet::first(tasks)) == TaskSet::first(tasks)) || partners.count() + 1 >= tasks)
      fail("groups_over_runs: question ", q, ": the partners must be some of task ", affected,
           "'s, and neither none nor all");
    numbers.clear();
    for (std::size_t first = affected * tasks; first < tested.size(); first += tasks * tasks) {
      double sum = 0;
      bool whole = true;
      for (std::size_t acting = 0; acting < tasks; ++acting) {
        if (!partners.has(acting)) continue;
        whole = whole && !is_nan(tested[first + acting]);
        sum += tested[first + acting];
      }
      if (whole) numbers.push_back(sum / static_cast<double>(partners.count()));
    }
    judge(result.all.emplace_back(Relation{.affected = affected, .partners = partners}), numbers);
  }
  detail::adjust(result, result.runs);
  result.note = detail::few_runs(result);
  return result;
}

}  // namespace mtlx::grouping
