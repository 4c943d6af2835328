// SPDX-License-Identifier: MIT
// What a report shows, before it is HTML or Markdown: sections of paragraphs, tables and charts. All that depends on the
// machine's speed stands in the last section.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <mtlx/core/error.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/study/answer.hpp>
#include <mtlx/study/delta_m.hpp>
#include <mtlx/study/findings.hpp>
#include <mtlx/study/gain_figure.hpp>
#include <mtlx/study/record.hpp>
#include <mtlx/study/svg.hpp>
#include <mtlx/study/text.hpp>
#include <string>
#include <utility>
#include <vector>

namespace mtlx::study::detail {

/// A cell of a table; the first of a row names it.
struct Cell {
  std::string text;
  std::string note = {};  ///< a second, smaller line
  std::string mark = {};  ///< a verdict in words
  double heat = nan;      ///< from -1 to 1, for the cell's colour
  std::string svg = {};   ///< a picture for HTML, which the other cells say in numbers
  bool is_number = true;
};

struct Table {
  std::string caption;
  std::vector<std::string> header;
  std::vector<std::vector<Cell>> rows;
};

/// A chart, and its numbers as a table.
struct Figure {
  LineChart chart;
  Table numbers;
  std::string svg = {};  ///< in place of the chart's lines, which then has a title alone
};

struct Section {
  std::string id, title;
  std::vector<std::string> paragraphs = {};
  std::vector<Table> tables = {};
  std::vector<Figure> figures = {};
  std::vector<std::string> notes = {};  ///< below all
  bool pictures = false;                ///< the study's pictures stand here
};

struct Document {
  std::string title, data;
  std::vector<std::string> answer, remarks;
  std::vector<std::string> names;  ///< of the candidates: their colours' legend
  std::vector<Section> sections;
};

[[gnu::cold]] inline std::string direction(const std::string& metric, bool higher_is_better) {
  return join(metric, higher_is_better ? ", higher is better" : ", lower is better");
}
[[gnu::cold]] inline std::string direction(const TaskRecord& task) {
  return direction(task.metric, task.higher_is_better);
}
[[gnu::cold]] inline std::string mark(const Comparison& c) {
  return c.verdict == Verdict::baseline ? "" : words(c.verdict);
}
/// "0.7990 to 0.8108"
[[gnu::cold]] inline std::string range(const Estimate& e, int decimals) {
  return e.has_interval() ? join(fixed(e.lower, decimals), " to ", fixed(e.upper, decimals)) : "";
}
[[gnu::cold]] inline Cell words_cell(std::string text) {
  Cell cell{std::move(text)};
  cell.is_number = false;
  return cell;
}

// A row a task, a column a candidate.
[[gnu::cold, gnu::noinline]] inline Section results_section(const Study& study, const Findings& found) {
  Section section{"results", "Results on the test set"};
  Table table{"Each task's metric, and what follows for all of them", {"task"}, {}};
  for (const CandidateRecord& candidate : study.candidates) table.header.push_back(candidate.name);
  std::size_t further = 0;
  for (std::size_t t = 0; t < study.tasks.size(); ++t) {
    auto& row = table.rows.emplace_back();
    row.push_back(words_cell(study.tasks[t].name));
    row[0].note = direction(study.tasks[t]);
    double largest = 0;
    for (const auto& metrics : found.metrics)
      if (is_finite(metrics[t].mean)) largest = std::max(largest, std::abs(metrics[t].mean));
    const int decimals = decimals_for(largest);
    for (std::size_t c = 0; c < study.candidates.size(); ++c)
      row.push_back(
          {fixed(found.metrics[c][t].mean, decimals), range(found.metrics[c][t], decimals), mark(found.gains[c][t])});
    for (const MetricRecord& metric : study.tasks[t].more) {
      auto& of = table.rows.emplace_back();
      of.push_back(words_cell(study.tasks[t].name));
      of[0].note = direction(metric.name, metric.higher_is_better);
      largest = 0;
      for (const auto& more : found.more)
        if (is_finite(more[further].mean)) largest = std::max(largest, std::abs(more[further].mean));
      for (const auto& more : found.more)
        of.push_back({fixed(more[further].mean, decimals_for(largest)), range(more[further], decimals_for(largest))});
      ++further;
    }
  }
  const std::size_t below = table.rows.size();
  auto& delta = table.rows.emplace_back();
  delta.push_back(words_cell("delta_m, %"));
  delta[0].note = further == 0 ? "per task, then mean; positive is better"
                               : "mean over tasks of each one's mean over its metrics; positive is better";
  auto& flat = table.rows.emplace_back();
  flat.push_back(words_cell("delta_m flat, %"));
  flat[0].note = further == 0
                     ? std::string("over one metric a task: the row above with the other sign; negative is better")
                     : join("mean over all ", study.tasks.size() + further, " metrics; negative is better");
  auto& rank = table.rows.emplace_back();
  rank.push_back(words_cell("mean rank"));
  rank[0].note = "over tasks and runs; 1 is best";
  for (std::size_t c = 0; c < study.candidates.size(); ++c) {
    const Comparison& d = found.delta[c];
    const bool is_baseline = c == 0;
    const Estimate& f = found.delta_flat[c];
    table.rows[below].push_back({is_baseline ? "0" : signed_fixed(d.difference.mean, 2),
                                 is_baseline ? "baseline" : range(d.difference, 2), mark(d)});
    table.rows[below + 1].push_back(
        {is_baseline ? "0" : signed_fixed(f.mean, 2), is_baseline ? "baseline" : range(f, 2)});
    table.rows[below + 2].push_back({fixed(found.ranks[c], 2)});
  }
  if (study.margin > 0) {
    auto& bound = table.rows.emplace_back();
    bound.push_back(words_cell("delta_m's lower bound, %"));
    bound[0].note = join("one-sided, ", 100 * found.level, " %; p against the margin of ", study.margin, " %");
    for (std::size_t c = 0; c < study.candidates.size(); ++c) {
      const Comparison& d = found.delta[c];
      if (c == 0)
        bound.push_back({"0", "baseline"});
      else
        bound.push_back({signed_fixed(d.no_worse_lower, 2), is_finite(d.no_worse_p) ? p_is(d.no_worse_p) : ""});
    }
  }
  section.tables.push_back(std::move(table));

  std::size_t most = 0;
  for (const auto& metrics : found.metrics)
    for (const Estimate& e : metrics) most = std::max(most, e.count);
  const std::string level = join(100 * found.level);
  if (most < 2) {
    section.notes.push_back(
        "There is one run of each strategy: no interval and no test. One run says nothing of the next.");
    return section;
  }
  section.notes.push_back(join(
      "Means over at most ", most, study.test_to_train > 0 ? " splits" : " runs", ", below each its ", level,
      " % interval (Student's t",
      study.test_to_train > 0 ? ", with Nadeau and Bengio's correction for splits that overlap" : "",
      "). \"better\" and \"worse\": by a paired t-test against the baseline's runs of the same split and seed, p at "
      "most ",
      1 - found.level,
      " after Holm's correction (delta_m: over all strategies; tasks: over all strategies and tasks). "
      "\"cannot tell\": neither.",
      further > 0 ? " A task is tested by its first metric; the flat delta_m has an interval and no test." : ""));
  bool any_missing = false;
  for (std::size_t c = 1; c < study.candidates.size(); ++c) {
    const std::vector<std::string>& missing = found.delta[c].missing;
    if (missing.empty()) continue;
    section.notes.push_back(
        join(study.candidates[c].name, ": ", missing_text(found.delta[c], ""), ". The first: ", missing[0], "."));
    any_missing = true;
  }
  if (any_missing)
    section.notes.emplace_back(
        "Where pairs of runs are missing because of how the strategy's runs went, or since the baseline's metric is "
        "not "
        "above 0, there is no \"better\" and no \"no worse\"; where because of the baseline's, no \"worse\".");
  if (study.margin > 0)
    section.notes.push_back(join("\"no worse\": the test that delta_m is above -", study.margin,
                                 " %, a margin fixed before the study, has p at most ", 1 - found.level,
                                 " after Holm's correction over all strategies."));
  return section;
}

// Who gains and who loses by which strategy.
[[gnu::cold, gnu::noinline]] inline Section gains_section(const Study& study, const Findings& found) {
  Section section{"gains", "Which task gains, which loses"};
  section.paragraphs.push_back(join("Against ", study.candidates[0].name,
                                    ", over pairs of runs with the same split and seed. Differences have the "
                                    "metric's unit and are turned so that positive is better."));
  double low = 0, high = 0;
  for (std::size_t c = 1; c < study.candidates.size(); ++c)
    for (std::size_t t = 0; t < study.tasks.size(); ++t) {
      const Estimate& d = found.gains[c][t].difference;
      const double unit = found.gain_units[c][t];
      for (const double end : {d.mean, d.lower, d.upper})
        if (is_finite(end) && is_finite(unit)) low = std::min(low, end / unit), high = std::max(high, end / unit);
    }
  if (low == high) low = -1, high = 1;
  for (std::size_t c = 1; c < study.candidates.size(); ++c) {
    Table table{join(study.candidates[c].name, " against ", study.candidates[0].name),
                {"task", "difference, positive is better", "in %, positive is better",
                 join("from ", fixed(low, 1), " to ", fixed(high, 1), " %, a line at 0"), "pairs", "p", "p after Holm",
                 "verdict"},
                {}};
    for (std::size_t t = 0; t < study.tasks.size(); ++t) {
      const Comparison& gain = found.gains[c][t];
      const double unit = found.gain_units[c][t];
      Estimate relative = gain.difference;
      relative.mean = is_finite(unit) ? relative.mean / unit : nan;
      relative.lower = is_finite(unit) ? relative.lower / unit : nan;
      relative.upper = is_finite(unit) ? relative.upper / unit : nan;
      const int decimals = decimals_for(found.metrics[0][t].mean);
      Cell name = words_cell(study.tasks[t].name), picture{""};
      name.note = direction(study.tasks[t]);
      picture.svg = svg_interval(relative, low, high,
                                 words(gain.verdict)[0] == 'b'   ? "better"
                                 : words(gain.verdict)[0] == 'w' ? "worse"
                                                                 : "open");
      Cell verdict = words_cell("");
      verdict.mark = words(gain.verdict);
      table.rows.push_back({std::move(name),
                            {signed_fixed(gain.difference.mean, decimals), range(gain.difference, decimals)},
                            {signed_fixed(relative.mean, 2), range(relative, 2)},
                            std::move(picture),
                            {join(gain.difference.count)},
                            {p_value(gain.p)},
                            {p_value(gain.adjusted_p)},
                            std::move(verdict)});
    }
    section.tables.push_back(std::move(table));
  }
  return section;
}

// The same over clusters of the test set: would other photos, documents, families say so?
[[gnu::cold, gnu::noinline]] inline Section clusters_section(const Study& study, const Findings& found) {
  Section section{"clusters", "Gains over clusters of the test set"};
  section.paragraphs.emplace_back(
      "A number is a cluster's, the mean over pairs of runs with the same seed; each cluster counts once, however many "
      "samples it has. Intervals and tests are over clusters: they tell of other clusters for these trainings, as "
      "those "
      "above tell of other seeds for these test samples. Holm's correction is over this table. Positive is better.");
  Table table{
      "", {"strategy and task", "difference, positive is better", "clusters", "p", "p after Holm", "verdict"}, {}};
  for (std::size_t c = 1; c < found.cluster_gains.size(); ++c)
    for (std::size_t t = 0; t < study.tasks.size(); ++t) {
      const Comparison& gain = found.cluster_gains[c][t];
      const int decimals = decimals_for(found.metrics[0][t].mean);
      Cell name = words_cell(join(study.candidates[c].name, ", ", study.tasks[t].name)), verdict = words_cell("");
      name.note = direction(study.tasks[t]);
      verdict.mark = words(gain.verdict);
      table.rows.push_back({std::move(name),
                            {signed_fixed(gain.difference.mean, decimals), range(gain.difference, decimals)},
                            {join(gain.difference.count)},
                            {p_value(gain.p)},
                            {p_value(gain.adjusted_p)},
                            std::move(verdict)});
    }
  if (!table.rows.empty()) section.tables.push_back(std::move(table));
  return section;
}

// What each task gains by several methods, as the study has it.
[[gnu::cold, gnu::noinline]] inline Section task_gains_section(const Study& study) {
  Section section{"task-gains", "Gain of each task"};
  for (const GainRecord& record : study.task_gains) {
    check_gains(record);
    Figure figure{
        {record.title, "", {}}, {"", {record.groups.empty() ? "task" : "task and its group"}, {}}, svg(record)};
    const int decimals = gain_decimals(record);
    for (const std::string& method : record.methods)
      figure.numbers.header.push_back(
          join(method, " over ", record.baseline, record.unit.empty() ? "" : ", ", record.unit));
    for (const std::size_t t : gain_order(record)) {
      auto& row = figure.numbers.rows.emplace_back();
      row.push_back(words_cell(record.tasks[t]));
      if (!record.groups.empty()) row[0].note = record.groups[t];
      for (std::size_t m = 0; m < record.methods.size(); ++m) {
        const std::size_t i = m * record.tasks.size() + t;
        row.push_back({signed_fixed(record.gains[i], decimals),
                       has_interval(record, i) ? join(signed_fixed(record.lower[i], decimals), " to ",
                                                      signed_fixed(record.upper[i], decimals))
                                               : ""});
      }
    }
    section.figures.push_back(std::move(figure));
    section.paragraphs.push_back(gain_words(record));
  }
  section.notes.emplace_back(
      "A row is a task, the largest gain of the first method on top. Right of 0 is better. gains.csv has the numbers.");
  return section;
}

// At most `most` of `count` places, the first and the last among them.
[[gnu::cold]] inline std::vector<std::size_t> some_of(std::size_t count, std::size_t most) {
  std::vector<std::size_t> places;
  const std::size_t kept = std::min(count, most);
  for (std::size_t i = 0; i < kept; ++i) places.push_back(kept < 2 ? 0 : i * (count - 1) / (kept - 1));
  return places;
}

/// A number of a run's epoch, NaN if it has none.
using Pick = double (*)(const EpochRecord& epoch, std::size_t task, std::size_t tasks);

// A line for each candidate: the mean over its runs, with its interval as the band, up to where the first of them stops:
// what is left from there on are the runs that went better, or worse. No lines if no run has numbers.
[[gnu::cold, gnu::noinline]] inline Figure curves(const Study& study, double level, std::string title, std::size_t task,
                                                  Pick pick) {
  Figure figure{{std::move(title), "epoch", {}}, {"", {"epoch"}, {}}};
  std::vector<std::size_t> ends, runs,
      lasts;  // of each candidate's runs the first last epoch, the number, and the last
  for (std::size_t c = 0; c < study.candidates.size(); ++c) {
    ends.push_back(0), runs.push_back(0), lasts.push_back(0);
    for (const RunRecord& run : study.runs) {
      if (run.candidate != c || run.failed()) continue;
      std::size_t own = 0;
      for (const EpochRecord& epoch : run.epochs)
        if (is_finite(pick(epoch, task, study.tasks.size()))) own = std::max(own, epoch.epoch);
      if (own == 0) continue;
      ends[c] = runs[c] == 0 ? own : std::min(ends[c], own);
      lasts[c] = std::max(lasts[c], own);
      runs[c] += 1;
    }
  }
  const std::size_t last = *std::max_element(ends.begin(), ends.end());
  const std::vector<std::size_t> places = some_of(last, 200);
  double largest = 0;
  for (std::size_t c = 0; c < study.candidates.size(); ++c) {
    std::vector<std::vector<std::pair<std::size_t, double>>> numbers(last);
    for (const RunRecord& run : study.runs)
      if (run.candidate == c && !run.failed())
        for (const EpochRecord& epoch : run.epochs) {
          const double number = pick(epoch, task, study.tasks.size());
          if (is_finite(number) && epoch.epoch > 0 && epoch.epoch <= ends[c])
            numbers[epoch.epoch - 1].emplace_back(run.split, number);
        }
    Line line{study.candidates[c].name, c, {}, {}, {}, {}, runs[c], ends[c] < lasts[c]};
    bool any = false;
    for (const std::size_t e : places) {
      const Estimate at = estimate(by_split(numbers[e], study.test_to_train > 0), sampling_of(study), level);
      line.x.push_back(static_cast<double>(e + 1));
      line.y.push_back(at.mean), line.lower.push_back(at.lower), line.upper.push_back(at.upper);
      any = any || at.count > 0;
      if (at.count > 0) largest = std::max(largest, std::abs(at.mean));
    }
    if (any) figure.chart.lines.push_back(std::move(line));
  }
  for (const Line& line : figure.chart.lines)
    figure.numbers.header.push_back(join(line.name, " (", counted(line.runs, "run", "runs"), ")"));
  const int decimals = decimals_for(largest);
  for (const std::size_t i : some_of(places.size(), 10)) {
    auto& row = figure.numbers.rows.emplace_back();
    row.push_back({join(places[i] + 1)});
    for (const Line& line : figure.chart.lines)
      row.push_back({fixed(line.y[i], decimals), is_finite(line.lower[i]) ? join(fixed(line.lower[i], decimals), " to ",
                                                                                 fixed(line.upper[i], decimals))
                                                                          : ""});
  }
  return figure;
}

// Says of which candidates a line ends early; empty if none does.
[[gnu::cold, gnu::noinline]] inline std::string ends_text(const Section& section) {
  std::vector<std::string> names;
  for (const Figure& figure : section.figures)
    for (const Line& line : figure.chart.lines)
      if (line.shortened && std::find(names.begin(), names.end(), line.name) == names.end()) names.push_back(line.name);
  if (names.empty()) return "";
  return join("A line ends where the first of its runs stops, though others go on: so with ", listed(names), ". ");
}

[[gnu::cold, gnu::noinline]] inline Section curves_section(const Study& study, double level) {
  Section section{"curves", "Learning curves"};
  const auto add = [&](const std::string& what, std::size_t t, Pick pick) {
    Figure figure = curves(study, level, join(study.tasks[t].name, ": ", what), t, pick);
    if (!figure.chart.lines.empty()) section.figures.push_back(std::move(figure));
  };
  for (std::size_t t = 0; t < study.tasks.size(); ++t)
    add(join(study.tasks[t].metric, " on validation data"), t,
        [](const EpochRecord& epoch, std::size_t task, std::size_t) {
          return task < epoch.validation_metrics.size() ? epoch.validation_metrics[task] : nan;
        });
  for (std::size_t t = 0; t < study.tasks.size(); ++t)
    add("loss on validation data", t, [](const EpochRecord& epoch, std::size_t task, std::size_t) {
      return task < epoch.validation_losses.size() ? epoch.validation_losses[task] : nan;
    });
  for (std::size_t t = 0; t < study.tasks.size(); ++t)
    add("loss in training", t, [](const EpochRecord& epoch, std::size_t task, std::size_t) {
      return task < epoch.losses.size() ? epoch.losses[task] : nan;
    });
  section.paragraphs.push_back(join("Means over the runs; bands are their ", 100 * level, " % intervals. ",
                                    ends_text(section), "curves.csv has every run."));
  return section;
}

// The mean over pairs of tasks; NaN if there is none.
[[gnu::cold]] inline double mean_of_pairs(const std::vector<double>& numbers, std::size_t tasks) {
  double total = 0, count = 0;
  for (std::size_t i = 0; i < numbers.size(); ++i)
    if (i / tasks != i % tasks && is_finite(numbers[i])) total += numbers[i], count += 1;
  return count > 0 ? total / count : nan;
}

inline constexpr const char* heat_note =
    "Colours are each table's own: blue above 0, orange below, full at the number that is largest without its sign.";

[[gnu::cold, gnu::noinline]] inline Table heat_map(const MatrixRecord& matrix) {
  Table table{matrix.title,
              {matrix.rows.empty() && matrix.columns.empty() ? "" : join(matrix.rows, " \\ ", matrix.columns)},
              {}};
  double largest = 0;
  for (const double number : matrix.values)
    if (is_finite(number)) largest = std::max(largest, std::abs(number));
  const std::size_t columns = matrix.column_names.size();
  const int decimals = std::min(decimals_for(largest), 3);
  for (const std::string& name : matrix.column_names) table.header.push_back(name);
  for (std::size_t r = 0; r < matrix.row_names.size(); ++r) {
    auto& row = table.rows.emplace_back();
    row.push_back(words_cell(matrix.row_names[r]));
    for (std::size_t c = 0; c < columns; ++c) {
      const double number = matrix.values[r * columns + c];
      Cell cell{fixed(number, decimals)};
      cell.heat = is_finite(number) ? (largest > 0 ? number / largest : 0) : nan;
      if (!matrix.notes.empty()) cell.note = matrix.notes[r * columns + c];
      row.push_back(std::move(cell));
    }
  }
  return table;
}

// (tasks, tasks): a candidate's mean over epochs and runs, NaN where there is none and of a task with itself; empty if none.
[[gnu::cold, gnu::noinline]] inline std::vector<double> pair_means(const Study& study, std::size_t candidate,
                                                                   std::vector<double> EpochRecord::* member) {
  const std::size_t tasks = study.tasks.size();
  std::vector<double> means(tasks * tasks, 0.0), counts = means;
  for (const RunRecord& run : study.runs)
    if (run.candidate == candidate && !run.failed())
      for (const EpochRecord& epoch : run.epochs)
        for (std::size_t i = 0; i < (epoch.*member).size(); ++i)
          if (is_finite((epoch.*member)[i])) means[i] += (epoch.*member)[i], counts[i] += 1;
  bool any = false;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const bool known = counts[i] > 0 && i / tasks != i % tasks;
    means[i] = known ? means[i] / counts[i] : nan;
    any = any || known;
  }
  return any ? means : std::vector<double>{};
}

