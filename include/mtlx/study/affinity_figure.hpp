// SPDX-License-Identifier: MIT
// Pictures of what tasks do to each other, each one SVG file that follows the reader's light or dark, and the same as CSV: heat
// maps of affinity with their intervals, how it changes while a model trains, and which tasks train in which group.
//
//   write_file("affinity.svg", study::affinity_figure(tables));
//   study.matrices.push_back(study::matrix(table));            // into a study's report
//   write_file("drift.svg", study::drift_figure(study::drift(watch.seen(), names)));
//   write_file("groups.svg", study::plan_figure(plan, names));
//
// Row: the task that is AFFECTED; column: the task whose step it was (ACTING); positive: the affected task's loss falls.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <mtlx/core/error.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/grouping/affinity.hpp>
#include <mtlx/grouping/grouping.hpp>
#include <mtlx/study/record.hpp>
#include <mtlx/study/svg.hpp>
#include <mtlx/study/text.hpp>
#include <string>
#include <utility>
#include <vector>

namespace mtlx::study {

/// An affinity at several times of a training.
struct Drift {
  std::string title;
  std::vector<std::string> tasks;
  std::vector<std::size_t> steps;              ///< ascending
  std::vector<double> values;                  ///< (steps, affected, acting); NaN where there is none
  std::vector<double> lower = {}, upper = {};  ///< an interval of each, or none at all
};

namespace detail {

[[gnu::cold, gnu::noinline]] inline void check_table(const grouping::Table& table) {
  const std::size_t cells = table.tasks.size() * table.tasks.size();
  if (cells == 0) fail("affinity figure: the table \"", table.title, "\" has no tasks");
  for (const auto* numbers : {&table.values, &table.lower, &table.upper, &table.p})
    if (numbers->size() != cells && (numbers == &table.values || !numbers->empty()))
      fail("affinity figure: the table \"", table.title, "\" has ", numbers->size(), " numbers of a kind for ",
           table.tasks.size(), " tasks; it takes tasks x tasks");
  if (table.lower.empty() != table.upper.empty())
    fail("affinity figure: the table \"", table.title, "\" has one end of its intervals and not the other");
}

/// A table as people read it: its numbers in a unit of 1, 1e-3, 1e-6, ... with three digits or more before they end.
struct Readable {
  double largest = 0;  ///< without sign, of tasks on others
  double unit = 1;
  int power = 0;  ///< of ten, without sign
  int decimals = 3;

