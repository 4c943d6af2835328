# SPDX-License-Identifier: MIT
"""Writes tests/grouping/clustering_oracle.inc: how scikit-learn groups the items of some tables of similarity.

usage: scripts/oracle/clustering.py > tests/grouping/clustering_oracle.inc

Needs scikit-learn; the tests that read the file do not.
"""

import warnings

import numpy as np
import sklearn
from sklearn.cluster import AffinityPropagation, SpectralClustering

warnings.simplefilter("ignore")  # of what does not converge, which is one of the cases


def similarity(items, groups):
    """Nearness of points in some places of the plane, not symmetric: what similarity() of the test computes."""
    i, k = np.arange(items)[:, None], np.arange(items)[None, :]

    def x(n):
        return (n % groups) * 4 + (n * 37 % 11) / 5

    def y(n):
        return (n % groups) ** 2 * 3 + (n * 53 % 13) / 6

    return -((x(i) - x(k)) ** 2) - (y(i) - y(k)) ** 2 - (i * 7 + k * 3) % 5 / 20


def affinity(items, groups):
    """Between 0 and 1, high within groups: what affinity() of the test computes."""
    i, k = np.arange(items)[:, None], np.arange(items)[None, :]
    return np.where(i % groups == k % groups, 0.7, 0.1) + ((i * 13 + k * 29) % 17) / 60


print("// SPDX-License-Identifier: MIT")
print(f"// Written by scripts/oracle/clustering.py with scikit-learn {sklearn.__version__}.")
print("struct Found {")
print("  std::size_t items, groups, factor;")
print("  double preference, damping;")
print("  std::size_t convergence, iterations;")
print("  bool converged;")
print("  std::vector<std::size_t> exemplars, labels;")
print("};")
print("// Groups that are planted, factor on the median as preference, ...; then iterations that it took.")
print("inline const std::vector<Found> propagated = {")
CASES = [
    (4, 2, 1, 0.5, 15),
    (9, 3, 1, 0.5, 15),
    (9, 3, 3, 0.7, 15),
    (17, 4, 1, 0.5, 50),
    (33, 5, 1, 0.9, 15),
    (33, 5, 5, 0.5, 50),
    (50, 3, 2, 0.5, 15),
]
for items, groups, factor, damping, convergence in CASES:
    s = similarity(items, groups)
    preference = factor * float(np.median(s))
    found = AffinityPropagation(
        damping=damping, convergence_iter=convergence, affinity="precomputed", preference=preference, random_state=0
    ).fit(s)
    exemplars = ", ".join(map(str, found.cluster_centers_indices_))
    labels = ", ".join(map(str, found.labels_))
    print(f"    {{{items}, {groups}, {factor}, {preference:.17g}, {damping}, {convergence}, {found.n_iter_},", end="")
    print(f" {'true' if found.n_iter_ < 200 else 'false'}, {{{exemplars}}}, {{{labels}}}}},")
print("};")
print("struct Parted {")
print("  std::size_t items, groups;")
print("  std::vector<std::size_t> labels;")
print("};")
print("inline const std::vector<Parted> spectral = {")
for items, groups in [(8, 2), (21, 3), (40, 5), (101, 7)]:
    m = affinity(items, groups)
    found = SpectralClustering(groups, affinity="precomputed", random_state=0, n_init=20).fit((m + m.T) / 2)
    _, first = np.unique(found.labels_, return_index=True)
    order = np.argsort(np.argsort(first))
    print(f"    {{{items}, {groups}, {{{', '.join(map(str, order[found.labels_]))}}}}},")
print("};")
