// SPDX-License-Identifier: MIT
// Tables with a column of yes or no for each task, such as yeast (103 numbers of a gene, 14 classes that it may belong to;
// scripts/data/yeast.sh makes the file) and the multi-label data sets of Mulan.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mtlx/core/error.hpp>
#include <mtlx/data/data_set.hpp>
#include <mtlx/data/detail/reading.hpp>
#include <mtlx/data/table.hpp>

namespace mtlx::data {

/// The names of a table's columns that begin so, in the table's order. Throws `Error` if there is none.
[[gnu::cold, gnu::noinline]] inline std::vector<std::string> names_with(const Table& table, std::string_view prefix) {
  std::vector<std::string> names;
  for (const TableColumn& column : table.columns())
    if (column.name.starts_with(prefix)) names.push_back(column.name);
  if (names.empty()) fail(table.name(), " has no column whose name begins with ", detail::shown(prefix));
  return names;
}

/// A data set with a task of yes or no for each of the named columns, missing where a cell is; every other column is an
/// input: `multi_label(read_csv("yeast.csv"), {"label1", "label2"})`, or `names_with(table, "label")`. Throws `Error` if no
/// task or no input is left, and as `binary_from` and `Features` do.
[[gnu::cold, gnu::noinline]] inline DataSet multi_label(const Table& table, const std::vector<std::string>& tasks,
                                                        FeatureOptions options = {}) {
  std::vector<Column> columns;
  for (const std::string& task : tasks) columns.push_back({task, binary_from(table, {task})});
  return DataSet(inputs_from(table, table.names(tasks), options), std::move(columns));
}

}  // namespace mtlx::data
