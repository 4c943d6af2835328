# SPDX-License-Identifier: MIT
"""Values of balancing methods, for tests/balancing.

usage: scripts/oracle/balancing_vectors.py VECTORS.json > tests/balancing/vectors.inc
       scripts/oracle/balancing_vectors.py --check tests/balancing/vectors.inc

The first form converts a file of vectors: values printed in TorchJD's tests and documentation, values of an exact solver,
and stateful methods call by call. The second computes what is exact there anew, by brute force in 40 digits (all supports,
all active sets), and compares.
"""

import itertools
import json
import re
import sys

TOLERANCE = 1e-8
PUBLISHED = {  # TorchJD's name and parameters: ours
    "AlignedMTL": "AlignedMtl(min)", "ConFIG": "ConFig", "DualProj": "DualProjection(1e-4)",
    "UPGrad": "UpGrad(1e-4)", "GradVac": "GradVac", "IMTLG": "ImtlG", "MGDA": "Mgda", "PCGrad": "PcGrad",
    "Sum": "EqualWeights", "FairGrad": "FairGrad(1)", "CAGrad": "CaGrad(0.5)", "NashMTL": "NashMtl",
}
EXACT = {
    "Sum": "EqualWeights", "MGDA_exact": "Mgda", "UPGrad_exact(reg=0)": "UpGrad",
    "UPGrad_scale_free(G/tr(G)+1e-4 I, no norm_eps cut)": "UpGrad(1e-4)", "DualProj_torchjd": "DualProjection(1e-4)",
    "IMTLG": "ImtlG", "AlignedMTL_min(pref=1/m)": "AlignedMtl(min)", "AlignedMTL_median(pref=1/m)": "AlignedMtl(median)",
    "AlignedMTL_rmse(pref=1/m)": "AlignedMtl(rmse)", "CAGrad(c=0.4,rescale=none)": "CaGrad(0.4)",
    "CAGrad(c=0.4,rescale=1: /(1+c^2))": "CaGrad(0.4,squared)", "CAGrad(c=0.5,rescale=none)": "CaGrad(0.5)",
    "CAGrad(c=0.5,rescale=1: /(1+c^2))": "CaGrad(0.5,squared)", "CAGrad(c=1.0,rescale=none)": "CaGrad(1)",
    "CAGrad(c=1.0,rescale=1: /(1+c^2))": "CaGrad(1,squared)", "FairGrad(alpha=1.0)": "FairGrad(1)",
    "FairGrad(alpha=2.0)": "FairGrad(2)", "NashMTL_exact(max_norm=1)": "NashMtl", "ConFIG": "ConFig",
    "PCGrad_order(j ascending, skip i, sum)": "PcGrad",
}


def numbers(values):
    return "{" + ", ".join(f"{float(v):.12g}" for v in values) + "}"


def row(method, matrix, weights, output, tolerance):
    flat = [v for line in matrix for v in line]
    return (f'    {{"{method}", {len(matrix)}, {len(matrix[0])}, {numbers(flat)}, {str(weights is not None).lower()}, '
            f"{numbers(weights or [])}, {str(output is not None).lower()}, {numbers(output or [])}, {tolerance:g}}},")


def convert(path):
    vectors = json.load(open(path))
    print("""// SPDX-License-Identifier: MIT
// Written by scripts/oracle/balancing_vectors.py: J has a row for each task; output = Jᵀ weights.
struct Vector {
  const char* method;
  std::size_t tasks, parameters;
  double rows[9];
  bool has_weights;
  double weights[3];
  bool has_output;
  double output[3];
  double tolerance;
};

// Printed in TorchJD's tests and documentation (SimplexLab/TorchJD, commit 862baeda7dc5). Where they print a Gram matrix, a
// factor of it stands here.
inline constexpr Vector published[] = {""")
    for entry in vectors["published"]:
        method = PUBLISHED.get(entry["method"])
        if method is None or not isinstance(entry["input"][0], list):
            continue
        if entry["kind"] == "aggregator":
            print(row(method, entry["input"], None, entry["expected"], entry["atol"]))
        elif entry["kind"] == "weighting_from_gramian":
            assert entry["input"] == [[18.0, -22.0], [-22.0, 38.0]]
            print(row(method, [[-4, 1, 1], [6, 1, 1]], entry["expected"], None, entry["atol"]))
    print("""};

// Of an exact solver; --check computes them again.
inline constexpr Vector exact[] = {""")
    for entry in vectors["exact"]:
        for name, result in entry["results"].items():
            method = EXACT.get(name)
            # The order matters with three tasks, and there its value stands under another name.
            if method is None or (method == "PcGrad" and entry["matrix"] == "zero_row_3x3"):
                continue
            unique = result.get("weights_unique", entry["rank"] == len(entry["J"]))
            weights = result.get("weights") if unique else None
            print(row(method, entry["J"], weights, result["output"], TOLERANCE))
    print("};\n\n// GradVac(beta 0.5) on the same gradients again and again: weights, and the target t_01 after the call.")
    print("inline constexpr double grad_vac[][3] = {")
    sequences = {entry["method"].split("(")[0]: entry for entry in vectors["sequences"]}
    for call in sequences["GradVac"]["calls"]:
        print("    " + numbers(call["weights"] + [call["phi_hat_after"][0][1]]) + ",")
    print("};\n\n// MoDo(gamma 0.01, rho 0.1) with the Gram matrix {18, -22, -22, 38} for both batches: lambda after each call.")
    print("inline constexpr double mo_do[][2] = {")
    for weights in sequences["MoDo"]["lambda_after_each_call"]:
        print("    " + numbers(weights) + ",")
    print("};")


