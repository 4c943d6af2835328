# SPDX-License-Identifier: MIT
"""Writes tests/grouping/statistics_oracle.inc: group effects by restricted maximum likelihood, ridge surrogates, F-tests of
interactions and t-tests over runs, by dense textbook formulas of NumPy, SciPy and scikit-learn.

usage: scripts/oracle/grouping_statistics.py > tests/grouping/statistics_oracle.inc

Needs NumPy, SciPy and scikit-learn; the test that reads the file does not. Where statsmodels is there, its MixedLM and OLS
must say the same (a line on standard error).
"""

import itertools
import sys

import numpy as np
from scipy import stats
from sklearn.linear_model import Ridge

TASKS, RUNS = 4, 3
SUBSETS = [s for size in (2, 3, 4) for s in itertools.combinations(range(TASKS), size)]


class Numbers:
    """Deviates that are nearly normal and the same everywhere: sums of 12 uniform ones with 16 bits."""

    def __init__(self, seed):
        self.state = seed

    def normal(self):
        total = 0.0
        for _ in range(12):
            self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
            total += (self.state >> 48) / 65536
        return total - 6


def gains():
    """(run, subset, task, gain) and the affinity, from the model itself."""
    draw = Numbers(7)
    affinity = np.array([[draw.normal() / 8 for _ in range(TASKS)] for _ in range(TASKS)])
    unit = [1.0, 0.5, 2.0, 1.0]
    beta = [[0.05 + 0.9 * affinity[i, j] + 0.1 * draw.normal() for j in range(TASKS)] for i in range(TASKS)]
    gamma = {(i, j, k): 0.12 * draw.normal() for i in range(TASKS) for j, k in itertools.combinations(range(TASKS), 2)}
    level = [[0.06 * draw.normal() for _ in range(RUNS)] for _ in range(TASKS)]
    rows = []
    for run in range(RUNS):
        for s in SUBSETS:
            for i in s:
                others = [j for j in s if j != i]
                y = sum(beta[i][j] for j in others) + sum(gamma[i, j, k] for j, k in itertools.combinations(others, 2))
                rows.append((run, s, i, unit[i] * (y + level[i][run] + 0.05 * draw.normal())))
    return rows, affinity


def bits(subset):
    return sum(1 << t for t in subset)


def designs(rows):
    """Per result: indicator columns of (task, partner), (task, pair of partners), (task, run)."""
    partners = [(i, j) for i in range(TASKS) for j in range(TASKS) if i != j]
    pairs = [(i, j, k) for i in range(TASKS) for j, k in itertools.combinations([t for t in range(TASKS) if t != i], 2)]
    runs = [(i, u) for i in range(TASKS) for u in range(RUNS)]
    w = np.array([[r[2] == i and j in r[1] for i, j in partners] for r in rows], float)
    q = np.array([[r[2] == i and j in r[1] and k in r[1] for i, j, k in pairs] for r in rows], float)
    u = np.array([[r[2] == i and r[0] == v for i, v in runs] for r in rows], float)
    return partners, pairs, runs, w, q, u


def reml(y, x, matrices):
    """Variances of the matrices (the last is the identity) by Fisher scoring; fixed effects; log likelihood."""
    theta = np.full(len(matrices), y.var() / len(matrices))
    for _ in range(200):
        v = sum(t * m for t, m in zip(theta, matrices))
        inverse = np.linalg.inv(v)
        p = inverse - inverse @ x @ np.linalg.solve(x.T @ inverse @ x, x.T @ inverse)
        pm = [p @ m for m in matrices]
        score = np.array([-0.5 * np.trace(a) + 0.5 * y @ a @ p @ y for a in pm])
        information = np.array([[0.5 * np.trace(a @ b) for b in pm] for a in pm])
        step = np.linalg.solve(information, score)
        while np.any(theta + step <= 0):
            step /= 2
        theta = theta + step
    assert np.abs(step / theta).max() < 1e-11, "no convergence inside"
    a = x.T @ inverse @ x
    fixed = np.linalg.solve(a, x.T @ inverse @ y)
    rest = len(y) - x.shape[1]
    value = -0.5 * (
        np.linalg.slogdet(v)[1] + np.linalg.slogdet(a)[1] + y @ p @ y + rest * np.log(2 * np.pi)
    )
    return theta, fixed, np.linalg.inv(a), value


