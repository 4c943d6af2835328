// SPDX-License-Identifier: MIT
// What follows from the runs of a study: each task's metric with its interval, and each candidate against the baseline. Runs
// are paired: a candidate's with the baseline's of the same split and seed.
// A p-value is of the paired t-test (statistics.hpp), corrected where each run has a split of its own, then Holm's: for
// delta_m over all candidates, for tasks over all candidates and tasks, for "no worse" over all candidates. A task is tested
// by its primary metric, delta_m is over all metrics; the flat one has no test of its own: of two conventions a study has to
// go by one that was chosen beforehand.
// Runs that failed are no chance: where pairs are missing because of how the candidate's runs went, or since the baseline's
// metric is not above 0, what is left may flatter the candidate, and there is no "better" and no "no worse". Nor is there a
// "worse" where they are missing because of the baseline.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <mtlx/core/error.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/study/delta_m.hpp>
#include <mtlx/study/record.hpp>
#include <mtlx/study/statistics.hpp>
#include <string>
#include <utility>
#include <vector>

namespace mtlx::study {

/// How a candidate did against the baseline.
enum class Verdict {
  baseline,     ///< it is the baseline
  better,       ///< adjusted p at most 1 - level
  worse,        ///< adjusted p at most 1 - level
  no_worse,     ///< neither, but its adjusted p against the margin that was fixed beforehand is at most 1 - level
  cannot_tell,  ///< none of these, or pairs are missing because of how runs went
  no_test,      ///< less than two pairs of runs, or no spread between them
};

/// A verdict in words, as tables have it.
[[gnu::cold]] inline const char* words(Verdict verdict) {
  switch (verdict) {
    case Verdict::baseline: return "baseline";
    case Verdict::better: return "better";
    case Verdict::worse: return "worse";
    case Verdict::no_worse: return "no worse";
    case Verdict::cannot_tell: return "cannot tell";
    case Verdict::no_test: return "no test";
  }
  return "";
}

/// The mean of some runs with its interval; NaN where there is none.
struct Estimate {
  std::size_t count = 0;  ///< runs, or pairs of runs
  double mean = detail::nan, lower = detail::nan, upper = detail::nan;
  bool has_interval() const { return is_finite(lower) && is_finite(upper); }
};

/// A candidate's difference to the baseline, positive is better.
struct Comparison {
  Estimate difference;
  double spread = detail::nan;  ///< standard deviation of the pairs' differences
  double p = detail::nan, adjusted_p = detail::nan;
  double no_worse_p = detail::nan;  ///< adjusted; of being no worse by the margin, where there is one
  double no_worse_lower =
      detail::nan;  ///< the bound to it: the difference is above with the findings' level, one-sided
  Verdict verdict = Verdict::no_test;
  std::vector<std::string> missing = {};  ///< pairs of runs that could not be compared, and why
  Missing reasons = {};                   ///< the same, counted
  std::size_t pairs = 0;                  ///< of runs, missing ones too
  bool withheld = false;                  ///< p was small enough for a verdict, which what is missing forbids
};

/// What follows from a study. [c] belongs to Study::candidates, [c][t] to its tasks too.
struct Findings {
  double level = 0.95;
  std::vector<std::vector<Estimate>> metrics;  ///< over the runs that have one
  std::vector<std::vector<Comparison>> gains;  ///< of the metric, in its own unit, positive is better
  std::vector<std::vector<double>>
      gain_units;  ///< one percent of the baseline's mean metric; NaN if that is 0 or not there
  std::vector<std::vector<Estimate>> more;  ///< of the further metrics, [c] task after task as in TaskRecord::more
  std::vector<Comparison> delta;            ///< delta_m in percent, positive is better
  std::vector<Estimate> delta_flat;  ///< delta_m flat in percent, NEGATIVE is better; verdicts go by delta_m alone
  /// As `gains`, but over the clusters of the test set: a number is a cluster's mean over pairs of runs, and each cluster
  /// counts once. Holm's correction is over these. Empty where there are no clusters.
  std::vector<std::vector<Comparison>> cluster_gains = {};
  std::vector<double> ranks;           ///< mean over tasks and runs, 1 is best; NaN without complete runs
  std::vector<std::size_t> failed;     ///< runs
  std::vector<double> run_delta;       ///< delta_m of each run in Study::runs' order; NaN if none
  std::vector<double> run_delta_flat;  ///< the same, flat: NEGATIVE is better
};

namespace detail {

// Clusters of the test set.
[[gnu::cold]] inline std::size_t cluster_count(const Study& study) {
  for (const RunRecord& run : study.runs)
    if (!run.failed()) return run.cluster_metrics.size() / study.tasks.size();
  return 0;
}

// Throws `Error` unless all parts of a study fit each other.
[[gnu::cold, gnu::noinline]] inline void check(const Study& study) {
  const std::size_t tasks = study.tasks.size(), candidates = study.candidates.size();
  if (tasks == 0) fail("a report needs a study with at least one task");
  if (candidates == 0) fail("a report needs a study with at least one candidate, the baseline");
  const auto fits = [](const std::vector<double>& numbers, std::size_t count) {
    return numbers.empty() || numbers.size() == count;
  };
  for (std::size_t r = 0; r < study.runs.size(); ++r) {
    const RunRecord& run = study.runs[r];
    if (run.candidate >= candidates)
      fail("run ", r, " of the study is of candidate ", run.candidate, ", and there are ", candidates);
    if (!run.failed() && run.metrics.size() != tasks)
      fail("run ", r, " of the study has ", run.metrics.size(), " metrics for ", tasks, " tasks");
    if (!fits(run.metrics, tasks) || !fits(run.losses, tasks))
      fail("run ", r, " of the study has ", run.metrics.size(), " metrics and ", run.losses.size(), " losses for ",
           tasks, " tasks");
    const std::size_t more = further_metrics(study);
    if (!fits(run.more_metrics, more))
      fail("run ", r, " of the study has ", run.more_metrics.size(), " further metrics, and its tasks have ", more);
    if (run.cluster_metrics.size() % tasks != 0 ||
        (!run.failed() && run.cluster_metrics.size() != cluster_count(study) * tasks))
      fail("run ", r, " of the study has ", run.cluster_metrics.size(), " metrics of clusters for ", tasks,
           " tasks, and other runs have ", cluster_count(study) * tasks);
    for (const RunRecord& other : study.runs)
      if (&other < &run && other.candidate == run.candidate && other.split == run.split && other.seed == run.seed)
        fail("the study has two runs of candidate ", run.candidate, " with split ", run.split, " and seed ", run.seed);
    for (const EpochRecord& epoch : run.epochs) {
      if (epoch.epoch == 0 || epoch.epoch > 1'000'000'000)
        fail("run ", r, " of the study has an epoch ", epoch.epoch, ", and they count from 1");
      if (!fits(epoch.losses, tasks) || !fits(epoch.validation_losses, tasks) ||
          !fits(epoch.validation_metrics, tasks) || !fits(epoch.weights, tasks) || !fits(epoch.lengths, tasks) ||
          !fits(epoch.cosines, tasks * tasks) || !fits(epoch.conflicts, tasks * tasks))
        fail("epoch ", epoch.epoch, " of run ", r, " of the study has not one number a task, or a pair of them");
    }
  }
  for (const MatrixRecord& matrix : study.matrices)
    if (matrix.values.size() != matrix.row_names.size() * matrix.column_names.size())
      fail("the matrix \"", matrix.title, "\" of the study has ", matrix.values.size(), " values for ",
           matrix.row_names.size(), " rows and ", matrix.column_names.size(), " columns");
  for (const MatrixRecord& matrix : study.matrices)
    if (!matrix.notes.empty() && matrix.notes.size() != matrix.values.size())
      fail("the matrix \"", matrix.title, "\" of the study has ", matrix.notes.size(), " notes for ",
           matrix.values.size(), " values");
  for (const PictureRecord& picture : study.pictures)
    if (picture.png.compare(0, 8, "\x89PNG\r\n\x1a\n") != 0)
      fail("the picture \"", picture.title, "\" of the study is no PNG file");
}

// The mean of some numbers with its interval; NaN where there is none.
[[gnu::cold, gnu::noinline]] inline Estimate estimate(const std::vector<double>& numbers, const Sampling& sampling,
                                                      double level) {
  if (numbers.empty()) return {};
  const Interval interval = t_interval(numbers, level, sampling);
  return {numbers.size(), interval.estimate, interval.lower, interval.upper};
}

// Numbers of runs of the same split become their mean where splits overlap: only splits are independent then (nearly).
[[gnu::cold, gnu::noinline]] inline std::vector<double> by_split(
    const std::vector<std::pair<std::size_t, double>>& numbers, bool splits_overlap) {
  std::vector<double> means, counts;
  std::vector<std::size_t> splits;
  for (const auto& [split, number] : numbers) {
    std::size_t place = means.size();
    for (std::size_t s = 0; splits_overlap && s < splits.size(); ++s)
      if (splits[s] == split) place = s;
    if (place == means.size()) means.push_back(0), counts.push_back(0), splits.push_back(split);
    counts[place] += 1;
    means[place] += (number - means[place]) / counts[place];
  }
  return means;
}

// All but what Holm's adjustment decides.
[[gnu::cold, gnu::noinline]] inline Comparison compare_pairs(const Pairs& pairs, double margin,
                                                             const Sampling& sampling, double level) {
  Sampling with_scale = sampling;
  with_scale.scale = pairs.scale;
  Comparison c;
  c.difference = estimate(pairs.differences, with_scale, level);
  c.missing = pairs.missing, c.reasons = pairs.reasons, c.pairs = pairs.count;
  if (!c.difference.has_interval()) return c;
  const Mean e = mean_of(pairs.differences, with_scale);
  c.spread = e.deviation;
  c.p = paired_t(pairs.differences, Alternative::two_sided, with_scale).p;
  if (margin > 0) {
    c.no_worse_p = non_inferiority(pairs.differences, margin, with_scale).p;
    c.no_worse_lower = e.value - t_critical(1 - level, e.degrees) * e.error;
  }
  c.verdict = Verdict::cannot_tell;
  return c;
}

// A candidate's gains on a task, a number a cluster: its mean over the pairs of runs that are there. A cluster without a
// label of the task has none.
[[gnu::cold, gnu::noinline]] inline Pairs cluster_pairs(const Study& study, std::size_t candidate, std::size_t task) {
  Pairs pairs = metric_gains(study, candidate, task);  // for what is missing
  pairs.differences.clear();
  pairs.scale = 0;
  for (std::size_t i = task; i < cluster_count(study) * study.tasks.size(); i += study.tasks.size()) {
    double sum = 0, count = 0;
    for (const RunRecord& run : study.runs) {
      if (run.candidate != candidate || run.failed()) continue;
      const RunRecord* baseline = baseline_of(study, run);
      if (baseline == nullptr || baseline->failed()) continue;
      const double value = run.cluster_metrics[i], other = baseline->cluster_metrics[i];
      if (!is_finite(value) || !is_finite(other)) continue;
      sum += study.tasks[task].higher_is_better ? value - other : other - value;
      count += 1;
      pairs.scale = std::max({pairs.scale, std::abs(value), std::abs(other)});
    }
    if (count > 0) pairs.differences.push_back(sum / count);
  }
  return pairs;
}

// Verdicts, from Holm's adjusted p-values of all that were tested.
[[gnu::cold, gnu::noinline]] inline void judge(const std::vector<Comparison*>& family, double level) {
  std::vector<Comparison*> tested;
  std::vector<double> p, no_worse_p;
  for (Comparison* c : family) {
    if (c->verdict == Verdict::no_test) continue;
    tested.push_back(c), p.push_back(c->p);
    if (is_finite(c->no_worse_p)) no_worse_p.push_back(c->no_worse_p);
  }
  const std::vector<double> adjusted = holm(p), no_worse = holm(no_worse_p);
  for (std::size_t i = 0; i < tested.size(); ++i) {
    Comparison& c = *tested[i];
    c.adjusted_p = adjusted[i];
    if (no_worse.size() == tested.size()) c.no_worse_p = no_worse[i];
    if (c.adjusted_p <= 1 - level)
      c.verdict = c.difference.mean > 0 ? Verdict::better : Verdict::worse;
    else if (is_finite(c.no_worse_p) && c.no_worse_p <= 1 - level)
      c.verdict = Verdict::no_worse;
    c.withheld = c.verdict == Verdict::worse ? c.reasons.may_flatter_baseline()
                                             : c.verdict != Verdict::cannot_tell && c.reasons.may_flatter_candidate();
    if (c.withheld) c.verdict = Verdict::cannot_tell;
  }
}

// Mean ranks of the candidates over tasks and pairs of split and seed that all of them finished; ties share a rank.
[[gnu::cold, gnu::noinline]] inline std::vector<double> mean_ranks(const Study& study) {
  const std::size_t candidates = study.candidates.size();
  std::vector<double> total(candidates, 0.0);
  double count = 0;
  for (const RunRecord& run : study.runs) {
    if (run.candidate != 0) continue;
    for (std::size_t t = 0; t < study.tasks.size(); ++t) {
      std::vector<double> scores;
      for (const RunRecord& other : study.runs)
        if (other.split == run.split && other.seed == run.seed && !other.failed() && is_finite(other.metrics[t]))
          scores.push_back(0);
      if (scores.size() != candidates) continue;
      for (const RunRecord& other : study.runs)
        if (other.split == run.split && other.seed == run.seed)
          scores[other.candidate] = study.tasks[t].higher_is_better ? -other.metrics[t] : other.metrics[t];
      const std::vector<double> places = ranks(scores);
      for (std::size_t c = 0; c < candidates; ++c) total[c] += places[c];
      count += 1;
    }
  }
  for (double& rank : total) rank = count > 0 ? rank / count : nan;
  return total;
}

}  // namespace detail

/// What follows from a study. Throws `Error` if its parts don't fit each other.
[[gnu::cold, gnu::noinline]] inline Findings findings(const Study& study, double level = 0.95) {
  detail::check(study);
  const std::size_t tasks = study.tasks.size(), candidates = study.candidates.size();
  Findings found;
  found.level = level;
  found.failed.assign(candidates, 0);
  for (const RunRecord& run : study.runs) {
    found.failed[run.candidate] += run.failed();
    found.run_delta.push_back(delta_m(study, run));
    found.run_delta_flat.push_back(delta_m_flat(study, run));
  }
  const Sampling sampling = sampling_of(study);
  // The mean over a candidate's runs of what pick(run) points to, if to anything.
  const auto mean_over_runs = [&](std::size_t c, auto pick) {
    std::vector<std::pair<std::size_t, double>> numbers;
    for (const RunRecord& run : study.runs)
      if (const double* number = run.candidate == c && !run.failed() ? pick(run) : nullptr;
          number != nullptr && is_finite(*number))
        numbers.emplace_back(run.split, *number);
    return detail::estimate(detail::by_split(numbers, study.test_to_train > 0), sampling, level);
  };
  for (std::size_t c = 0; c < candidates; ++c) {
    auto& metrics = found.metrics.emplace_back();
    auto& gains = found.gains.emplace_back();
    auto& units = found.gain_units.emplace_back();
    for (std::size_t t = 0; t < tasks; ++t) {
      metrics.push_back(mean_over_runs(c, [t](const RunRecord& run) { return &run.metrics[t]; }));
      gains.push_back(detail::compare_pairs(metric_gains(study, c, t), 0, sampling, level));
      const double baseline = found.metrics[0][t].mean;
      units.push_back(is_finite(baseline) && baseline != 0 ? std::abs(baseline) / 100 : detail::nan);
    }
    auto& more = found.more.emplace_back();
    for (std::size_t m = 0; m < further_metrics(study); ++m)
      more.push_back(mean_over_runs(
          c, [m](const RunRecord& run) { return run.more_metrics.empty() ? nullptr : &run.more_metrics[m]; }));
    found.delta.push_back(detail::compare_pairs(delta_m(study, c), study.margin, sampling, level));
    found.delta_flat.push_back(detail::compare_pairs(delta_m_flat(study, c), 0, sampling, level).difference);
  }
  const bool clusters = detail::cluster_count(study) > 0;
  for (std::size_t c = 0; clusters && c < candidates; ++c) {
    auto& gains = found.cluster_gains.emplace_back();
    for (std::size_t t = 0; t < tasks; ++t)
      gains.push_back(detail::compare_pairs(detail::cluster_pairs(study, c, t), 0, {}, level));
  }
  std::vector<Comparison*> of_tasks, of_delta, of_clusters;
  for (std::size_t c = 1; c < candidates; ++c) {
    for (std::size_t t = 0; clusters && t < tasks; ++t) of_clusters.push_back(&found.cluster_gains[c][t]);
    for (Comparison& gain : found.gains[c]) of_tasks.push_back(&gain);
    of_delta.push_back(&found.delta[c]);
  }
  detail::judge(of_tasks, level);
  detail::judge(of_delta, level);
  detail::judge(of_clusters, level);
  found.delta[0].verdict = Verdict::baseline;
  for (Comparison& gain : found.gains[0]) gain.verdict = Verdict::baseline;
  for (std::size_t t = 0; clusters && t < tasks; ++t) found.cluster_gains[0][t].verdict = Verdict::baseline;
  found.ranks = detail::mean_ranks(study);
  return found;
}

}  // namespace mtlx::study