// Cosines between the tasks' gradients, over time and between pairs.
[[gnu::cold, gnu::noinline]] inline Section conflicts_section(const Study& study, double level) {
  Section section{"conflicts", "Conflicts between gradients"};
  const auto add = [&](const char* title, Pick pick) {
    Figure figure = curves(study, level, title, 0, pick);
    if (!figure.chart.lines.empty()) section.figures.push_back(std::move(figure));
  };
  add("share of steps with a conflict, mean over pairs of tasks",
      [](const EpochRecord& epoch, std::size_t, std::size_t count) { return mean_of_pairs(epoch.conflicts, count); });
  add("cosine between gradients, mean over pairs of tasks",
      [](const EpochRecord& epoch, std::size_t, std::size_t count) { return mean_of_pairs(epoch.cosines, count); });
  for (std::size_t c = 0; c < study.candidates.size(); ++c)
    for (const auto& [what, member] : {std::pair{"share of steps with a conflict", &EpochRecord::conflicts},
                                       std::pair{"cosine between gradients", &EpochRecord::cosines}}) {
      MatrixRecord matrix{
          join(study.candidates[c].name, ": ", what, ", mean over epochs and runs"), "", "", {}, {}, {}};
      matrix.values = pair_means(study, c, member);
      if (matrix.values.empty()) continue;
      for (const TaskRecord& task : study.tasks) matrix.row_names.push_back(task.name);
      matrix.column_names = matrix.row_names;
      section.tables.push_back(heat_map(matrix));
    }
  if (!section.tables.empty()) section.notes.emplace_back(heat_note);
  section.paragraphs.push_back(
      "Gradients on the shared parameters, where the balancer saw them. Two tasks are in conflict in a "
      "step if the cosine between their gradients is negative. conflicts.csv has every run and pair.");
  if (const std::string ends = ends_text(section); !ends.empty()) section.paragraphs.push_back(ends);
  return section;
}

