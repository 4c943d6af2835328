# SPDX-License-Identifier: MIT
"""usage: scripts/oracle/approximations.py [include/mtlx/core/scalar.hpp]

Prints the coefficients of the polynomials in core/scalar.hpp: Chebyshev expansions, computed with 60 digits and written
in powers of the argument. With a file: are they what stands there, to the last place but one?

Needs mpmath, which comes with PyTorch.
"""

import pathlib
import re
import sys

import mpmath as mp

mp.mp.dps = 60


def expand(function, degree, points=200):
    """Coefficients of powers, from the expansion of function(t), -1 <= t <= 1."""
    nodes = [mp.cos(mp.pi * (k + mp.mpf(1) / 2) / points) for k in range(points)]
    values = [function(t) for t in nodes]
    power = [mp.mpf(0)] * (degree + 1)
    before, now = [mp.mpf(0)], [mp.mpf(1)]  # T(n - 1) and T(n), as coefficients
    for n in range(degree + 1):
        weight = (1 if n == 0 else 2) / mp.mpf(points)
        c = weight * sum(v * mp.cos(n * mp.acos(t)) for v, t in zip(values, nodes))
        for i, a in enumerate(now):
            power[i] += c * a
        after = [mp.mpf(0)] + [a * (1 if n == 0 else 2) for a in now]
        for i, a in enumerate(before if n > 0 else []):
            after[i] -= a
        before, now = now, after
    return power


def scaled_erfc(t):
    """(1 + 2 z) e^(z²) erfc(z) with t = (z - 3.75) / (z + 3.75)."""
    z = mp.mpf("3.75") * (1 + t) / (1 - t)
    if z < 30:
        return (1 + 2 * z) * mp.exp(z * z) * mp.erfc(z)
    terms = [mp.mpf(1)]  # the asymptotic series
    while len(terms) < 100 and abs(terms[-1]) > mp.mpf(10) ** -50:
        terms.append(-terms[-1] * (2 * len(terms) - 1) / (2 * z * z))
    return (1 + 2 * z) / (z * mp.sqrt(mp.pi)) * sum(terms)


def atanh(t):
    """atanh(s) / s with s² = (t + 1) / 18: from 0 to 1/9."""
    s = mp.sqrt((t + 1) / 18)
    return mp.atanh(s) / s


def in_square(power):
    """From powers of t to powers of s² = (t + 1) / 18."""
    result = [mp.mpf(0)] * len(power)
    for n, c in enumerate(power):
        for k in range(n + 1):
            result[k] += c * mp.binomial(n, k) * mp.mpf(18) ** k * (-1) ** (n - k)
    return result


def print_or_check(tables):
    """`tables`: numbers by the table's name. Without a file on the command line they are printed; with one, its tables
    must be these, to the last bit of a double."""
    if len(sys.argv) == 1:
        for name, numbers in tables.items():
            print(f"{name}: " + ", ".join(repr(float(c)) for c in numbers))
        return
    text = pathlib.Path(sys.argv[1]).read_text()
    for name, numbers in tables.items():
        body = re.search(name + r"\[\]\s*=?\s*{([^}]*)}", text)
        if not body:
            sys.exit(f"{sys.argv[1]}: no {name}")
        found = [float(c) for c in body[1].split(",") if c.strip()]
        if len(found) != len(numbers):
            sys.exit(f"{name}: expected {len(numbers)} numbers, got {len(found)}")
        worst = max(abs(a / float(b) - 1) for a, b in zip(found, numbers))
        print(f"{name}: at most {worst:.1e} from what is computed")
        if not worst <= 5e-16:
            sys.exit(1)


def main():
    tables = {"erfcx_coefficients": expand(scaled_erfc, 22), "atanh_coefficients": in_square(expand(atanh, 10))}
    print_or_check(tables)


if __name__ == "__main__":
    main()
