# SPDX-License-Identifier: MIT
"""Writes tests/study/preference_oracle.inc: SciPy's binomial tests and Clopper-Pearson intervals, and strengths of Bradley and Terry
by a general root finder on the likelihood's equations, with the covariances of answers and of clusters. Where choix is
installed, its strengths must be the same.

usage: preference.py > tests/study/preference_oracle.inc
"""

import numpy as np
import scipy.optimize
import scipy.stats


def number(x):
    return f"{float(x):.17g}"


def rows(name, table):
    print(f"inline constexpr double {name}[][{len(table[0])}] = {{")
    for row in table:
        print("    {" + ", ".join(number(x) for x in row) + "},")
    print("};")


def values(name, row):
    print(f"inline constexpr double {name}[] = {{{', '.join(number(x) for x in row)}}};")


# Answers on four methods by five judges: (judge, left, right, won by the left one).
ANSWERS = []
state = 12345
for step in range(67):
    state = (state * 1103515245 + 12345) % 2**31
    left, right = [(0, 1), (2, 0), (0, 3), (1, 2), (3, 1), (2, 3)][step % 6]
    draw = state / 2**31
    strong = 1 / (1 + np.exp(0.4 * (left - right) - 0.5 * (step % 5 - 2) * (left - right)))
    ANSWERS.append((step % 5, left, right, 0.5 if step % 11 == 7 else float(draw < strong)))


def fit(answers, methods):
    judge, left, right, won = (np.array(column) for column in zip(*answers))

    def residuals(b):
        return won - 1 / (1 + np.exp(b[right] - b[left]))

    def score(b):
        out = np.zeros(methods)
        np.add.at(out, left, residuals(b))
        np.add.at(out, right, -residuals(b))
        return out + b.sum()

    b = scipy.optimize.root(score, np.zeros(methods), tol=1e-15).x
    p = won - residuals(b)
    information = np.zeros((methods, methods))
    for i, j, q in zip(left, right, p):
        e = np.zeros(methods)
        e[i], e[j] = 1, -1
        information += q * (1 - q) * np.outer(e, e)
    inverse = np.linalg.pinv(information)
    scores = np.zeros((judge.max() + 1, methods))
    for g, i, j, r in zip(judge, left, right, residuals(b)):
        scores[g, i] += r
        scores[g, j] -= r
    count = len(scores)
    return b, inverse, count / (count - 1) * inverse @ (scores.T @ scores) @ inverse


def main():
    print("// SPDX-License-Identifier: MIT\n// Written by scripts/oracle/preference.py.")
    table = []
    for wins, trials, level in [(0, 1, 0.95), (1, 1, 0.95), (5, 5, 0.95), (0, 12, 0.9), (3, 9, 0.95), (9, 12, 0.99),
                                (31, 40, 0.95), (50, 100, 0.95), (420, 1000, 0.95), (99999, 200000, 0.95)]:
        test = scipy.stats.binomtest(wins, trials)
        interval = test.proportion_ci(level, method="exact")
        table.append((wins, trials, level, test.pvalue, interval.low, interval.high))
    rows("binomials", table)  # successes, trials, level, p, lower, upper
    rows("answers", ANSWERS)  # judge, left, right, won by the left one
    b, information, clustered = fit(ANSWERS, 4)
    values("strengths", b)
    values("covariance", information.ravel())
    values("covariance_of_judges", clustered.ravel())

    try:
        import choix
    except ImportError:
        return
    # A tie as half a win: every answer twice, a tie once for each.
    pairs = []
    for _, left, right, won in ANSWERS:
        pairs += [(left, right)] * int(2 * won) + [(right, left)] * int(2 - 2 * won)
    other = choix.mm_pairwise(4, pairs, max_iter=100000, tol=1e-14)
    assert np.abs(other - other.mean() - b).max() < 1e-9, (other, b)


if __name__ == "__main__":
    main()
