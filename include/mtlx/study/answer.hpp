// SPDX-License-Identifier: MIT
// What a study says, in three sentences: which candidate was better or worse than the baseline and by how much, which tasks
// gain and lose, and at what cost. "Cannot tell" is an answer.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <mtlx/core/error.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/study/findings.hpp>
#include <mtlx/study/record.hpp>
#include <mtlx/study/text.hpp>
#include <string>
#include <vector>

namespace mtlx::study {

namespace detail {

[[gnu::cold]] inline std::string counted(std::size_t count, const char* one, const char* many) {
  return join(count, " ", count == 1 ? one : many);
}

// "p = 0.0012", "p < 0.0001"
[[gnu::cold]] inline std::string p_is(double p) { return join("p ", p < 0.0001 ? "" : "= ", p_value(p)); }

// "a", "a and b", "a, b and c"
[[gnu::cold, gnu::noinline]] inline std::string listed(const std::vector<std::string>& items) {
  std::string text;
  for (std::size_t i = 0; i < items.size(); ++i)
    text += (i == 0 ? "" : i + 1 == items.size() ? " and " : ", ") + items[i];
  return text;
}

// "5 pairs of runs", "one split"
[[gnu::cold]] inline std::string pairs_text(const Comparison& c, bool splits) {
  const std::size_t count = c.difference.count;
  return join(count == 1 ? "one" : join(count),
              splits       ? " split"
              : count == 1 ? " pair"
                           : " pairs",
              splits ? (count == 1 ? "" : "s") : " of runs");
}

// "7 of 10 pairs of runs are missing: its own run failed in 7", behind `before`; empty if none is.
[[gnu::cold, gnu::noinline]] inline std::string missing_text(const Comparison& c, const char* before) {
  if (c.missing.empty()) return "";
  std::vector<std::string> reasons;
  const auto add = [&](std::size_t count, const char* why) {
    if (count > 0) reasons.push_back(join(why, " in ", count));
  };
  add(c.reasons.candidate_failed, "its own run failed or has no metric");
  add(c.reasons.baseline_failed, "the baseline's run failed or has no metric");
  add(c.reasons.no_ratio, "the baseline's metric is not above 0");
  add(c.reasons.not_begun, "a run was not begun");
  add(c.reasons.other, "a run or metric is not there");
  return join(before, c.missing.size(), " of ", counted(c.pairs, "pair", "pairs"), " of runs ",
              c.missing.size() == 1 ? "is" : "are", " missing: ", listed(reasons),
              c.withheld ? "; what is left is no fair sample, so its p makes no verdict" : "");
}

// "95 % interval 1.94 to 3.90, p = 0.0012, 5 pairs of runs"; of a loss, if it is told as one; of being no worse, its own p
// and bound.
[[gnu::cold, gnu::noinline]] inline std::string evidence(const Comparison& c, double level, bool splits) {
  const Estimate& d = c.difference;
  const bool as_loss = c.verdict == Verdict::worse;
  std::string text;
  if (c.verdict == Verdict::no_worse)
    text = join("one-sided ", 100 * level, " % bound ", fixed(c.no_worse_lower, 2), ", ", p_is(c.no_worse_p),
                " against the margin, ");
  else if (d.has_interval())
    text = join(100 * level, " % interval ", fixed(as_loss ? -d.upper : d.lower, 2), " to ",
                fixed(as_loss ? -d.lower : d.upper, 2), ", ", p_is(c.adjusted_p), ", ");
  return text + pairs_text(c, splits) + missing_text(c, "; ");
}

// How many pairs of runs would do what these can't, in words: as many as its test needs if all others' p are smaller (the
// first step of Holm's correction).
[[gnu::cold, gnu::noinline]] inline std::string needed(const Study& study, const Findings& found, const Comparison& c) {
  if (c.reasons.may_flatter_candidate() || c.reasons.may_flatter_baseline()) return "";  // more runs may fail too
  const bool no_worse = study.margin > 0;
  std::size_t tested = 0;
  for (std::size_t i = 1; i < found.delta.size(); ++i) tested += found.delta[i].verdict != Verdict::no_test;
  const auto runs = runs_needed(no_worse ? study.margin : std::abs(c.difference.mean), c.spread,
                                {.level = (1 - found.level) / static_cast<double>(tested),
                                 .alternative = no_worse ? Alternative::greater : Alternative::two_sided,
                                 .test_to_train = study.test_to_train});
  const char* what =
      no_worse ? "show that it is no worse by the margin, if it is as good" : "show a difference of that size";
  if (!runs) return join("; no number of runs on this data would ", what);
  if (*runs > 10000) return join("; more than 10000 would be needed to ", what);
  if (*runs <= c.difference.count) return "";
  return join("; about ", *runs, " would ", what);
}

// The candidates of one verdict, the best first, with what speaks for it unless they are many.
[[gnu::cold, gnu::noinline]] inline std::string clause(const Study& study, const Findings& found, Verdict verdict) {
  std::vector<std::size_t> members;
  for (std::size_t c = 1; c < study.candidates.size(); ++c)
    if (found.delta[c].verdict == verdict) members.push_back(c);
  if (members.empty()) return "";
  std::stable_sort(members.begin(), members.end(), [&](std::size_t a, std::size_t b) {
    const double x = found.delta[a].difference.mean, y = found.delta[b].difference.mean;
    return is_finite(x) && (!is_finite(y) || x > y);
  });
  const bool few = members.size() <= 3, one = members.size() == 1,
             sure = verdict == Verdict::better || verdict == Verdict::worse;
  std::vector<std::string> items;
  std::string proof;  // of the only one, behind the verdict
  for (const std::size_t c : members) {
    const Comparison& d = found.delta[c];
    std::string item = study.candidates[c].name;
    const std::string mean = sure ? join("by ", fixed(std::abs(d.difference.mean), 2), " %")
                                  : join(signed_fixed(d.difference.mean, 2), " %");
    const std::string why = evidence(d, found.level, study.test_to_train > 0);
    if (verdict == Verdict::no_test)
      item += join(" (",
                   d.difference.count == 0 ? "no pair of runs"
                                           : join(mean, " in ", pairs_text(d, study.test_to_train > 0),
                                                  d.difference.count == 1 ? "" : " without any spread"),
                   missing_text(d, "; "), ")");
    else if (one)
      proof = join(sure ? join(" ", mean, " (") : join(" (", mean, ", "), why,
                   verdict == Verdict::cannot_tell ? needed(study, found, d) : "", ")");
    else if (few)
      item += join(" (", mean, ", ", why, verdict == Verdict::cannot_tell ? needed(study, found, d) : "", ")");
    else if (sure)
      item += join(" (", mean, ")");
    items.push_back(std::move(item));
  }
  const std::string all = listed(items), baseline = study.candidates[0].name;
  const char* was = one ? " was " : " were ";
  switch (verdict) {
    case Verdict::better: return join(all, was, "better than ", baseline, proof);
    case Verdict::worse: return join(all, was, "worse than ", baseline, proof);
    case Verdict::no_worse:
      return join(all, was, "no worse than ", baseline, " by the margin of ", study.margin, " %", proof);
    case Verdict::cannot_tell:
      return join("these runs cannot tell whether ", all, was, "better or worse than ", baseline, proof);
    default: return join("no test against ", baseline, " could be made of ", all);
  }
}

[[gnu::cold, gnu::noinline]] inline std::string strategies_sentence(const Study& study, const Findings& found) {
  if (study.candidates.size() == 1)
    return join("There is the baseline, ", study.candidates[0].name, ", and nothing to compare it with.");
  std::string text;
  for (const Verdict verdict :
       {Verdict::better, Verdict::worse, Verdict::no_worse, Verdict::cannot_tell, Verdict::no_test}) {
    const std::string part = clause(study, found, verdict);
    if (!part.empty()) text += (text.empty() ? "" : "; ") + part;
  }
  return join("By delta_m (per task, then mean, in %; positive is better), ", text, ".");
}

[[gnu::cold, gnu::noinline]] inline std::string tasks_sentence(const Study& study, const Findings& found) {
  struct Place {
    std::size_t candidate, task;
    double size;  // in percent
  };
  std::vector<Place> gains, losses;
  std::size_t tested = 0, untested = 0;
  for (std::size_t c = 1; c < study.candidates.size(); ++c)
    for (std::size_t t = 0; t < study.tasks.size(); ++t) {
      const Comparison& gain = found.gains[c][t];
      ++(gain.verdict == Verdict::no_test ? untested : tested);
      const double size = std::abs(gain.difference.mean) / found.gain_units[c][t];
      if (gain.verdict == Verdict::better) gains.push_back({c, t, size});
      if (gain.verdict == Verdict::worse) losses.push_back({c, t, size});
    }
  if (tested == 0) return "No task was tested: that takes two pairs of runs or more.";
  const auto list = [&](std::vector<Place> places, const char* way) {
    std::stable_sort(places.begin(), places.end(), [](const Place& a, const Place& b) { return a.size > b.size; });
    std::string text;
    for (std::size_t i = 0; i < places.size() && i < 3; ++i) {
      const auto [c, t, size] = places[i];
      const Estimate& d = found.gains[c][t].difference;
      const double sign = d.mean < 0 ? -1 : 1, low = sign * d.lower, high = sign * d.upper;
      const int decimals = decimals_for(found.metrics[0][t].mean);
      text += join(i == 0 ? " (" : "; ", study.tasks[t].name, " with ", study.candidates[c].name, ", ",
                   study.tasks[t].metric, " ", fixed(sign * d.mean, decimals), " ", way, ", interval ",
                   fixed(std::min(low, high), decimals), " to ", fixed(std::max(low, high), decimals));
    }
    if (places.size() > 3) text += join("; and ", places.size() - 3, " more");
    return text.empty() ? text : text + ")";
  };
  const auto number = [](std::size_t count) { return count == 0 ? std::string("none") : join(count); };
  const std::size_t open = tested - gains.size() - losses.size();
  std::string text =
      join("Of ", counted(tested, "test", "tests"), " of one task with one strategy, ", number(losses.size()),
           losses.size() == 1 ? " shows a loss" : " show a loss", list(losses, "worse"), ", ", number(gains.size()),
           gains.size() == 1 ? " shows a gain" : " show a gain", list(gains, "better"), ", and ", number(open),
           " cannot tell");
  if (untested > 0) text += join("; ", untested, " could not be made");
  return text + ".";
}

[[gnu::cold, gnu::noinline]] inline std::string cost_sentence(const Study& study) {
  const CandidateRecord& baseline = study.candidates[0];
  struct Size {
    std::size_t candidate;
    double parameters, multiply_adds;
  };
  std::vector<Size> sizes;
  for (std::size_t c = 1; c < study.candidates.size(); ++c) {
    const CandidateRecord& candidate = study.candidates[c];
    if (candidate.parameters == 0 || baseline.parameters == 0) continue;
    const bool known = candidate.multiply_adds > 0 && baseline.multiply_adds > 0;
    sizes.push_back({c, static_cast<double>(candidate.parameters) / static_cast<double>(baseline.parameters),
                     known ? candidate.multiply_adds / baseline.multiply_adds : nan});
  }
  if (sizes.empty()) return "Their sizes are not known.";
  const auto written = [&](const Size& size, const std::string& parameters_of, const std::string& of) {
    std::string text =
        join(study.candidates[size.candidate].name, " has ", rough(size.parameters), " times ", parameters_of);
    if (is_finite(size.multiply_adds))
      text += join(" and ", rough(size.multiply_adds), " times ", of, " multiply-adds");
    return text;
  };
  const std::string first = join("the parameters of ", baseline.name);
  std::vector<std::string> items;
  if (sizes.size() <= 3) {
    for (const Size& size : sizes) items.push_back(written(size, items.empty() ? first : "its parameters", "its"));
  } else {
    const auto smaller = [](const Size& a, const Size& b) { return a.parameters < b.parameters; };
    const auto [least, most] = std::minmax_element(sizes.begin(), sizes.end(), smaller);
    items = {"from the smallest to the largest, " + written(*least, first, "its"),
             written(*most, "its parameters", "its")};
  }
  std::string text;
  for (const std::string& item : items) text += (text.empty() ? "In size, " : "; ") + item;
  return text + ".";
}

}  // namespace detail

/// The answer of a study: three sentences, plain text.
[[gnu::cold]] inline std::vector<std::string> answer(const Study& study, const Findings& found) {
  return {detail::strategies_sentence(study, found), detail::tasks_sentence(study, found),
          detail::cost_sentence(study)};
}

}  // namespace mtlx::study
