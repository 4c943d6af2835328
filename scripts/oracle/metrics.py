# SPDX-License-Identifier: MIT
"""Writes tests/nn/metric_oracle.inc: what scikit-learn's metrics say of some outputs with many equal scores.

usage: scripts/oracle/metrics.py > tests/nn/metric_oracle.inc

Needs scikit-learn; the tests that read the file do not. What is missing is taken out here, label by label.
"""

import numpy as np
import sklearn
from sklearn import metrics

SAMPLES, OUTPUTS = 60, 4

grid = np.arange(SAMPLES)[:, None], np.arange(OUTPUTS)[None, :]
s, i = grid
z = ((s * 37 + i * 17 + s * s * 3 % 13) % 29 - 14) / 8
# No sample has or gets the class 3 in "absent".
classes = (s[:, 0] * s[:, 0] + s[:, 0] // 3) % OUTPUTS
labels = (s * 11 + i * 7 + s * s % 5) % 3 == 0
numbers = ((s * 5 + i * 3) % 17 - 8) / 4 + i * 100
present = (s * 5 + i * 3) % 7 != 0


def over_labels(metric, truth, scores):
    return np.mean([metric(truth[present[:, j], j], scores[present[:, j], j]) for j in range(OUTPUTS)])


def f1(average):
    return lambda truth, answer: metrics.f1_score(truth, answer, average=average, zero_division=0)


kept = present[:, 0]
few = classes % 3
everything = np.ones_like(present)
# Far from 0, where sums of squares cancel.
fit = numbers + z
VALUES = {
    "class_macro_f1": f1("macro")(classes[kept], z[kept].argmax(1)),
    "class_micro_f1": f1("micro")(classes[kept], z[kept].argmax(1)),
    "absent_macro_f1": f1("macro")(few, z[:, :3].argmax(1)),
    "label_macro_f1": over_labels(metrics.f1_score, labels, z > 0),
    "label_micro_f1": f1("binary")(labels[present], z[present] > 0),
    "all_label_macro_f1": f1("macro")(labels, z > 0),
    "all_label_micro_f1": f1("micro")(labels, z > 0),
    "no_yes_macro_f1": f1("macro")(labels & (i != 2), (z > 0) & (i != 2)),
    "roc_auc": over_labels(metrics.roc_auc_score, labels, z),
    "all_roc_auc": metrics.roc_auc_score(labels, z, average="macro"),
    "one_roc_auc": metrics.roc_auc_score(labels[:, 1], z[:, 1]),
    "average_precision": over_labels(metrics.average_precision_score, labels, z),
    "all_average_precision": metrics.average_precision_score(labels, z, average="macro"),
    "mae": metrics.mean_absolute_error(numbers[present], fit[present]),
    "rmse": metrics.root_mean_squared_error(numbers[present], fit[present]),
    "r2": over_labels(metrics.r2_score, numbers, fit),
    "all_r2": metrics.r2_score(numbers, fit),
}

print("// SPDX-License-Identifier: MIT")
print(f"// Written by scripts/oracle/metrics.py with scikit-learn {sklearn.__version__}.")
for name, value in VALUES.items():
    print(f"inline constexpr double {name} = {value:.17g};")