def number(x):
    return f"{x:.17g}"


def value(name, x):
    print(f"inline constexpr double {name} = {number(x)};")


def values(name, x):
    print(f"inline constexpr double {name}[] = {{{', '.join(map(number, x))}}};")


def effects(rows, affinity):
    partners, pairs, runs, w, q, u = designs(rows)
    task = np.array([r[2] for r in rows])
    raw = np.array([r[3] for r in rows])
    scale = np.array([np.sqrt(np.mean(raw[task == i] ** 2)) for i in range(TASKS)])
    y = raw / scale[task]
    fixed_of_partner = np.array([[1, affinity[i, j] / scale[i]] for i, j in partners])
    x = w @ fixed_of_partner
    theta, fixed, fixed_covariance, likelihood = reml(y, x, [w @ w.T, q @ q.T, u @ u.T, np.eye(len(y))])
    values("effect_scales", scale)
    values("effect_deviations", np.sqrt(theta))
    values("effect_fixed", fixed)
    values("effect_fixed_errors", np.sqrt(np.diag(fixed_covariance)))
    value("effect_likelihood", likelihood)

    # The posterior by Henderson's equations: all effects at once.
    z = np.hstack([w, q, u])
    precision = np.concatenate([np.full(w.shape[1], 1 / theta[0]), np.full(q.shape[1], 1 / theta[1]),
                                np.full(u.shape[1], 1 / theta[2])])
    design = np.hstack([x, z])
    left = design.T @ design / theta[3] + np.diag(np.concatenate([np.zeros(2), precision]))
    covariance = np.linalg.inv(left)
    solution = covariance @ design.T @ y / theta[3]
    found = []
    for i in range(TASKS):
        for s in SUBSETS:
            if i not in s:
                continue
            c = np.zeros(design.shape[1])
            for n, (a, j) in enumerate(partners):
                if a == i and j in s:
                    c[2 + n] = 1
                    c[:2] += fixed_of_partner[n]
            for n, (a, j, k) in enumerate(pairs):
                if a == i and j in s and k in s:
                    c[2 + len(partners) + n] = 1
            found.append((i, bits(s), scale[i] * c @ solution, scale[i] * np.sqrt(c @ covariance @ c)))
    print("inline constexpr double effect_scores[][4] = {  // task, group, mean, standard deviation")
    for row in found:
        print("    {" + ", ".join(map(number, row)) + "},")
    print("};")

    # Subsets left out, one by one, the variances kept.
    v = theta[0] * w @ w.T + theta[1] * q @ q.T + theta[2] * u @ u.T + theta[3] * np.eye(len(y))
    errors, null = np.zeros(TASKS), np.zeros(TASKS)
    for s in SUBSETS:
        out = np.array([r[1] == s for r in rows])
        inverse = np.linalg.inv(v[~out][:, ~out])
        beta = np.linalg.solve(x[~out].T @ inverse @ x[~out], x[~out].T @ inverse @ y[~out])
        predicted = x[out] @ beta + v[out][:, ~out] @ inverse @ (y[~out] - x[~out] @ beta)
        for i in s:
            mine = task[out] == i
            errors[i] += np.mean((y[out] - predicted)[mine]) ** 2
            others = [np.mean([y[n] for n, r in enumerate(rows) if r[0] == run and r[2] == i and r[1] != s])
                      for run in range(RUNS)]
            null[i] += (np.mean(y[out][mine]) - np.mean(others)) ** 2
    values("effect_task_r2", 1 - errors / null)
    value("effect_r2", 1 - errors.sum() / null.sum())
    against_statsmodels(y, x, task, (w, q, u), theta, fixed, likelihood)


