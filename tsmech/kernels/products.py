"""Products of a few rows of numbers with many, at the speed at which the many are read.

BLAS cuts matrices into panels as if both were large; where one has two or four rows, it reads the other at a fraction
of the speed of cache or memory.  Here four of the many rows meet two of the few at a time, so that what is read is used
at once and sums stay in registers.
"""

import numpy as np
from numpy.typing import NDArray

from tsmech.kernels.jit import kernel

Array = NDArray[np.float64]


@kernel
def add_combinations(factors: Array, rows: Array, out: Array) -> None:
    """Add to row k of ``out`` the sum of ``factors[k, j] * rows[j]``; shapes (K, n), (n, B) and (K, B)."""
    (K, n), B = factors.shape, out.shape[1]
    fours = n - n % 4
    unused = np.zeros(B if K % 2 else 0)
    for j in range(0, fours, 4):
        p, q, r, s = rows[j], rows[j + 1], rows[j + 2], rows[j + 3]
        for k in range(0, K, 2):
            x, y = out[k], out[k + 1] if k + 1 < K else unused
            a, b = factors[k, j : j + 4], factors[min(k + 1, K - 1), j : j + 4]
            xp, xq, xr, xs = a[0], a[1], a[2], a[3]
            yp, yq, yr, ys = b[0], b[1], b[2], b[3]
            for i in range(B):
                x[i] += xp * p[i] + xq * q[i] + xr * r[i] + xs * s[i]
                y[i] += yp * p[i] + yq * q[i] + yr * r[i] + ys * s[i]
    for j in range(fours, n):
        p = rows[j]
        for k in range(K):
            x, xp = out[k], factors[k, j]
            for i in range(B):
                x[i] += xp * p[i]


@kernel
def add_products(few: Array, rows: Array, out: Array) -> None:
    """Add to ``out[k, j]`` the scalar product of ``few[k]`` and ``rows[j]``; shapes (K, B), (n, B) and (K, n)."""
    (K, B), n = few.shape, rows.shape[0]
    fours = n - n % 4
    for j in range(0, fours, 4):
        p, q, r, s = rows[j], rows[j + 1], rows[j + 2], rows[j + 3]
        for k in range(0, K, 2):
            x, y = few[k], few[min(k + 1, K - 1)]
            xp = xq = xr = xs = yp = yq = yr = ys = 0.0
            for i in range(B):
                u, v = x[i], y[i]
                xp += u * p[i]
                xq += u * q[i]
                xr += u * r[i]
                xs += u * s[i]
                yp += v * p[i]
                yq += v * q[i]
                yr += v * r[i]
                ys += v * s[i]
            a = out[k, j : j + 4]
            a[0] += xp
            a[1] += xq
            a[2] += xr
            a[3] += xs
            if k + 1 < K:
                a = out[k + 1, j : j + 4]
                a[0] += yp
                a[1] += yq
                a[2] += yr
                a[3] += ys
    for j in range(fours, n):
        p = rows[j]
        for k in range(K):
            x, xp = few[k], 0.0
            for i in range(B):
                xp += x[i] * p[i]
            out[k, j] += xp
