// SPDX-License-Identifier: MIT
// Who gains and who loses, as a picture: a row for each task, the largest gain of the first method on top, a mark for each method
// with its interval, and groups of tasks one below the other. As one SVG file that follows the reader's light or dark, as CSV, and
// in a study's report:
//
//   write_file("gains.svg", study::gain_figure(gains));
//   study.task_gains.push_back(gains);
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <mtlx/core/error.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/study/answer.hpp>
#include <mtlx/study/record.hpp>
#include <mtlx/study/svg.hpp>
#include <mtlx/study/text.hpp>
#include <string>
#include <vector>

namespace mtlx::study {

namespace detail {

// Throws `Error` unless the parts fit each other.
[[gnu::cold, gnu::noinline]] inline void check_gains(const GainRecord& record) {
  const std::size_t tasks = record.tasks.size(), methods = record.methods.size();
  if (tasks == 0 || methods == 0)
    fail("gain figure: \"", record.title, "\" has ", tasks, " tasks and ", methods, " methods, expected one or more");
  if (record.gains.size() != tasks * methods || record.lower.size() != record.upper.size() ||
      (!record.lower.empty() && record.lower.size() != record.gains.size()))
    fail("gain figure: \"", record.title, "\" has ", record.gains.size(), " gains, ", record.lower.size(), " and ",
         record.upper.size(), " ends of intervals for ", methods, " methods and ", tasks,
         " tasks; it takes methods x tasks");
  if (!record.groups.empty() && record.groups.size() != tasks)
    fail("gain figure: \"", record.title, "\" has ", record.groups.size(), " names of groups for ", tasks, " tasks");
}

/// The tasks in the order in which they are drawn: groups as they first come, in each the largest gain of the first method first,
/// and those without one last.
[[gnu::cold, gnu::noinline]] inline std::vector<std::size_t> gain_order(const GainRecord& record) {
  std::vector<std::size_t> order(record.tasks.size()), group(record.tasks.size());
  for (std::size_t t = 0; t < order.size(); ++t) {
    order[t] = t;
    if (!record.groups.empty())
      group[t] = static_cast<std::size_t>(std::find(record.groups.begin(), record.groups.end(), record.groups[t]) -
                                          record.groups.begin());
  }
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    if (group[a] != group[b]) return group[a] < group[b];
    const bool has_a = is_finite(record.gains[a]), has_b = is_finite(record.gains[b]);
    return has_a && has_b ? record.gains[a] > record.gains[b] : has_a && !has_b;
  });
  return order;
}

[[gnu::cold]] inline bool has_interval(const GainRecord& record, std::size_t i) {
  return is_finite(record.gains[i]) && !record.lower.empty() && is_finite(record.lower[i]) &&
         is_finite(record.upper[i]);
}

/// "+0.12 (+0.05 to +0.19)"
[[gnu::cold]] inline std::string gain_text(const GainRecord& record, std::size_t i, int decimals) {
  return join(signed_fixed(record.gains[i], decimals), has_interval(record, i)
                                                           ? join(" (", signed_fixed(record.lower[i], decimals), " to ",
                                                                  signed_fixed(record.upper[i], decimals), ")")
                                                           : "");
}
[[gnu::cold]] inline int gain_decimals(const GainRecord& record) {
  double largest = 0;
  for (const double gain : record.gains)
    if (is_finite(gain)) largest = std::max(largest, std::abs(gain));
  return std::max(decimals_for(largest) - 1, 0);
}

/// The mark of a method: another colour and another shape for each.
[[gnu::cold, gnu::noinline]] inline std::string gain_mark(std::size_t method, double x, double y) {
  const std::string colour = join("c", (method + 1) % 10), at = join(fixed(x, 1), " ", fixed(y, 1));
  if (method % 5 == 0)
    return join("<circle class=\"point ", colour, "\" r=\"3.2\" cx=\"", fixed(x, 1), "\" cy=\"", fixed(y, 1), "\"/>");
  constexpr const char* shapes[] = {"m-3 -3h6v6h-6z", "m0 -4l4 4l-4 4l-4 -4z", "m0 -4l4 7h-8z", "m0 4l4 -7h-8z"};
  return join("<path class=\"point ", colour, "\" d=\"M", at, shapes[method % 5 - 1], "\"/>");
}

