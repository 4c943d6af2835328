// SPDX-License-Identifier: MIT
// Delta m, the mean relative gain over single-task learning, in the two conventions of the field. With a metric m of a
// model, b of the baseline, and s = 1 where higher is better, -1 where lower is:
//
//   delta_m       100 mean over tasks of the mean over the task's metrics of s (m - b) / b    POSITIVE IS BETTER
//   delta_m_flat  100 mean over all metrics of -s (m - b) / b                                 NEGATIVE IS BETTER
//
// The first is Maninis et al., "Attentive Single-Tasking of Multiple Tasks", CVPR 2019, eq. 4, with LibMTL's mean over each
// task's metrics; the second is what papers on balancing print (Navon et al., "Multi-Task Learning as a Bargaining Game",
// ICML 2022). They can disagree on which is better: a task with many metrics counts for more in the second. With one metric
// a task (or as many for each) the second is the first with the other sign. A study's are over all metrics of its tasks,
// the further ones of nn::Metrics<A, B, ...> too.
//
// The baseline is a study's own single-task run with the same split and seed, never a figure from elsewhere or a run's own
// first epoch. A relative gain needs a baseline above 0; of an R² or a correlation near 0 it says nothing.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <mtlx/core/error.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/study/record.hpp>
#include <mtlx/study/statistics.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace mtlx::study {

/// What stands above a column of `delta_m`, and of `delta_m_flat`.
inline constexpr const char* delta_m_header =
    "delta_m, % (mean over tasks of each one's mean gain; positive is better)";
inline constexpr const char* delta_m_flat_header = "delta_m flat, % (mean over all metrics; negative is better)";

/// One metric of a model, and of its baseline.
struct MetricPair {
  std::string task;
  std::string metric;
  double value = 0;
  double baseline = 0;
  bool higher_is_better = true;
};

namespace detail {

/// Why there is no difference of the two, or nothing.
[[gnu::cold]] inline std::string no_difference(const MetricPair& pair) {
  if (!is_finite(pair.value)) return join("there is no ", pair.metric, " of the task \"", pair.task, "\"");
  if (!is_finite(pair.baseline)) return join("the baseline has no ", pair.metric, " of the task \"", pair.task, "\"");
  return {};
}

/// Why there is no relative gain, or nothing.
[[gnu::cold]] inline std::string no_gain(const MetricPair& pair) {
  std::string why = no_difference(pair);
  if (why.empty() && !(pair.baseline > 0))
    why = join("the baseline's ", pair.metric, " of the task \"", pair.task, "\" is ", pair.baseline,
               ", and a relative gain needs one above 0");
  return why;
}

/// In percent, positive is better.
[[gnu::cold]] inline double relative_gain(const MetricPair& pair) {
  if (const std::string why = no_gain(pair); !why.empty()) fail("delta_m: ", why);
  return (pair.higher_is_better ? 100 : -100) * (pair.value - pair.baseline) / pair.baseline;
}

}  // namespace detail

/// Per task, then mean, in percent: POSITIVE IS BETTER. Throws `Error` for no metrics, one that is missing (not finite), and
/// a baseline that is not above 0.
[[gnu::cold]] inline double delta_m(std::span<const MetricPair> pairs) {
  if (pairs.empty()) fail("delta_m: no metrics");
  double total = 0, tasks = 0;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    double sum = 0, count = 0;
    bool first = true;
    for (std::size_t j = 0; j < pairs.size(); ++j) {
      if (pairs[j].task != pairs[i].task) continue;
      first = first && j >= i;
      sum += detail::relative_gain(pairs[j]), count += 1;
    }
    if (first) total += sum / count, tasks += 1;
  }
  return total / tasks;
}

/// Flat over all metrics, in percent: NEGATIVE IS BETTER. Throws as `delta_m` does.
[[gnu::cold]] inline double delta_m_flat(std::span<const MetricPair> pairs) {
  if (pairs.empty()) fail("delta_m_flat: no metrics");
  double total = 0;
  for (const MetricPair& pair : pairs) total -= detail::relative_gain(pair);
  return total / static_cast<double>(pairs.size());
}

/// Why pairs of runs are missing, each pair once. Those that never were begun are missing by chance; how the others went
/// has to do with how good they are, so what is left may flatter one side.
struct Missing {
  std::size_t candidate_failed = 0;  ///< the candidate's run failed, or has no such metric where the baseline has one
  std::size_t baseline_failed = 0;   ///< the baseline's did
  std::size_t no_ratio = 0;          ///< the baseline's metric is not above 0
  std::size_t not_begun = 0;         ///< the budget was used up
  std::size_t other = 0;             ///< one of the two runs is not there, or neither has the metric

  bool may_flatter_candidate() const { return candidate_failed + no_ratio > 0; }
  bool may_flatter_baseline() const { return baseline_failed + no_ratio > 0; }
};

/// A candidate's runs against the baseline's of the same split and seed.
struct Pairs {
  std::vector<double> differences;   ///< a pair of runs each; a split each where splits overlap (the mean of its seeds)
  std::vector<std::string> missing;  ///< which pairs there are not, and why
  std::size_t count = 0;             ///< of pairs, missing ones too
  Missing reasons = {};              ///< of those that are missing
  double scale = 0;                  ///< `Sampling::scale` of the differences
};

