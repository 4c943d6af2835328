# SPDX-License-Identifier: MIT
"""usage: scripts/oracle/pack_math.py [include/mtlx/backend/pack_math.hpp]

Prints the coefficients of the polynomials in backend/pack_math.hpp: Chebyshev expansions, computed with 60 digits and
written in powers of the argument. With a file: are they what stands there, to the last place but one?

Needs mpmath, which comes with PyTorch.
"""

import mpmath as mp
from approximations import expand, print_or_check


def between(function, low, high, degree):
    """Coefficients of powers of z, from the expansion of function(z), low <= z <= high."""
    middle, half = (low + high) / 2, (high - low) / 2
    result = [mp.mpf(0)] * (degree + 1)
    for n, c in enumerate(expand(lambda t: function(middle + half * t), degree)):
        for k in range(n + 1):  # ((z - middle) / half)^n
            result[k] += c * mp.binomial(n, k) * (-middle) ** (n - k) / half**n
    return result


def exponential(r):
    """(e^r - 1 - r) / r²"""
    return mp.nsum(lambda n: r**n / mp.factorial(n + 2), [0, 40]) if abs(r) < 1e-3 else (mp.expm1(r) - r) / r**2


def logarithm(z):
    """(2 atanh(s) / s - 2) / s² with s² = z"""
    return mp.nsum(lambda n: 2 * z**n / (2 * n + 3), [0, 40])


def main():
    edge = mp.log(2) / 2 * (1 + mp.mpf(10) ** -6)  # rounding may leave a little more
    last = ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2
    tables = {
        "exponential_of_float": between(exponential, -edge, edge, 4),
        "exponential_of_double": between(exponential, -edge, edge, 9),
        "logarithm_of_float": between(logarithm, mp.mpf(0), last, 2),
        "logarithm_of_double": between(logarithm, mp.mpf(0), last, 6),
    }
    print_or_check(tables)


if __name__ == "__main__":
    main()