// Weights of the balancer and lengths of the tasks' gradients, over time; no figure of a task whose weight is always 1.
[[gnu::cold, gnu::noinline]] inline Section weights_section(const Study& study, double level) {
  Section section{"weights", "Weights and gradients over time"};
  const auto add = [&](const char* what, std::size_t t, Pick pick, auto shows) {
    Figure figure = curves(study, level, join(study.tasks[t].name, ": ", what), t, pick);
    const auto plain = [&](const Line& line) { return std::none_of(line.y.begin(), line.y.end(), shows); };
    std::vector<Line>& lines = figure.chart.lines;
    if (!std::all_of(lines.begin(), lines.end(), plain)) section.figures.push_back(std::move(figure));
  };
  for (std::size_t t = 0; t < study.tasks.size(); ++t)
    add(
        "weight of its loss or gradient", t,
        [](const EpochRecord& epoch, std::size_t task, std::size_t) {
          return task < epoch.weights.size() ? epoch.weights[task] : nan;
        },
        [](double weight) { return is_finite(weight) && weight != 1; });
  for (std::size_t t = 0; t < study.tasks.size(); ++t)
    add(
        "length of its gradient", t,
        [](const EpochRecord& epoch, std::size_t task, std::size_t) {
          return task < epoch.lengths.size() ? epoch.lengths[task] : nan;
        },
        [](double length) { return is_finite(length); });
  section.paragraphs.push_back(join(
      "Means over an epoch's steps. A weight is the balancer's, 1 where it has none, the mean where it goes by layers. "
      "Gradients are those on the shared parameters, before any weight, where the balancer saw them. ",
      ends_text(section), "curves.csv has every run."));
  return section;
}

