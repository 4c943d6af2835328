// SPDX-License-Identifier: MIT
// Several studies with the same strategies, a data set each: does one do better over data sets? A data set counts once,
// however many tasks, runs and samples it has: its strategies are ranked by their mean delta_m there (the baseline's is 0).
// Friedman's test asks whether any differ, Nemenyi's which (Demsar, "Statistical Comparisons of Classifiers over Multiple
// Data Sets", JMLR 7, 2006); the p that decides is Iman and Davenport's, for data sets are few. Ranks throw away by how
// much, and how sure each is: a table of each data set's own results belongs beside them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <mtlx/core/csv.hpp>
#include <mtlx/core/error.hpp>
#include <mtlx/core/file.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/study/answer.hpp>
#include <mtlx/study/document.hpp>
#include <mtlx/study/findings.hpp>
#include <mtlx/study/html.hpp>
#include <mtlx/study/record.hpp>
#include <mtlx/study/report.hpp>
#include <mtlx/study/statistics.hpp>
#include <mtlx/study/text.hpp>
#include <string>
#include <utility>
#include <vector>

namespace mtlx::study {

/// What several studies say together.
struct Across {
  /// Two strategies: candidates[first] and candidates[second].
  struct Pair {
    std::size_t first = 0, second = 0;
    double difference = 0;  ///< mean rank of the first less that of the second: below 0 the first is better
    double p = 1;           ///< Nemenyi's, for all pairs at once
    bool differ = false;    ///< p is at most 1 - level, and so is that of all strategies together
  };