// The figure at the origin, `width` wide; `height` is what it takes.
[[gnu::cold, gnu::noinline]] inline std::string gain_svg(const GainRecord& record, std::size_t width,
                                                         std::size_t& height) {
  const std::size_t tasks = record.tasks.size(), methods = record.methods.size();
  const bool named = tasks <= 40;  // more are drawn close together; the titles of rows have their names
  const bool above = width < 500;  // names stand above their marks, where there is no room beside them
  const std::size_t most = above ? width / 9 : width / 24;
  std::size_t longest = 0;
  for (const std::string& task : record.tasks) longest = std::max(longest, std::min(task.size(), most + 1));
  const std::size_t left = named && !above ? longest * 8 + 14 : 14;
  const double right = static_cast<double>(width) - 14;
  const double high = named ? 8 * static_cast<double>(methods) + (above ? 4 : 10) : 6;

  double low = 0, top = 0;
  for (std::size_t i = 0; i < record.gains.size(); ++i) {
    if (!is_finite(record.gains[i])) continue;
    low = std::min(low, record.gains[i]), top = std::max(top, record.gains[i]);
    if (has_interval(record, i)) low = std::min(low, record.lower[i]), top = std::max(top, record.upper[i]);
  }
  const Scale xs = scale(low, top, above ? 6 : 8);
  const auto px = [&](double gain) {
    return static_cast<double>(left) + (right - static_cast<double>(left)) * xs.share(gain);
  };

  std::string out;
  std::size_t legend = 0;
  for (std::size_t m = 0; m < methods; ++m, legend += 17)
    out += gain_mark(m, 20, static_cast<double>(legend) + 10) +
           figure_text(30, legend + 14, "soft", shortened(record.methods[m], width / 8)) + "\n";
  const double begin = static_cast<double>(legend) + 6;

  std::string rows;
  double y = begin;
  const int decimals = gain_decimals(record);
  std::string group;
  bool first = true;
  for (const std::size_t t : gain_order(record)) {
    if (!record.groups.empty() && (first || record.groups[t] != group)) {
      group = record.groups[t];
      const auto count = std::count(record.groups.begin(), record.groups.end(), group);
      y += 20;
      rows += join("<path class=\"rule\" d=\"M6 ", fixed(y - 17, 1), "H", width - 6, "\"/>",
                   figure_text(12, static_cast<std::size_t>(y) - 4, "sure",
                               join(shortened(group, width / 12), ", ",
                                    counted(static_cast<std::size_t>(count), "task", "tasks"))),
                   "\n");
    }
    first = false;
    if (named && above) y += 16;
    std::string title, marks;
    for (std::size_t m = 0; m < methods; ++m) {
      const std::size_t i = m * tasks + t;
      title += join(m == 0 ? ": " : "; ", record.methods[m], " ", gain_text(record, i, decimals));
      if (!is_finite(record.gains[i])) continue;
      const double at =
          named ? y + high / 2 + 8 * (static_cast<double>(m) - static_cast<double>(methods - 1) / 2) : y + high / 2;
      if (has_interval(record, i))
        marks += join("<path class=\"whisker", named ? " c" : " faint c", (m + 1) % 10, "\" d=\"M",
                      fixed(px(record.lower[i]), 1), " ", fixed(at, 1), "H", fixed(px(record.upper[i]), 1), "\"/>");
      marks += gain_mark(m, px(record.gains[i]), at);
    }
    rows += join("<g><title>", html_text(record.tasks[t]), html_text(title), "</title>", marks);
    if (named)
      rows += figure_text(above ? 14 : left - 10, static_cast<std::size_t>(above ? y - 4 : y + high / 2 + 4), "soft",
                          shortened(record.tasks[t], most), above ? "start" : "end");
    rows += "</g>\n";
    y += high;
  }
  const double end = y + 4;
  out += "<g class=\"grid\">";
  for (double x = std::ceil(xs.low / xs.step - 1e-9) * xs.step; x <= xs.high + 1e-9 * xs.step; x += xs.step) {
    if (x + xs.step <= x) break;  // steps that are lost beside a large number
    out += join("<path d=\"M", fixed(px(x), 1), " ", fixed(begin, 1), "V", fixed(end, 1), "\"/><text x=\"",
                fixed(px(x), 1), "\" y=\"", fixed(end + 14, 1), "\" text-anchor=\"middle\">", tick(xs, x), "</text>");
  }
  out +=
      join("</g><path class=\"zero\" d=\"M", fixed(px(0), 1), " ", fixed(begin, 1), "V", fixed(end, 1), "\"/>\n", rows);
  const std::string unit = record.unit.empty() ? "" : join(" in ", record.unit);
  out +=
      figure_text(width / 2, static_cast<std::size_t>(end) + 32, "soft",
                  shortened(join("gain over ", record.baseline, unit, "; right of 0 is better"), width / 6), "middle");
  height = static_cast<std::size_t>(end) + 42;
  return out + "\n";
}