[[gnu::cold, gnu::noinline]] inline Section groups_section(const Study& study) {
  Section section{"groups", "Groups of tasks"};
  for (const CandidateRecord& candidate : study.candidates) {
    if (candidate.groups.empty()) continue;
    Table table{join(candidate.name, ": tasks that share a network"), {"network", "tasks"}, {}};
    for (std::size_t g = 0; g < candidate.groups.size(); ++g) {
      std::string names;
      for (const std::string& name : candidate.groups[g]) names += (names.empty() ? "" : ", ") + name;
      table.rows.push_back({{join(g + 1)}, words_cell(names)});
    }
    section.tables.push_back(std::move(table));
  }
  // Groups that runs found for themselves, the most frequent first.
  for (std::size_t c = 0; c < study.candidates.size(); ++c) {
    std::vector<std::pair<std::string, std::pair<double, double>>> plans;  // how many runs, and their steps
    for (const RunRecord& run : study.runs) {
      if (run.candidate != c || run.groups.empty()) continue;
      auto found = std::find_if(plans.begin(), plans.end(), [&](const auto& p) { return p.first == run.groups; });
      if (found == plans.end()) found = plans.insert(found, {run.groups, {0, 0}});
      found->second.first += 1, found->second.second += run.grouping_steps;
    }
    if (plans.empty()) continue;
    std::stable_sort(plans.begin(), plans.end(),
                     [](const auto& a, const auto& b) { return a.second.first > b.second.first; });
    Table table{join(study.candidates[c].name, ": groups that its runs found"),
                {"groups", "runs", "steps to find them, mean"},
                {}};
    for (const auto& [groups, counts] : plans)
      table.rows.push_back({words_cell(groups), {join(counts.first)}, {grouped(counts.second / counts.first)}});
    section.tables.push_back(std::move(table));
    section.paragraphs = {
        "Tasks of a group train one network; groups are parted by semicolons, and a task in brackets is predicted by "
        "another group's network. Runs that differ in their groups say how far the data decide them."};
  }
  return section;
}

