# SPDX-License-Identifier: MIT
"""Writes tests/sharing/trace_norm_oracle.inc: trace norms, and proximal points by soft-thresholded singular values.

usage: scripts/oracle/trace_norm.py > tests/sharing/trace_norm_oracle.inc

Needs NumPy; the test that reads the file does not. The matrices' numbers are exact on either side.
"""

import numpy as np

# name: rows, columns, what a row is times of the one before, whether the last row is the first one minus the second, threshold
CASES = {
    "plain": (3, 7, 1.0, False, 0.75),
    "small_threshold": (3, 7, 1.0, False, 2.0**-20),
    "all_below": (3, 7, 1.0, False, 64.0),
    "dependent": (4, 9, 1.0, True, 0.5),
    "graded": (4, 11, 2.0**-5, False, 2.0**-9),
    "one_row": (1, 5, 1.0, False, 0.25),
    "more_rows_than_columns": (5, 2, 1.0, False, 0.5),
    "many_columns": (2, 131, 1.0, False, 3.0),
}


def matrix(rows, columns, factor, dependent):
    a = np.array(
        [[((i * 7 + t * 13 + i * t * 5 + i * i * 3) % 17 - 8) / 8 * factor**t for i in range(columns)] for t in range(rows)]
    )
    if dependent:
        a[-1] = a[0] - a[1]
    return a


print("// SPDX-License-Identifier: MIT")
print("// Written by scripts/oracle/trace_norm.py with NumPy: trace norms and proximal points.")
names = []
for name, (rows, columns, factor, dependent, threshold) in CASES.items():
    u, s, v = np.linalg.svd(matrix(rows, columns, factor, dependent), full_matrices=False)
    after = (u * np.maximum(0, s - threshold)) @ v
    after[np.abs(after) < 1e-13] = 0  # rounding, which no two libraries have alike
    print(f"inline constexpr double {name}_after[] = {{")
    numbers = after.ravel().tolist()
    for first in range(0, len(numbers), 4):
        print("    " + ", ".join(f"{x:.17g}" if x != 0 else "0.0" for x in numbers[first : first + 4]) + ",")
    print("};")
    names.append(
        f"    {{{rows}, {columns}, {factor:.17g}, {str(dependent).lower()}, {threshold:.17g}, {s.sum():.17g}, {name}_after}},"
    )
print("struct TraceNormCase {")
print("  std::size_t rows, columns;")
print("  double factor;")
print("  bool dependent;")
print("  double threshold, norm;")
print("  const double* after;")
print("};")
print("inline constexpr TraceNormCase trace_norm_cases[] = {")
print("\n".join(names))
print("};")