# The check: every method from its definition, for three tasks at most.


def check(path):
    from mpmath import mp, mpf, matrix, eigsy, lu_solve, findroot, sqrt

    mp.dps = 40
    text = open(path).read()
    pattern = re.compile(r'\{"([^"]+)", (\d), (\d), \{([^}]*)\}, (\w+), \{([^}]*)\}, (\w+), \{([^}]*)\}, (\S+)\}')
    exact = text[text.index("exact[]"):]

    def subsets(n):
        return itertools.chain.from_iterable(itertools.combinations(range(n), k) for k in range(n + 1))

    def solve(a, b):
        try:
            return lu_solve(a, b)
        except (ZeroDivisionError, TypeError):  # the latter is mpmath's own, where the matrix is singular
            return None

    def least_above(g, start):
        """argmin vᵀ G v, v >= start: every active set."""
        n, best = g.rows, None
        for free in subsets(n):
            v = matrix(start)
            if free:
                a = matrix(len(free), len(free))
                b = matrix(len(free), 1)
                for k, i in enumerate(free):
                    for l, j in enumerate(free):
                        a[k, l] = g[i, j]
                    b[k] = -sum(g[i, j] * start[j] for j in range(n) if j not in free)
                x = solve(a, b)
                if x is None:
                    continue
                for k, i in enumerate(free):
                    v[i] = x[k]
                if any(v[i] < start[i] for i in free):
                    continue
            value = (v.T * g * v)[0]
            if best is None or value < best[0]:
                best = (value, v)
        return best[1]

    def mgda(g):
        n, best = g.rows, None
        for support in subsets(n):
            if not support:
                continue
            k = len(support)
            a, b = matrix(k + 1, k + 1), matrix(k + 1, 1)
            for p, i in enumerate(support):
                for q, j in enumerate(support):
                    a[p, q] = g[i, j]
                a[p, k] = a[k, p] = 1
            b[k] = 1
            x = solve(a, b)
            if x is None or any(x[p] < 0 for p in range(k)):
                continue
            w = matrix(n, 1)
            for p, i in enumerate(support):
                w[i] = x[p]
            value = (w.T * g * w)[0]
            if best is None or value < best[0] - mpf(10) ** -35:
                best = (value, w)
        return best[1]

    def spectral(g, function):
        values, vectors = eigsy(g)
        n, result = g.rows, matrix(g.rows, g.rows)
        kept = [k for k in range(n) if values[k] > mpf(10) ** -30 * max(values)]
        for k in kept:
            column = vectors[:, k]
            result += function(values[k], [values[i] for i in kept]) * column * column.T
        return result

    def config(j):
        norms = [sqrt(sum(j[i, p] ** 2 for p in range(j.cols))) for i in range(j.rows)]
        u = matrix([[j[i, p] / norms[i] if norms[i] > 0 else 0 for p in range(j.cols)] for i in range(j.rows)])
        b = u.T * spectral(u * u.T, lambda value, _: 1 / value) * matrix([1] * j.rows)
        squared = (b.T * b)[0]
        return b * 0 if squared < mpf(10) ** -30 else b * (sum((j * b)[i] for i in range(j.rows)) / squared)

    def fair(g, alpha):
        n = g.rows
        start = [1 / sqrt(g[i, i]) for i in range(n)]
        # From Newton's steps that keep w positive, then mpmath's own root finder.
        w = matrix(start)
        for _ in range(200):
            h, r = matrix(g), matrix(n, 1)
            for i in range(n):
                h[i, i] += w[i] ** (-1 / alpha - 1) / alpha
                r[i] = w[i] ** (-1 / alpha) - sum(g[i, k] * w[k] for k in range(n))
            step = lu_solve(h, r)
            length = min([mpf(1)] + [mpf("0.5") * w[i] / -step[i] for i in range(n) if step[i] < 0])
            w += length * step
        assert max(abs(r[i]) for i in range(n)) < mpf(10) ** -30
        return w

    def cagrad(g, c):
        """d - g0 = radius g_w / |g_w| at the best w of the simplex: each support, from its stationary point."""
        n = g.rows
        mean = matrix([mpf(1) / n] * n)
        q = g * mean
        length = sqrt((mean.T * q)[0])
        best = None

        def value(w):
            return (w.T * q)[0] + c * length * sqrt((w.T * g * w)[0])

        for support in subsets(n):
            if not support:
                continue
            candidates = []
            if len(support) == 1:
                w = matrix(n, 1)
                w[support[0]] = 1
                candidates.append(w)
            else:
                k = len(support)

                def equations(*x):
                    w = matrix(n, 1)
                    for p, i in enumerate(support):
                        w[i] = x[p]
                    pull, size = g * w, sqrt((w.T * g * w)[0])
                    return [q[i] + c * length * pull[i] / size - x[k] for i in support] + [sum(x[:k]) - 1]

                try:
                    x = findroot(equations, [mpf(1) / k] * k + [mpf(1)], tol=mpf(10) ** -60, maxsteps=40)
                except (ValueError, ZeroDivisionError, TypeError):
                    continue
                w = matrix(n, 1)
                for p, i in enumerate(support):
                    w[i] = x[p].real
                if any(w[i] < 0 for i in range(n)):
                    continue
                candidates.append(w)
            for w in candidates:
                if best is None or value(w) < value(best):
                    best = w
        return mean + best * (c * length / sqrt((best.T * g * best)[0]))

    def weights(method, j):
        g = j * j.T
        n = g.rows
        name, _, options = method.rstrip(")").partition("(")
        options = options.split(",")
        one = matrix([mpf(1)] * n)
        if name == "EqualWeights":
            return one
        if name == "Mgda":
            return mgda(g)
        if name in ("UpGrad", "DualProjection"):
            if options[0]:
                trace = sum(g[i, i] for i in range(n))
                for i in range(n):
                    g[i, i] += mpf(options[0]) * trace
            if name == "DualProjection":
                return least_above(g, one / n)
            total = matrix(n, 1)
            for i in range(n):
                total += least_above(g, matrix([mpf(k == i) for k in range(n)])) / n
            return total
        if name == "ImtlG":
            v = spectral(g, lambda value, _: 1 / value) * matrix([sqrt(g[i, i]) for i in range(n)])
            return v / sum(v[i] for i in range(n))
        if name == "AlignedMtl":
            pick = {"min": min, "median": lambda v: sorted(v)[(len(v) - 1) // 2], "rmse": lambda v: sum(v) / len(v)}
            return spectral(g, lambda value, values: sqrt(pick[options[0]](values) / value)) * one / n
        if name == "CaGrad":
            c = mpf(options[0])
            return cagrad(g, c) / (1 + c * c if "squared" in options else 1)
        if name in ("FairGrad", "NashMtl"):
            w = fair(g, mpf(options[0] if options[0] else 1))
            return w / sqrt((w.T * g * w)[0]) if name == "NashMtl" else w
        return None

    worst, count = 0.0, 0
    for method, tasks, parameters, rows, has_weights, stored, has_output, output, _ in pattern.findall(exact):
        tasks, parameters = int(tasks), int(parameters)
        flat = [mpf(v) for v in rows.split(",")]
        j = matrix([[flat[i * parameters + p] for p in range(parameters)] for i in range(tasks)])
        if method == "PcGrad":
            continue  # tests/balancing/pc_grad_test.cpp has the algorithm of the paper itself
        if method == "ConFig":
            found = config(j)
        else:
            w = weights(method, j)
            found = j.T * w
            if has_weights == "true" and method != "ConFig":
                for a, b in zip(stored.split(","), w):
                    worst = max(worst, abs(float(a) - float(b)))
        for a, b in zip(output.split(","), found):
            deviation = abs(float(a) - float(b))
            if deviation > TOLERANCE:
                print(f"{method} of {rows}: {a} stored, {float(b):.12g} found")
            worst = max(worst, deviation)
        count += 1
    print(f"{path}: {count} results, at most {worst:.1e} from what is stored, {TOLERANCE:.0e} allowed")
    return worst <= TOLERANCE


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "--check":
        sys.exit(not check(sys.argv[2]))
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    convert(sys.argv[1])