/// How the differences of a study's runs hang together: what intervals and tests ask for.
inline Sampling sampling_of(const Study& study) { return {.test_to_train = study.test_to_train}; }

/// The baseline's run that shares split and seed with a run, finished or failed; null if there is none. Throws `Error` if
/// there are two.
[[gnu::cold]] inline const RunRecord* baseline_of(const Study& study, const RunRecord& run) {
  const RunRecord* baseline = nullptr;
  for (const RunRecord& other : study.runs) {
    if (other.candidate != 0 || other.split != run.split || other.seed != run.seed) continue;
    if (baseline != nullptr) fail("the baseline has two runs with split ", run.split, " and seed ", run.seed);
    baseline = &other;
  }
  return baseline;
}

/// All of a run's metrics with those of its baseline: the primary ones, a task each, and then the further ones, task after
/// task; NaN where a run has none of these. Throws `Error` unless both have a primary one for each task of the study, and
/// all further ones or none.
[[gnu::cold, gnu::noinline]] inline std::vector<MetricPair> metric_pairs(const Study& study, const RunRecord& run,
                                                                         const RunRecord& baseline) {
  const std::size_t more = further_metrics(study);
  for (const RunRecord* r : {&run, &baseline}) {
    if (r->metrics.size() != study.tasks.size())
      fail("delta_m: candidate ", r->candidate, " has ", r->metrics.size(), " metrics with seed ", r->seed,
           " and split ", r->split, ", and the study has ", study.tasks.size(), " tasks");
    if (!r->more_metrics.empty() && r->more_metrics.size() != more)
      fail("delta_m: candidate ", r->candidate, " has ", r->more_metrics.size(), " further metrics with seed ", r->seed,
           " and split ", r->split, ", and the study's tasks have ", more);
  }
  std::vector<MetricPair> pairs;
  for (std::size_t t = 0; t < study.tasks.size(); ++t)
    pairs.push_back({study.tasks[t].name, study.tasks[t].metric, run.metrics[t], baseline.metrics[t],
                     study.tasks[t].higher_is_better});
  std::size_t next = 0;
  for (const TaskRecord& task : study.tasks)
    for (const MetricRecord& metric : task.more) {
      const auto number = [&](const RunRecord& r) {
        return r.more_metrics.empty() ? detail::nan : r.more_metrics[next];
      };
      pairs.push_back({task.name, metric.name, number(run), number(baseline), metric.higher_is_better});
      ++next;
    }
  return pairs;
}

namespace detail {

/// Whether a run is missing only because nothing was left of the budget (study::compare's words).
[[gnu::cold]] inline bool was_not_begun(const RunRecord& run) {
  return run.error.find("not begun: ") != std::string::npos;
}

/// Counts why there is no number of a pair of runs; `metrics` is empty if it is for a run.
[[gnu::cold, gnu::noinline]] inline void count_reason(const RunRecord* run, const RunRecord* baseline,
                                                      const std::vector<MetricPair>& metrics, Missing& reasons) {
  const auto failed = [](const RunRecord* r) { return r != nullptr && r->failed(); };
  if (failed(run) || (run != nullptr && failed(baseline))) {
    const bool fault = failed(run) && !was_not_begun(*run), other = failed(baseline) && !was_not_begun(*baseline);
    ++(fault ? reasons.candidate_failed : other ? reasons.baseline_failed : reasons.not_begun);
  } else if (run == nullptr || baseline == nullptr) {
    ++reasons.other;
  } else {
    bool fault = false, other = false, ratio = false;
    for (const MetricPair& pair : metrics) {
      fault = fault || (!is_finite(pair.value) && is_finite(pair.baseline));
      other = other || (is_finite(pair.value) && !is_finite(pair.baseline));
      ratio = ratio || (is_finite(pair.baseline) && !(pair.baseline > 0));
    }
    ++(fault ? reasons.candidate_failed : other ? reasons.baseline_failed : ratio ? reasons.no_ratio : reasons.other);
  }
}

/// One number a pair of runs: number(pairs), or why_not(pairs), a text that is empty where there is a number;
/// scale(pairs) is the size of what was subtracted.
template <class Number, class WhyNot, class Scale>
Pairs pairs_of(const Study& study, std::size_t candidate, const Number& number, const WhyNot& why_not,
               const Scale& scale) {
  if (candidate >= study.candidates.size()) fail("delta_m: candidate ", candidate, " of ", study.candidates.size());
  Pairs found;
  std::vector<std::pair<std::size_t, std::size_t>> splits;  // and their seeds' number
  for (const RunRecord& run : study.runs) {
    if (run.candidate != candidate) continue;
    ++found.count;
    const RunRecord* baseline = baseline_of(study, run);
    std::vector<MetricPair> metrics;
    std::string why = run.failed()          ? join("the run failed: ", run.error)
                      : baseline == nullptr ? "the baseline has no such run"
                      : baseline->failed()  ? join("the baseline's run failed: ", baseline->error)
                                            : std::string();
    if (why.empty()) why = why_not(metrics = metric_pairs(study, run, *baseline));
    if (!why.empty()) {
      count_reason(&run, baseline, metrics, found.reasons);
      found.missing.push_back(join("split ", run.split, ", seed ", run.seed, ": ", why));
      continue;
    }
    std::size_t place = splits.size();
    for (std::size_t s = 0; study.test_to_train > 0 && s < splits.size(); ++s)
      if (splits[s].first == run.split) place = s;
    if (place == splits.size()) {
      splits.emplace_back(run.split, 0);
      found.differences.push_back(0);
    }
    splits[place].second += 1;
    double& mean = found.differences[place];
    mean += (number(metrics) - mean) / static_cast<double>(splits[place].second);
    found.scale = std::max(found.scale, scale(metrics));
  }
  for (const RunRecord& baseline : study.runs) {
    bool paired = baseline.candidate != 0;
    for (const RunRecord& run : study.runs)
      paired = paired || (run.candidate == candidate && run.split == baseline.split && run.seed == baseline.seed);
    if (paired) continue;
    ++found.count;
    count_reason(nullptr, &baseline, {}, found.reasons);
    found.missing.push_back(join("split ", baseline.split, ", seed ", baseline.seed, ": there is no such run"));
  }
  return found;
}

}  // namespace detail