def against_statsmodels(y, x, task, parts, theta, fixed, likelihood):
    try:
        import warnings

        from statsmodels.regression.mixed_linear_model import MixedLM, VCSpec
    except ImportError:
        print("statsmodels is not there: not compared with it", file=sys.stderr)
        return
    mats = []
    for part in parts:
        own = []
        for i in range(TASKS):
            block = part[task == i]
            own.append(block[:, block.any(axis=0)])
        mats.append(own)
    names = [[f"c{n}" for n in range(m.shape[1])] for m in mats[0]], [[f"c{n}" for n in range(m.shape[1])] for m in mats[1]], \
            [[f"c{n}" for n in range(m.shape[1])] for m in mats[2]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = MixedLM(y, x, groups=task, exog_vc=VCSpec(["partner", "pair", "run"], list(names), mats))
        fit = model.fit(reml=True, method=["bfgs", "powell"])
    found = np.sqrt(np.append(fit.vcomp, fit.scale))
    gap = max(np.abs(found / np.sqrt(theta) - 1).max(), np.abs(fit.fe_params / fixed - 1).max())
    print(f"statsmodels MixedLM: estimates at most {gap:.1e} from these, log likelihood {fit.llf - likelihood:+.1e}",
          file=sys.stderr)
    assert gap < 1e-3 and abs(fit.llf - likelihood) < 1e-4


def surrogate(rows):
    """Ridge for a grid of strengths, every subset left out in turn and the model fitted anew."""
    grid = [10 ** (-3 + 0.25 * step) for step in range(25)]
    data = []
    for i in range(TASKS):
        mine = [r for r in rows if r[2] == i]
        x = np.array([[j in r[1] for j in range(TASKS) if j != i] for r in mine], float)
        data.append((x, np.array([r[3] for r in mine]), [r[1] for r in mine]))

    def left_out(x, y, subsets, predict):
        total = 0
        for s in set(subsets):
            out = np.array([t == s for t in subsets])
            total += np.sum((y[out] - predict(x[~out], y[~out], x[out])) ** 2)
        return total

    null = [left_out(*d, lambda x, y, new: np.full(len(new), y.mean())) for d in data]
    sizes = np.array([len(d[1]) for d in data])
    best = None
    for strength in grid:
        press = [left_out(*d, lambda x, y, new: Ridge(alpha=strength, solver="cholesky").fit(x, y).predict(new)) for d in data]
        error = np.sum(sizes * np.array(press) / null) / sizes.sum()
        if best is None or error < best[0]:
            best = error, strength, press
    error, strength, press = best
    value("surrogate_strength", strength)
    value("surrogate_r2", 1 - error)
    values("surrogate_task_r2", 1 - np.array(press) / null)
    fits = [Ridge(alpha=strength, solver="cholesky").fit(x, y) for x, y, _ in data]
    values("surrogate_intercepts", [f.intercept_ for f in fits])
    values("surrogate_theta", np.concatenate([np.insert(f.coef_, i, 0.0) for i, f in enumerate(fits)]))
    least_squares = [np.linalg.lstsq(np.c_[np.ones(len(x)), x], y, rcond=None)[0] for x, y, _ in data]
    values("surrogate_least_squares", np.concatenate([np.insert(c[1:], i, 0.0) for i, c in enumerate(least_squares)]))


def f_tests(rows):
    """F of interactions per task and over all, and its p; p by 20,000 permutations of residuals within runs."""
    random = np.random.default_rng(1)
    parts = []
    for i in range(TASKS):
        mine = [r for r in rows if r[2] == i]
        others = [j for j in range(TASKS) if j != i]
        level = np.array([[r[0] == u for u in range(RUNS)] for r in mine], float)
        x = np.array([[j in r[1] for j in others] for r in mine], float)
        pairs = np.array([[j in r[1] and k in r[1] for j, k in itertools.combinations(others, 2)] for r in mine], float)
        y = np.array([r[3] for r in mine])
        reduced = np.hstack([level, x])
        parts.append((reduced, np.hstack([reduced, pairs]), y, [r[0] for r in mine]))

    def rss(design, y):
        return np.sum((y - design @ np.linalg.lstsq(design, y, rcond=None)[0]) ** 2)

    rank = np.linalg.matrix_rank
    freedom = [(rank(f) - rank(r), len(y) - rank(f)) for r, f, y, _ in parts]
    residuals = [y - r @ np.linalg.lstsq(r, y, rcond=None)[0] for r, _, y, _ in parts]
    units = [np.sum(e**2) / (len(e) - rank(p[0])) for e, p in zip(residuals, parts)]

    def statistics(ys):
        squares = [(rss(p[0], y), rss(p[1], y)) for p, y in zip(parts, ys)]
        each = [(a - b) / d / (b / e) for (a, b), (d, e) in zip(squares, freedom)]
        d, e = np.sum(freedom, axis=0)
        reduced, full = (sum(s[n] / u for s, u in zip(squares, units)) for n in (0, 1))
        return each + [(reduced - full) / d / (full / e)]

    seen = statistics([p[2] for p in parts])
    everyone = freedom + [tuple(np.sum(freedom, axis=0))]
    values("interaction_f", seen)
    values("interaction_p", [stats.f.sf(f, d, e) for f, (d, e) in zip(seen, everyone)])
    print("inline constexpr std::size_t interaction_freedom[][2] = {"
          + ", ".join(f"{{{d}, {e}}}" for d, e in everyone) + "};")
    projections = [[m @ np.linalg.pinv(m) for m in p[:2]] for p in parts]
    draws, counts = 20000, np.zeros(TASKS + 1)
    d_all, e_all = everyone[-1]
    for _ in range(draws):
        squares = []
        for (h0, h1), e, p in zip(projections, residuals, parts):
            new = e.copy()
            for u in range(RUNS):
                at = [n for n, run in enumerate(p[3]) if run == u]
                new[at] = random.permutation(new[at])
            squares.append((np.sum((new - h0 @ new) ** 2), np.sum((new - h1 @ new) ** 2)))
        found = [(a - b) / d / (b / e) for (a, b), (d, e) in zip(squares, freedom)]
        reduced, full = (sum(s[n] / u for s, u in zip(squares, units)) for n in (0, 1))
        found.append((reduced - full) / d_all / (full / e_all))
        counts += np.array(found) >= np.array(seen) * (1 - 1e-10)
    values("interaction_permutation", counts / draws)


def runs():
    """Five tables of four tasks: t-tests of row contrasts over runs, Holm and Benjamini-Hochberg."""
    draw = Numbers(3)
    shift = {(0, 1): 1.0, (2, 0): -0.8}
    tables = np.array([[[np.nan if i == j else -0.5 + shift.get((i, j), 0) + draw.normal() / 16 for j in range(TASKS)]
                        for i in range(TASKS)] for _ in range(5)])
    values("run_tables", np.nan_to_num(tables, nan=9).ravel())
    found = []
    for i in range(TASKS):
        for j in range(TASKS):
            if i == j:
                continue
            others = [k for k in range(TASKS) if k not in (i, j)]
            c = tables[:, i, j] - tables[:, i, others].mean(axis=1)
            test = stats.ttest_1samp(c, 0)
            interval = test.confidence_interval(0.95)
            found.append([c.mean(), interval.low, interval.high, test.statistic, test.pvalue])
    p = np.array([f[4] for f in found])
    order = np.argsort(p)
    holm, running = np.zeros(len(p)), 0
    for n, at in enumerate(order):
        running = max(running, min(1, (len(p) - n) * p[at]))
        holm[at] = running
    bh = stats.false_discovery_control(p)
    print("inline constexpr double run_relations[][7] = {  // mean, lower, upper, t, p, Holm, Benjamini-Hochberg")
    for f, a, b in zip(found, holm, bh):
        print("    {" + ", ".join(map(number, [*f, a, b])) + "},")
    print("};")


def main():
    rows, affinity = gains()
    print("// SPDX-License-Identifier: MIT\n// Written by scripts/oracle/grouping_statistics.py.")
    print(f"inline constexpr std::size_t gain_tasks = {TASKS};")
    print("inline constexpr double gain_rows[][4] = {  // run, group, task, gain")
    for run, s, i, y in rows:
        print(f"    {{{run}, {bits(s)}, {i}, {number(y)}}},")
    print("};")
    values("gain_affinity", affinity.ravel())
    effects(rows, affinity)
    surrogate(rows)
    f_tests(rows)
    runs()


if __name__ == "__main__":
    main()
