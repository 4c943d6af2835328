// SPDX-License-Identifier: MIT
// A study in a terminal: the table of results and, at last, the answer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <mtlx/core/error.hpp>
#include <mtlx/study/document.hpp>
#include <mtlx/study/findings.hpp>
#include <mtlx/study/record.hpp>
#include <mtlx/study/report.hpp>
#include <mtlx/study/text.hpp>
#include <string>
#include <vector>

namespace mtlx::study {

namespace detail {

/// A text's width in a terminal: its UTF-8 characters.
[[gnu::cold]] inline std::size_t columns_of(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

/// A table with a line a row, two blanks between columns.
[[gnu::cold, gnu::noinline]] inline std::string text(const Table& table) {
  std::vector<std::vector<std::string>> rows(1);
  for (const std::string& name : table.header) rows[0].push_back(plain_text(name));
  for (const std::vector<Cell>& row : table.rows) {
    std::vector<std::string>& texts = rows.emplace_back();
    for (const Cell& cell : row)
      texts.push_back(plain_text(join(cell.text, cell.note.empty() ? "" : " (", cell.note, cell.note.empty() ? "" : ")",
                                      cell.mark.empty() ? "" : ", ", cell.mark)));
  }
  std::vector<std::size_t> widths;
  for (const std::vector<std::string>& row : rows)
    for (std::size_t c = 0; c < row.size(); ++c) {
      if (c == widths.size()) widths.push_back(0);
      widths[c] = std::max(widths[c], columns_of(row[c]));
    }
  std::string out;
  for (const std::vector<std::string>& row : rows) {
    for (std::size_t c = 0; c < row.size(); ++c)
      out += row[c] + (c + 1 < row.size() ? std::string(widths[c] + 2 - columns_of(row[c]), ' ') : "\n");
  }
  return out;
}

}  // namespace detail

/// The data, the results on the test set, remarks and the answer, as plain text with a line at the end. Names are shown
/// without their control characters. Throws `Error` if the study's parts don't fit each other.
[[gnu::cold, gnu::noinline]] inline std::string report_text(const Study& study, const ReportOptions& options = {}) {
  const Findings found = findings(study, options.level);
  const detail::Section results = detail::results_section(study, found);
  std::string out = study.data.empty() ? "" : detail::plain_text(study.data) + "\n\n";
  for (const detail::Table& table : results.tables) out += detail::text(table) + "\n";
  for (const std::vector<std::string>& lines : {results.notes, detail::remarks(study, found), answer(study, found)})
    for (const std::string& line : lines) out += detail::plain_text(line) + "\n";
  return out;
}

}  // namespace mtlx::study