/// A candidate's gains on one task, in its primary metric's own unit: POSITIVE IS BETTER, for an error too. Throws `Error`
/// if there is no such candidate or task.
[[gnu::cold]] inline Pairs metric_gains(const Study& study, std::size_t candidate, std::size_t task) {
  if (task >= study.tasks.size()) fail("metric_gains: task ", task, " of ", study.tasks.size());
  return detail::pairs_of(
      study, candidate,
      [task](const std::vector<MetricPair>& pairs) {
        const double gain = pairs[task].value - pairs[task].baseline;
        return pairs[task].higher_is_better ? gain : -gain;
      },
      [task](const std::vector<MetricPair>& pairs) { return detail::no_difference(pairs[task]); },
      [task](const std::vector<MetricPair>& pairs) {
        return std::max(std::abs(pairs[task].value), std::abs(pairs[task].baseline));
      });
}

namespace detail {

/// `number` of each pair of runs whose metrics all have a relative gain.
[[gnu::cold, gnu::noinline]] inline Pairs relative_pairs(const Study& study, std::size_t candidate,
                                                         double (*number)(std::span<const MetricPair>)) {
  return pairs_of(
      study, candidate, [number](const std::vector<MetricPair>& pairs) { return number(pairs); },
      [](const std::vector<MetricPair>& pairs) {
        for (const MetricPair& pair : pairs)
          if (std::string why = detail::no_gain(pair); !why.empty()) return why;
        return std::string();
      },
      [](const std::vector<MetricPair>& pairs) {
        double largest = 100;
        for (const MetricPair& pair : pairs) largest = std::max(largest, 100 * std::abs(pair.value) / pair.baseline);
        return largest;
      });
}
/// The same of one run; NaN where there is none.
[[gnu::cold, gnu::noinline]] inline double relative_of(const Study& study, const RunRecord& run,
                                                       double (*number)(std::span<const MetricPair>)) {
  const RunRecord* baseline = baseline_of(study, run);
  if (run.failed() || baseline == nullptr || baseline->failed()) return nan;
  const std::vector<MetricPair> pairs = metric_pairs(study, run, *baseline);
  for (const MetricPair& pair : pairs)
    if (!no_gain(pair).empty()) return nan;
  return number(pairs);
}

}  // namespace detail

/// A candidate's delta_m of each pair of runs, in percent: POSITIVE IS BETTER. A pair without one (a metric is missing, or the
/// baseline's is not above 0) is named in `missing`. Throws `Error` if there is no such candidate.
[[gnu::cold]] inline Pairs delta_m(const Study& study, std::size_t candidate) {
  return detail::relative_pairs(study, candidate, [](std::span<const MetricPair> pairs) { return delta_m(pairs); });
}
/// A candidate's flat delta_m of each pair of runs, in percent: NEGATIVE IS BETTER. Else as `delta_m`.
[[gnu::cold]] inline Pairs delta_m_flat(const Study& study, std::size_t candidate) {
  return detail::relative_pairs(study, candidate,
                                [](std::span<const MetricPair> pairs) { return delta_m_flat(pairs); });
}

/// delta_m of one run, in percent: POSITIVE IS BETTER; NaN where there is none.
[[gnu::cold]] inline double delta_m(const Study& study, const RunRecord& run) {
  return detail::relative_of(study, run, [](std::span<const MetricPair> pairs) { return delta_m(pairs); });
}
/// Flat delta_m of one run, in percent: NEGATIVE IS BETTER; NaN where there is none.
[[gnu::cold]] inline double delta_m_flat(const Study& study, const RunRecord& run) {
  return detail::relative_of(study, run, [](std::span<const MetricPair> pairs) { return delta_m_flat(pairs); });
}

}  // namespace mtlx::study