  std::vector<std::string> data_sets;   ///< the studies' titles
  std::vector<std::string> candidates;  ///< the first is the baseline
  std::vector<double> delta;            ///< mean delta_m in percent, POSITIVE is better : (data sets, candidates)
  Ranking ranking;                      ///< 1 is best
  std::vector<Pair> pairs;
  std::vector<std::string> notes;  ///< what to mind, such as runs that are missing
};

namespace detail {

[[gnu::cold, gnu::noinline]] inline Across across(const std::vector<const Study*>& studies,
                                                  const std::vector<Findings>& found, double level) {
  Across result;
  for (const CandidateRecord& candidate : studies[0]->candidates) result.candidates.push_back(candidate.name);
  const std::size_t candidates = result.candidates.size();
  for (std::size_t s = 0; s < studies.size(); ++s) {
    const Study& study = *studies[s];
    result.data_sets.push_back(study.title.empty() ? join("data set ", s + 1) : study.title);
    const std::string& name = result.data_sets.back();
    for (std::size_t other = 0; other < s; ++other)
      if (result.data_sets[other] == name)
        fail("across: two studies are named \"", name, "\": a data set counts once, give each a title of its own");
    if (study.candidates.size() != candidates)
      fail("across: \"", name, "\" has ", study.candidates.size(), " candidates, and \"", result.data_sets[0], "\" ",
           candidates, ": all studies need the same");
    for (std::size_t c = 0; c < candidates; ++c) {
      std::size_t place = 0;
      while (place < candidates && study.candidates[place].name != result.candidates[c]) ++place;
      if (place == candidates)
        fail("across: \"", name, "\" has no candidate \"", result.candidates[c], "\", which \"", result.data_sets[0],
             "\" has");
      if (c == 0 && place != 0)
        fail("across: the baseline of \"", name, "\" is \"", study.candidates[0].name, "\", and that of \"",
             result.data_sets[0], "\" is \"", result.candidates[0], "\"");
      const Comparison& d = found[s].delta[place];
      if (!is_finite(d.difference.mean))
        fail("across: \"", result.candidates[c], "\" has no delta_m on \"", name, "\"",
             d.missing.empty() ? "" : ": " + d.missing[0]);
      result.delta.push_back(c == 0 ? 0 : d.difference.mean);
      if (!d.missing.empty())
        result.notes.push_back(join(result.candidates[c], " on ", name, ": ", missing_text(d, ""), "."));
    }
  }
  result.ranking = friedman(result.delta, candidates, true, 1 - level);
  for (std::size_t a = 0; a < candidates; ++a)
    for (std::size_t b = a + 1; b < candidates; ++b) {
      const double difference = result.ranking.mean_ranks[a] - result.ranking.mean_ranks[b];
      const double p = nemenyi_p(difference, candidates, studies.size());
      result.pairs.push_back(
          {a, b, difference, p, p <= 1 - level && result.ranking.iman_davenport.significant(1 - level)});
    }
  return result;
}

// Throws `Error` for less than two studies.
[[gnu::cold, gnu::noinline]] inline std::vector<Findings> all_findings(const std::vector<const Study*>& studies,
                                                                       double level) {
  if (studies.size() < 2) fail("across: at least 2 studies are needed, and there are ", studies.size());
  std::vector<Findings> found;
  for (const Study* study : studies) found.push_back(findings(*study, level));
  return found;
}

[[gnu::cold, gnu::noinline]] inline std::vector<std::string> across_answer(const Across& a) {
  const double alpha = a.ranking.level;
  std::vector<std::pair<double, std::string>> order;
  for (std::size_t c = 0; c < a.candidates.size(); ++c)
    order.emplace_back(a.ranking.mean_ranks[c], join(a.candidates[c], " ", fixed(a.ranking.mean_ranks[c], 2)));
  std::stable_sort(order.begin(), order.end(), [](const auto& x, const auto& y) { return x.first < y.first; });
  std::vector<std::string> names, differ;
  bool apart = false;  // two mean ranks, as far as Nemenyi's test asks for
  for (const auto& [rank, name] : order) names.push_back(name);
  for (const Across::Pair& pair : a.pairs) {
    apart = apart || pair.p <= alpha;
    if (!pair.differ) continue;
    const std::size_t better = pair.difference < 0 ? pair.first : pair.second,
                      worse = pair.first + pair.second - better;
    differ.push_back(join(a.candidates[better], " is better than ", a.candidates[worse], " (", p_is(pair.p), ")"));
  }
  const TestResult& test = a.ranking.iman_davenport;
  return {join("Over ", a.data_sets.size(),
               " data sets, ranked by mean delta_m on each (1 is best), the mean ranks are ", listed(names), "."),
          join("Whether any strategies differ, by Friedman's test with Iman and Davenport's F: ",
               test.note.empty() && test.attainable(alpha) ? p_is(test.p) : p_text(test, alpha),
               test.significant(alpha) ? "." : "; these data sets cannot tell."),
          differ.empty() && apart
              ? join("Nemenyi's test, which asks for mean ranks ", fixed(a.ranking.critical_difference, 2),
                     " apart, counts only where all strategies together differ.")
          : differ.empty() ? join("By Nemenyi's test no two differ: mean ranks would have to be ",
                                  fixed(a.ranking.critical_difference, 2), " apart.")
                           : join("By Nemenyi's test (mean ranks at least ", fixed(a.ranking.critical_difference, 2),
                                  " apart) ", listed(differ), ".")};
}

[[gnu::cold, gnu::noinline]] inline Document across_document(const std::vector<const Study*>& studies, double level) {
  const std::vector<Findings> found = all_findings(studies, level);
  const Across a = across(studies, found, level);
  Document out;
  out.title = "Strategies over several data sets";
  out.answer = across_answer(a);
  out.names = a.candidates;

  Section ranks{"ranks", "Over all data sets"};
  Table delta{"Mean delta_m in % on each data set; positive is better", {"data set"}, {}};
  for (const std::string& name : a.candidates) delta.header.push_back(name);
  for (std::size_t s = 0; s < studies.size(); ++s) {
    auto& row = delta.rows.emplace_back();
    row.push_back(words_cell(a.data_sets[s]));
    for (std::size_t c = 0; c < a.candidates.size(); ++c) {
      std::size_t place = 0;
      while (studies[s]->candidates[place].name != a.candidates[c]) ++place;
      const Comparison& d = found[s].delta[place];
      row.push_back(
          {c == 0 ? "0" : signed_fixed(d.difference.mean, 2), c == 0 ? "baseline" : range(d.difference, 2), mark(d)});
    }
  }
  auto& mean = delta.rows.emplace_back();
  mean.push_back(words_cell("mean rank"));
  mean[0].note = "over data sets; 1 is best";
  for (const double rank : a.ranking.mean_ranks) mean.push_back({fixed(rank, 2)});
  Table pairs{"Two strategies at a time",
              {"strategies", "mean rank of the first less that of the second; negative: the first is better",
               "p (Nemenyi)", "verdict"},
              {}};
  for (const Across::Pair& pair : a.pairs) {
    auto& row = pairs.rows.emplace_back();
    row.push_back(words_cell(join(a.candidates[pair.first], " and ", a.candidates[pair.second])));
    row.push_back({signed_fixed(pair.difference, 2)});
    row.push_back({p_value(pair.p)});
    row.push_back(words_cell(pair.differ ? "differ" : "cannot tell"));
  }
  ranks.tables = {std::move(delta), std::move(pairs)};
  ranks.notes.push_back(
      join("A data set counts once. Intervals and words on a data set are its own study's. "
           "\"differ\": mean ranks are at least ",
           fixed(a.ranking.critical_difference, 2),
           " apart (Nemenyi's critical difference), and p of all strategies together is at most ", 1 - level, "."));
  for (const std::string& note : a.notes) ranks.notes.push_back(note);
  out.sections.push_back(std::move(ranks));
  for (std::size_t s = 0; s < studies.size(); ++s) {
    Section own = results_section(*studies[s], found[s]);
    own.id = join("results-", s + 1);
    own.title = a.data_sets[s];
    if (!studies[s]->data.empty()) own.paragraphs.push_back(studies[s]->data);
    out.sections.push_back(std::move(own));
  }
  return out;
}

// A row a data set and strategy, and one a strategy over all.
[[gnu::cold, gnu::noinline]] inline std::string across_csv(const Across& a) {
  std::string out = "data_set,strategy,delta_m_percent_positive_is_better,mean_rank\n";
  for (std::size_t s = 0; s < a.data_sets.size(); ++s)
    for (std::size_t c = 0; c < a.candidates.size(); ++c)
      out += join(csv_name(a.data_sets[s]), ",", csv_name(a.candidates[c]), ",",
                  csv_number(a.delta[s * a.candidates.size() + c]), ",\n");
  for (std::size_t c = 0; c < a.candidates.size(); ++c)
    out += join(",", csv_name(a.candidates[c]), ",,", csv_number(a.ranking.mean_ranks[c]), "\n");
  return out;
}

}  // namespace detail

/// What studies of the same strategies on different data sets say together: `study::across({&digits, &faces, &text})`.
/// Candidates are matched by name, in any order; the baseline is the same. Throws `Error` for less than two studies or
/// candidates, two studies of one title, candidates that differ, or one without any delta_m on a data set.
[[gnu::cold]] inline Across across(const std::vector<const Study*>& studies, double level = 0.95) {
  return detail::across(studies, detail::all_findings(studies, level), level);
}
/// The answer in three sentences, plain text.
[[gnu::cold]] inline std::vector<std::string> answer(const Across& found) { return detail::across_answer(found); }

/// A report of several studies: ranks over them, and each one's results. Throws as `across` does.
[[gnu::cold]] inline std::string report_html(const std::vector<const Study*>& studies,
                                             const ReportOptions& options = {}) {
  return detail::html(detail::across_document(studies, options.level), Study());
}
[[gnu::cold]] inline std::string report_markdown(const std::vector<const Study*>& studies,
                                                 const ReportOptions& options = {}) {
  return detail::markdown(detail::across_document(studies, options.level));
}
/// Writes across.html, across.md and across.csv into a folder, which is made if it is not there. Throws as `across` does, or
/// if writing fails.
[[gnu::cold, gnu::noinline]] inline void write_report(const std::vector<const Study*>& studies,
                                                      const std::string& directory, const ReportOptions& options = {}) {
  const detail::Document document = detail::across_document(studies, options.level);
  make_folder(directory);
  write_file(directory + "/across.html", detail::html(document, Study()));
  write_file(directory + "/across.md", detail::markdown(document));
  write_file(directory + "/across.csv", detail::across_csv(across(studies, options.level)));
}

}  // namespace mtlx::study