[[gnu::cold, gnu::noinline]] inline std::string gain_words(const GainRecord& record) {
  std::string text = join("Gain of ", counted(record.tasks.size(), "task", "tasks"), " over ", record.baseline,
                          ", positive is better");
  for (std::size_t m = 0; m < record.methods.size(); ++m) {
    std::size_t gained = 0, lost = 0;
    for (std::size_t t = 0; t < record.tasks.size(); ++t) {
      const double gain = record.gains[m * record.tasks.size() + t];
      gained += is_finite(gain) && gain > 0, lost += is_finite(gain) && gain < 0;
    }
    text += join("; ", record.methods[m], ": ", gained, " gain, ", lost, " lose");
  }
  return text + ".";
}

/// For a report, whose page has the style.
[[gnu::cold, gnu::noinline]] inline std::string svg(const GainRecord& record) {
  std::size_t height = 0;
  const std::string figure = gain_svg(record, 360, height);
  return join("<svg class=\"gains\" viewBox=\"0 0 360 ", height, "\" role=\"img\"><title>", html_text(record.title),
              "</title><desc>", html_text(gain_words(record)), "</desc>\n", figure, "</svg>");
}

inline constexpr const char* gain_header = "task,group,method,over,gain_positive_is_better,lower,upper,unit\n";

/// Rows of CSV, each behind `before`.
[[gnu::cold, gnu::noinline]] inline std::string gain_rows(const GainRecord& record, const std::string& before = "") {
  check_gains(record);
  std::string out;
  for (std::size_t i = 0; i < record.gains.size(); ++i) {
    const std::size_t t = i % record.tasks.size();
    out += join(before, csv_name(record.tasks[t]), ",", record.groups.empty() ? "" : csv_name(record.groups[t]), ",",
                csv_name(record.methods[i / record.tasks.size()]), ",", csv_name(record.baseline), ",",
                csv_number(record.gains[i]), ",") +
           join(record.lower.empty() ? "" : csv_number(record.lower[i]), ",",
                record.upper.empty() ? "" : csv_number(record.upper[i]), ",", csv_name(record.unit), "\n");
  }
  return out;
}

}  // namespace detail

/// The figure as an SVG file; write_file writes it. Up to 40 tasks stand with their names; more are close together, and their names
/// are the titles of their rows. Throws `Error` for sizes that don't fit.
[[gnu::cold, gnu::noinline]] inline std::string gain_figure(const GainRecord& record) {
  detail::check_gains(record);
  std::size_t height = 0;
  const std::string figure = detail::gain_svg(record, 720, height);
  return detail::figure_head(720, height + 34, record.title, detail::gain_words(record)) +
         detail::figure_text(12, 22, "name", detail::shortened(record.title, 80)) +
         "\n<g transform=\"translate(0 34)\">" + figure + "</g></svg>\n";
}

/// A row for each task and method. Throws `Error` for sizes that don't fit.
[[gnu::cold, gnu::noinline]] inline std::string csv(const GainRecord& record) {
  return detail::gain_header + detail::gain_rows(record);
}

}  // namespace mtlx::study