// "1,234 (0.51)": a number and its ratio to the baseline's.
[[gnu::cold]] inline Cell ratio_cell(double number, double baseline) {
  if (!(number > 0)) return {"n/a"};
  return {grouped(number), baseline > 0 ? join(rough(number / baseline), " times") : ""};
}

[[gnu::cold, gnu::noinline]] inline Section sizes_section(const Study& study) {
  Section section{"sizes", "What each strategy takes"};
  Table table{"Sizes, and times the baseline's",
              {"strategy", "parameters", "multiply-adds of a sample, forward", "bytes that training keeps"},
              {}};
  const CandidateRecord& baseline = study.candidates[0];
  const auto real = [](std::size_t n) { return static_cast<double>(n); };
  for (const CandidateRecord& c : study.candidates)
    table.rows.push_back({words_cell(c.name), ratio_cell(real(c.parameters), real(baseline.parameters)),
                          ratio_cell(c.multiply_adds, baseline.multiply_adds),
                          ratio_cell(real(c.bytes), real(baseline.bytes))});
  section.tables.push_back(std::move(table));
  return section;
}

[[gnu::cold, gnu::noinline]] inline Section settings_section(const Study& study) {
  Section section{"settings", "Settings and versions"};
  Table table{"The study", {"setting", "value"}, {}};
  for (const auto& [name, value] : study.settings) table.rows.push_back({words_cell(name), words_cell(value)});
  if (!table.rows.empty()) section.tables.push_back(std::move(table));
  for (const CandidateRecord& c : study.candidates) {
    Table of{c.name, {"setting", "value"}, {}};
    if (!c.type.empty()) of.rows.push_back({words_cell("type"), words_cell(c.type)});
    of.rows.push_back({words_cell("settings tried on validation data"), words_cell(join(c.tries))});
    if (!c.try_scores.empty()) {
      std::string scores;
      for (const double score : c.try_scores)
        scores += (scores.empty() ? "" : ", ") + fixed(score, decimals_for(c.try_scores[0]));
      of.rows.push_back({words_cell("their scores, lower is better"), words_cell(scores)});
    }
    for (const auto& [name, value] : c.settings) of.rows.push_back({words_cell(name), words_cell(value)});
    section.tables.push_back(std::move(of));
  }
  return section;
}

