// SPDX-License-Identifier: MIT
// Row contrasts of an affinity table: which partner is better for a task than its other partners.
//
//   C[j][i] = M[j][i] - mean of M[j][k] over the tasks k that are neither i nor j
//
// j is the task that is affected (row), i the task whose step it was (column). What all of a task's partners have in common
// cancels: the negative offset that lookahead affinities have from curvature, and how fast the task's loss falls anyway. A
// contrast therefore says who is the better partner, and nothing about whether any partner is better than none. The
// contrasts of a row add up to 0.
#pragma once

#include <cstddef>
#include <limits>
#include <mtlx/core/error.hpp>
#include <mtlx/core/scalar.hpp>
#include <span>
#include <vector>

namespace mtlx::grouping {

/// The row contrasts of a table. table, result : (affected, acting), row by row. The diagonal is not looked at, and NaN in
/// the result. A missing cell (NaN) stays missing and is left out of the others' means; a cell whose row has no other cell
/// has no contrast (NaN). Throws `Error` for less than 3 tasks (with 2 there is no other partner to compare with), for a
/// table of another size, and at an infinite cell.
[[gnu::cold, gnu::noinline]] inline std::vector<double> row_contrasts(std::span<const double> table,
                                                                      std::size_t tasks) {
  if (tasks < 3) fail("row_contrasts: a contrast needs at least 3 tasks, and there are ", tasks);
  if (table.size() / tasks != tasks || table.size() % tasks != 0)
    fail("row_contrasts: ", table.size(), " cells for a table of ", tasks, " tasks");
  std::vector<double> contrasts(table.size(), std::numeric_limits<double>::quiet_NaN());
  for (std::size_t affected = 0; affected < tasks; ++affected) {
    const auto row = table.subspan(affected * tasks, tasks);
    const auto present = [&](std::size_t acting) { return acting != affected && !is_nan(row[acting]); };
    for (std::size_t acting = 0; acting < tasks; ++acting) {
      if (!present(acting)) continue;
      if (!is_finite(row[acting])) fail("row_contrasts: row ", affected, ", column ", acting, " is not finite");
      // Of the others themselves, and not of a row's sum: rounding stays that of the cells that count.
      double others = 0, count = 0;
      for (std::size_t other = 0; other < tasks; ++other)
        if (other != acting && present(other)) others += row[other], count += 1;
      if (count > 0) contrasts[affected * tasks + acting] = row[acting] - others / count;
    }
  }
  return contrasts;
}

}  // namespace mtlx::grouping