  explicit Readable(const grouping::Table& table) {
    const std::size_t tasks = table.tasks.size();
    for (std::size_t i = 0; i < table.values.size(); ++i)
      if (i / tasks != i % tasks && is_finite(table.values[i])) largest = std::max(largest, std::abs(table.values[i]));
    for (; largest > 0 && largest < 0.05 * unit && power < 30; power += 3) unit /= 1000;
    decimals = std::clamp(decimals_for(largest / unit) - 1, 0, 3);
  }
  std::string operator()(double number) const { return signed_fixed(number / unit, decimals); }
  /// What stands behind a title.
  std::string in() const { return power == 0 ? "" : join(", in 1e-", power); }
};

/// What is known of a pair beside its number, in words.
struct PairWords {
  std::string interval, p;
  bool sure = false;  ///< p within the level, or without p an interval that leaves out 0
};

[[gnu::cold, gnu::noinline]] inline PairWords pair_words(const grouping::Table& table, const Readable& readable,
                                                         std::size_t cell, double level) {
  PairWords words;
  const double lower = table.lower.empty() ? nan : table.lower[cell];
  const double upper = table.upper.empty() ? nan : table.upper[cell];
  if (is_finite(lower) && is_finite(upper)) {
    words.interval = readable(lower) + " to " + readable(upper);
    words.sure = lower > 0 || upper < 0;
  }
  if (!table.p.empty()) {
    words.sure = is_finite(table.p[cell]) && table.p[cell] <= level;
    if (is_finite(table.p[cell])) words.p = join("p ", p_value(table.p[cell]));
  }
  return words;
}

// One heat map at the origin; width and height are what it takes.
[[gnu::cold, gnu::noinline]] inline std::string heat_map_svg(const grouping::Table& table, double level,
                                                             std::size_t& width, std::size_t& height) {
  const std::size_t tasks = table.tasks.size();
  const Readable readable(table);
  const bool intervals = !table.lower.empty(), judged = intervals || !table.p.empty();
  // Numbers where there is room for them; the titles of cells have everything.
  const bool numbers = tasks <= 16, written = intervals && tasks <= 10, named = tasks <= 40;
  const std::size_t wide = written ? 96 : numbers ? 60 : named ? 16 : 8;
  const std::size_t high = written ? 40 : numbers ? 30 : wide;
  std::size_t longest = 0;
  for (const std::string& task : table.tasks) longest = std::max(longest, std::min<std::size_t>(task.size(), 18));
  const bool upright = wide >= 48 && longest * 7 <= wide;
  const std::size_t left = named ? std::max<std::size_t>(longest * 8 + 18, 90) : 90;
  const std::size_t top = 66 + (!named ? 0 : upright ? 18 : longest * 5 + 14);
  const std::size_t map_width = tasks * wide, map_height = tasks * high;
  const std::size_t lean = upright ? 0 : longest * 5;
  width = left + std::max<std::size_t>(map_width + lean, 420) + 16;
  height = top + map_height + (judged ? 78 : 60);

  std::string out =
      figure_text(12, 20, "name", shortened(table.title, width / 8) + readable.in()) +
      figure_text(12, 40, "soft", "rows: the task that is affected; columns: the task whose step it was") +
      figure_text(12, 56, "soft", "blue, above 0: the affected task's loss falls; orange, below 0: it rises") + "\n";
  for (std::size_t i = 0; i < tasks; ++i) {
    const std::string name = shortened(table.tasks[i], 18);
    const std::size_t x = left + i * wide + wide / 2, y = top + i * high + high / 2 + 4;
    if (named) {
      out += figure_text(left - 8, y, "soft", name, "end");
      out += upright ? figure_text(x, top - 8, "soft", name, "middle")
                     : join("<text class=\"soft\" transform=\"translate(", x + 3, " ", top - 6, ") rotate(-45)\">",
                            html_text(name), "</text>");
      out += '\n';
    }
    for (std::size_t j = 0; j < tasks; ++j) {
      const std::size_t cell = i * tasks + j;
      const double number = table.values[cell];
      const bool own = i == j;
      const PairWords words = pair_words(table, readable, cell, level);
      const double share =
          is_finite(number) && readable.largest > 0 && !own ? std::min(1.0, std::abs(number) / readable.largest) : 0;
      out += join("<rect class=\"", number < 0 ? "low" : "high", "\" x=\"", left + j * wide, "\" y=\"", top + i * high,
                  "\" width=\"", wide, "\" height=\"", high, "\" fill-opacity=\"", fixed(share, 2), "\"><title>",
                  html_text(table.tasks[i]), own ? " itself" : " affected by ", own ? "" : html_text(table.tasks[j]),
                  ": ", is_finite(number) ? readable(number) : "no number", readable.in(),
                  words.interval.empty() ? "" : ", interval ", words.interval, words.p.empty() ? "" : ", ",
                  html_text(words.p), "</title></rect>");
      const std::size_t middle = left + j * wide + wide / 2;
      const bool shows = written && !own && !words.interval.empty();
      if (numbers)
        out += figure_text(middle, shows ? y - 6 : y,
                           own          ? "soft"
                           : words.sure ? "sure"
                                        : "",
                           own                 ? "\u00b7"
                           : is_finite(number) ? readable(number)
                                               : "\u2013",
                           "middle");
      if (shows) out += figure_text(middle, y + 9, "small", words.interval, "middle");
      if (words.sure && !own && numbers)
        out += join("<rect class=\"strong\" x=\"", left + j * wide + 2, "\" y=\"", top + i * high + 2, "\" width=\"",
                    wide - 4, "\" height=\"", high - 4, "\"/>");
      if (words.sure && !own && !numbers)
        out += join("<circle class=\"strong\" r=\"1\" cx=\"", middle, "\" cy=\"", y - 4, "\"/>");
      out += '\n';
    }
  }
  out += join("<rect class=\"frame\" x=\"", left, "\" y=\"", top, "\" width=\"", map_width, "\" height=\"", map_height,
              "\"/>\n");
  // The scale.
  const std::size_t below = top + map_height + 14;
  for (std::size_t k = 0; k < 9; ++k) {
    const double at = (static_cast<double>(k) - 4) / 4;
    out += join("<rect class=\"", k < 4 ? "low" : "high", "\" x=\"", left + k * 24, "\" y=\"", below,
                "\" width=\"24\" height=\"14\" fill-opacity=\"", fixed(std::abs(at), 2), "\"/>");
  }
  out += join("<rect class=\"frame\" x=\"", left, "\" y=\"", below, "\" width=\"216\" height=\"14\"/>");
  out += figure_text(left, below + 28, "soft", readable(-readable.largest)) +
         figure_text(left + 108, below + 28, "soft", "0", "middle") +
         figure_text(left + 216, below + 28, "soft", readable(readable.largest), "end");
  if (judged)
    out += figure_text(left, below + 46, "soft",
                       join(numbers ? "bold in a frame: " : "a dot: ",
                            table.p.empty() ? "the interval leaves out 0" : "p, corrected for many tests, is at most ",
                            table.p.empty() ? "" : rough(level)));
  return out + "\n";
}

}  // namespace detail

/// A heat map for each table, with intervals where there are any and room for them; pairs of which one may be sure stand in
/// frames: p at most `level`, or without p an interval that leaves out 0. An SVG file; write_file writes it. Throws `Error` for
/// tables whose sizes don't fit.
[[gnu::cold, gnu::noinline]] inline std::string affinity_figure(const std::vector<grouping::Table>& tables,
                                                                double level = 0.05) {
  std::string maps;
  std::size_t width = 0, height = 0;
  for (const grouping::Table& table : tables) {
    detail::check_table(table);
    std::size_t wide = 0, high = 0;
    const std::string map = detail::heat_map_svg(table, level, wide, high);
    maps += join("<g transform=\"translate(0 ", height, ")\">", map, "</g>\n");
    width = std::max(width, wide);
    height += high;
  }
  return detail::figure_head(
             std::max<std::size_t>(width, 1), std::max<std::size_t>(height, 1), "Affinity between tasks",
             "For each pair of tasks, how a step of one changes the loss of the other. Rows are affected, "
             "columns act; positive numbers are falling losses.") +
         maps + "</svg>\n";
}

/// The same for a report, where it is drawn under "Affinities and masks": put it into Study::matrices. Intervals and p stand
/// below the numbers. Small numbers get a unit, which the title names.
[[gnu::cold, gnu::noinline]] inline MatrixRecord matrix(const grouping::Table& table) {
  detail::check_table(table);
  const std::size_t tasks = table.tasks.size();
  const detail::Readable readable(table);
  MatrixRecord matrix;
  matrix.title = table.title + readable.in();
  matrix.rows = "affected task", matrix.columns = "task whose step it was";
  matrix.row_names = matrix.column_names = table.tasks;
  const bool noted = !table.lower.empty() || !table.p.empty();
  for (std::size_t i = 0; i < table.values.size(); ++i) {
    const bool own = i / tasks == i % tasks;
    matrix.values.push_back(own ? detail::nan : table.values[i] / readable.unit);
    if (!noted) continue;
    const detail::PairWords words = detail::pair_words(table, readable, i, 0);
    matrix.notes.push_back(own ? ""
                               : join(words.interval, words.interval.empty() || words.p.empty() ? "" : ", ", words.p));
  }
  return matrix;
}

/// A row for each pair of tasks.
[[gnu::cold, gnu::noinline]] inline std::string csv(const grouping::Table& table) {
  detail::check_table(table);
  std::string out = "affected_task,acting_task,value_positive_is_falling_loss,lower,upper,p\n";
  const std::size_t tasks = table.tasks.size();
  const auto number = [](const std::vector<double>& numbers, std::size_t i) {
    return numbers.empty() ? "" : detail::csv_number(numbers[i]);
  };
  for (std::size_t i = 0; i < table.values.size(); ++i)
    out += join(detail::csv_name(table.tasks[i / tasks]), ",", detail::csv_name(table.tasks[i % tasks]), ",",
                number(table.values, i), ",", number(table.lower, i), ",", number(table.upper, i), ",",
                number(table.p, i), "\n");
  return out;
}

/// What a measure saw in one training, as means over `blocks` parts of its looks, of about the same number each.
[[gnu::cold, gnu::noinline]] inline Drift drift(const grouping::Affinities& seen, std::vector<std::string> tasks,
                                                std::size_t blocks = 10) {
  if (tasks.size() != seen.tasks && seen.looks() > 0)
    fail("drift: ", tasks.size(), " names for the affinities of ", seen.tasks, " tasks");
  Drift result;
  result.title = seen.measure;
  result.tasks = std::move(tasks);
  const std::size_t count = std::min(std::max<std::size_t>(blocks, 1), seen.looks());
  for (std::size_t b = 0; b < count; ++b) {
    const std::size_t first = b * seen.looks() / count, last = (b + 1) * seen.looks() / count;
    const std::vector<double> mean = seen.mean(first, last);
    result.steps.push_back((seen.steps[first] + seen.steps[last - 1]) / 2);
    result.values.insert(result.values.end(), mean.begin(), mean.end());
  }
  return result;
}

/// A chart for each affected task, with a line for each acting one: at most 9, those of the largest means without sign, and a line at
/// 0. All charts of an SVG file have scales of their own. Throws `Error` for sizes that don't fit.
[[gnu::cold, gnu::noinline]] inline std::string drift_figure(const Drift& drift) {
  const std::size_t tasks = drift.tasks.size(), looks = drift.steps.size(), cells = tasks * tasks;
  if (tasks == 0 || drift.values.size() != looks * cells || drift.lower.size() != drift.upper.size() ||
      (!drift.lower.empty() && drift.lower.size() != drift.values.size()))
    fail("drift figure: ", drift.values.size(), " numbers and ", drift.lower.size(), " intervals for ", looks,
         " steps and ", tasks, " tasks; it takes steps x tasks x tasks");
  const std::size_t columns = std::min<std::size_t>(tasks, 3), keys = std::min<std::size_t>(tasks - 1, 9);
  const std::size_t wide = 384, high = 244 + (keys + 1) / 2 * 16, top = 68;
  const std::size_t rows = (tasks + columns - 1) / columns;
  std::string out =
      detail::figure_head(columns * wide + 12, top + rows * high, "Affinity while training",
                          "For each affected task a chart: affinity of each acting task against steps.") +
      detail::figure_text(12, 20, "name", drift.title) +
      detail::figure_text(12, 40, "soft",
                          "a chart for each task that is affected; a line for each task whose step it was") +
      detail::figure_text(12, 56, "soft", "above 0: the affected task's loss falls; below 0: it rises") + "\n";
  for (std::size_t i = 0; i < tasks; ++i) {
    // Those that act most; in order of tasks.
    std::vector<std::pair<double, std::size_t>> acting;
    for (std::size_t j = 0; j < tasks; ++j) {
      if (i == j) continue;
      double sum = 0;
      for (std::size_t s = 0; s < looks; ++s)
        if (const double number = drift.values[s * cells + i * tasks + j]; is_finite(number)) sum += number;
      acting.emplace_back(-std::abs(sum), j);
    }
    std::sort(acting.begin(), acting.end());
    acting.resize(keys);
    std::sort(acting.begin(), acting.end(), [](const auto& a, const auto& b) { return a.second < b.second; });

    detail::LineChart chart;
    chart.title = drift.tasks[i];
    chart.x_label = "step";
    detail::Line zero{.name = "0", .colour = 0, .x = {}, .y = {}, .lower = {}, .upper = {}};
    for (std::size_t s = 0; s < looks; ++s) {
      zero.x.push_back(static_cast<double>(drift.steps[s]));
      zero.y.push_back(0);
    }
    zero.lower = zero.upper = std::vector<double>(looks, detail::nan);
    std::string legend;
    for (std::size_t k = 0; k < acting.size(); ++k) {
      const std::size_t j = acting[k].second;
      // As long as there are colours enough, a task has the same in all charts.
      detail::Line line{
          .name = drift.tasks[j], .colour = tasks <= 9 ? j + 1 : k + 1, .x = zero.x, .y = {}, .lower = {}, .upper = {}};
      for (std::size_t s = 0; s < looks; ++s) {
        const std::size_t at = s * cells + i * tasks + j;
        line.y.push_back(drift.values[at]);
        line.lower.push_back(drift.lower.empty() ? detail::nan : drift.lower[at]);
        line.upper.push_back(drift.upper.empty() ? detail::nan : drift.upper[at]);
      }
      const std::size_t x = 52 + k % 2 * 160, y = 246 + k / 2 * 16;
      legend += join("<path class=\"line c", line.colour, "\" d=\"M", x, " ", y - 4, "h26\"/>") +
                detail::figure_text(x + 32, y, "soft", detail::shortened(drift.tasks[j], 16));
      chart.lines.push_back(std::move(line));
    }
    chart.lines.push_back(std::move(zero));
    std::string picture = detail::svg(chart);
    if (!picture.empty()) picture.insert(4, " x=\"0\" y=\"20\" width=\"360\" height=\"210\"");
    out += join("<g transform=\"translate(", 12 + i % columns * wide, " ", top + i / columns * high, ")\">",
                detail::figure_text(52, 14, "sure", "affected: " + detail::shortened(drift.tasks[i], 30)), picture,
                legend, "</g>\n");
  }
  return out + "</svg>\n";
}

/// A row for each step and pair of tasks.
[[gnu::cold, gnu::noinline]] inline std::string csv(const Drift& drift) {
  std::string out = "step,affected_task,acting_task,value_positive_is_falling_loss,lower,upper\n";
  const std::size_t tasks = drift.tasks.size();
  for (std::size_t k = 0; k < drift.values.size(); ++k) {
    const std::size_t cell = k % (tasks * tasks);
    out += join(drift.steps.at(k / (tasks * tasks)), ",", detail::csv_name(drift.tasks[cell / tasks]), ",",
                detail::csv_name(drift.tasks[cell % tasks]), ",", detail::csv_number(drift.values[k]), ",",
                drift.lower.empty() ? "" : detail::csv_number(drift.lower[k]), ",",
                drift.upper.empty() ? "" : detail::csv_number(drift.upper[k]), "\n");
  }
  return out;
}

/// Which tasks train in which group, and which group answers for which task. `scores`, if given, are the tasks'. An SVG file. Throws
/// `Error` for a plan that is not sound (grouping::check_plan).
[[gnu::cold, gnu::noinline]] inline std::string plan_figure(const std::vector<grouping::Group>& plan,
                                                            const std::vector<std::string>& tasks,
                                                            const std::vector<double>& scores = {}) {
  grouping::check_plan(plan, tasks.size());
  if (!scores.empty() && scores.size() != tasks.size())
    fail("plan figure: ", scores.size(), " scores for ", tasks.size(), " tasks");
  std::size_t longest = 0;
  for (const std::string& task : tasks) longest = std::max(longest, std::min<std::size_t>(task.size(), 24));
  double largest = 0;
  for (const double score : scores)
    if (is_finite(score)) largest = std::max(largest, std::abs(score));
  const std::size_t left = longest * 8 + 30, top = 66, wide = 64, high = 28;
  const std::size_t right = left + plan.size() * wide, width = std::max<std::size_t>(right + 110, 420);
  const std::size_t height = top + tasks.size() * high + 44;
  std::string out =
      detail::figure_head(width, height, "Groups of tasks",
                          "Which tasks train in which group, and which group answers for each task.") +
      detail::figure_text(12, 20, "name", join("Groups: ", plan.size(), " networks for ", tasks.size(), " tasks")) +
      "\n";
  for (std::size_t g = 0; g < plan.size(); ++g)
    out +=
        detail::figure_text(left + g * wide + wide / 2, 46, "sure", join("group ", g + 1), "middle") +
        detail::figure_text(left + g * wide + wide / 2, 60, "soft small",
                            join(plan[g].members.count(), plan[g].members.count() == 1 ? " task" : " tasks"), "middle");
  if (!scores.empty()) out += detail::figure_text(right + 90, 46, "sure", "score", "end");
  out += '\n';
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    const std::size_t y = top + i * high, middle = y + high / 2;
    out += join("<path class=\"rule\" d=\"M12 ", y, "H", width - 12, "\"/>") +
           detail::figure_text(left - 14, middle + 4, "", detail::shortened(tasks[i], 24), "end");
    for (std::size_t g = 0; g < plan.size(); ++g) {
      if (!plan[g].members.has(i)) continue;
      const bool serves = plan[g].serves.has(i);
      out += join("<g><title>", detail::html_text(tasks[i]), serves ? " is served by group " : " helps in group ",
                  g + 1, "</title><circle class=\"", serves ? "serves" : "helps", " c", g % 9 + 1, "\" r=\"",
                  serves ? 9 : 7, "\" cx=\"", left + g * wide + wide / 2, "\" cy=\"", middle, "\"/></g>");
    }
    if (!scores.empty())
      out += detail::figure_text(right + 90, middle + 4, "soft",
                                 detail::fixed(scores[i], std::max(detail::decimals_for(largest) - 1, 0)), "end");
    out += '\n';
  }
  const std::size_t y = top + tasks.size() * high;
  return out +
         join("<path class=\"rule\" d=\"M12 ", y, "H", width - 12,
              "\"/><circle class=\"serves c0\" r=\"7\" cx=\"24\" cy=\"", y + 22, "\"/>") +
         detail::figure_text(40, y + 26, "soft", "trains here, and is answered from here") +
         join("<circle class=\"helps c0\" r=\"6\" cx=\"290\" cy=\"", y + 22, "\"/>") +
         detail::figure_text(304, y + 26, "soft", "only helps here") + "</svg>\n";
}

/// A row for each task of each group.
[[gnu::cold, gnu::noinline]] inline std::string plan_csv(const std::vector<grouping::Group>& plan,
                                                         const std::vector<std::string>& tasks) {
  grouping::check_plan(plan, tasks.size());
  std::string out = "group,task,served_here\n";
  for (std::size_t g = 0; g < plan.size(); ++g)
    for (std::size_t i = 0; i < tasks.size(); ++i)
      if (plan[g].members.has(i))
        out += join(g + 1, ",", detail::csv_name(tasks[i]), plan[g].serves.has(i) ? ",1\n" : ",0\n");
  return out;
}

}  // namespace mtlx::study