[[gnu::cold, gnu::noinline]] inline Section runs_section(const Study& study, const Findings& found) {
  Section section{"runs", "All runs"};
  Table table{
      "The metrics of each run on the test set", {"strategy", "split", "seed", "delta_m, %, positive is better"}, {}},
      failures{"Runs that failed", {"strategy", "split", "seed", "error"}, {}};
  for (const TaskRecord& task : study.tasks) table.header.push_back(join(task.name, " ", task.metric));
  for (std::size_t r = 0; r < study.runs.size(); ++r) {
    const RunRecord& run = study.runs[r];
    std::vector<Cell> row = {words_cell(study.candidates[run.candidate].name), {join(run.split)}, {join(run.seed)}};
    if (run.failed()) {
      row.push_back(words_cell(run.error));
      failures.rows.push_back(std::move(row));
      continue;
    }
    row.push_back({run.candidate == 0 ? "0" : signed_fixed(found.run_delta[r], 2)});
    for (std::size_t t = 0; t < run.metrics.size(); ++t)
      row.push_back({fixed(run.metrics[t], decimals_for(found.metrics[run.candidate][t].mean))});
    table.rows.push_back(std::move(row));
  }
  if (!failures.rows.empty()) section.tables.push_back(std::move(failures));
  if (!table.rows.empty()) section.tables.push_back(std::move(table));
  return section;
}

// The only section with what depends on the machine's speed.
[[gnu::cold, gnu::noinline]] inline Section times_section(const Study& study) {
  Section section{"times", "What it cost on this machine"};
  section.paragraphs.push_back(join("The start that ended the study took ", fixed(study.seconds, 1),
                                    " s. Times depend on the machine and on what else it did; they are no part of the "
                                    "comparison above."));
  Table table{"Times, medians over runs, and times the baseline's",
              {"strategy", "seconds to train", "microseconds to predict one sample", "runs"},
              {}};
  double base = 0;
  for (std::size_t c = 0; c < study.candidates.size(); ++c) {
    std::vector<double> seconds;
    for (const RunRecord& run : study.runs)
      if (run.candidate == c && !run.failed() && run.train_seconds > 0) seconds.push_back(run.train_seconds);
    std::sort(seconds.begin(), seconds.end());
    const std::size_t n = seconds.size();
    const double median = n == 0 ? nan : (seconds[(n - 1) / 2] + seconds[n / 2]) / 2;
    if (c == 0) base = median;
    const auto cell = [](double number, double baseline) -> Cell {
      if (!is_finite(number) || !(number > 0)) return {"n/a"};
      return {rough(number), is_finite(baseline) && baseline > 0 ? join(rough(number / baseline), " times") : ""};
    };
    table.rows.push_back({words_cell(study.candidates[c].name),
                          cell(median, base),
                          cell(study.candidates[c].predict_microseconds, study.candidates[0].predict_microseconds),
                          {join(n)}});
  }
  section.tables.push_back(std::move(table));
  return section;
}

/// What stands below the answer: runs that failed, and the notes among a study's settings.
[[gnu::cold, gnu::noinline]] inline std::vector<std::string> remarks(const Study& study, const Findings& found) {
  std::vector<std::string> out;
  std::size_t failed = 0;
  for (const std::size_t count : found.failed) failed += count;
  if (failed > 0)
    out.push_back(join(counted(failed, "run", "runs"), " of ", study.runs.size(), " failed; ",
                       failed == 1 ? "its error is" : "their errors are", " listed with the runs."));
  for (const auto& [name, value] : study.settings)
    if (name == "note") out.push_back(join("Note: ", value, "."));
  return out;
}

[[gnu::cold, gnu::noinline]] inline Document document(const Study& study, const Findings& found) {
  Document out;
  out.title = study.title.empty() ? "A comparison of strategies" : study.title;
  out.data = study.data;
  out.answer = answer(study, found);
  out.remarks = remarks(study, found);
  for (const CandidateRecord& candidate : study.candidates) out.names.push_back(candidate.name);
  out.sections.push_back(results_section(study, found));
  if (study.candidates.size() > 1) out.sections.push_back(gains_section(study, found));
  const auto add = [&](Section section) {
    if (!section.tables.empty() || !section.figures.empty()) out.sections.push_back(std::move(section));
  };
  add(clusters_section(study, found));
  add(task_gains_section(study));
  add(curves_section(study, found.level));
  add(conflicts_section(study, found.level));
  add(weights_section(study, found.level));
  Section matrices{"matrices", "Affinities and masks"};
  for (const MatrixRecord& matrix : study.matrices) matrices.tables.push_back(heat_map(matrix));
  matrices.notes.emplace_back(heat_note);
  add(std::move(matrices));
  add(groups_section(study));
  if (!study.pictures.empty() || !study.people.empty()) {
    Section pictures{"pictures", "Pictures"};
    pictures.pictures = !study.pictures.empty();
    pictures.paragraphs = study.people;
    if (study.people.empty()) pictures.paragraphs.emplace_back(no_people);
    out.sections.push_back(std::move(pictures));
  }
  add(sizes_section(study));
  add(settings_section(study));
  add(runs_section(study, found));
  out.sections.push_back(times_section(study));
  return out;
}

}  // namespace mtlx::study::detail
