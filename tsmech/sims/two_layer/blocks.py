"""What becomes of weights and examples a block at a time: scalar products, and the writing of steps."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsmech.kernels.jit import inlined_kernel, kernel

BLOCK = 8
"""Examples in a block: a constant of the kernels, so that their loops over a block unroll."""

Matrix = NDArray[np.float64]
Numbers = NDArray[np.floating[Any]]


@kernel
def copy_rows(source: Numbers, out: Numbers) -> None:
    """Copy as many rows and columns as ``out`` has (an assignment of slices would take Numba 9 s to compile)."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = source[i, j]


@kernel
def add_pushes(weights: Matrix, shrink: float, scale: float, pushes: Numbers, inputs: Numbers) -> None:
    """Replace the weights by shrink · weights + scale · pushes · inputs.

    Parameters
    ----------
    weights : ndarray, shape (K, n)
    shrink, scale : float
    pushes : ndarray, shape (K, BLOCK)
    inputs : ndarray, shape (BLOCK, n or more)
        Products of pushes and inputs are added up in their precision.
    """
    for k in range(weights.shape[0]):
        row, push = weights[k], pushes[k]
        for c in range(row.size):
            total = inputs.dtype.type(0)
            for i in range(BLOCK):
                total += push[i] * inputs[i, c]
            row[c] = shrink * row[c] + scale * total


@kernel
def _twelve_products(
    a: Numbers, b: Numbers, c: Numbers, d: Numbers, e: Numbers, f: Numbers, p: Numbers, q: Numbers
) -> tuple[Any, Any]:
    """Return the scalar products of a ... f with p and with q, in one pass over all eight."""
    ap = bp = cp = dp = ep = fp = aq = bq = cq = dq = eq = fq = a.dtype.type(0)
    for i in range(a.size):
        x, y = p[i], q[i]
        u, v, w = a[i], b[i], c[i]
        ap += u * x
        bp += v * x
        cp += w * x
        aq += u * y
        bq += v * y
        cq += w * y
        u, v, w = d[i], e[i], f[i]
        dp += u * x
        ep += v * x
        fp += w * x
        dq += u * y
        eq += v * y
        fq += w * y
    return (ap, bp, cp, dp, ep, fp), (aq, bq, cq, dq, eq, fq)


@kernel
def _eight_products(a: Numbers, b: Numbers, p: Numbers, q: Numbers, r: Numbers, s: Numbers) -> tuple[Any, Any]:
    """Return the scalar products of a and of b with p, q, r and s, in one pass over all six."""
    ap = aq = ar = a_s = bp = bq = br = bs = a.dtype.type(0)
    for i in range(a.size):
        u, v, x, y, z, w = a[i], b[i], p[i], q[i], r[i], s[i]
        ap += u * x
        aq += u * y
        ar += u * z
        a_s += u * w
        bp += v * x
        bq += v * y
        br += v * z
        bs += v * w
    return (ap, aq, ar, a_s), (bp, bq, br, bs)


@kernel
def _four_products(
    a: Numbers, b: Numbers, c: Numbers, d: Numbers, e: Numbers, f: Numbers, g: Numbers, h: Numbers
) -> tuple[Any, Any, Any, Any]:
    """Return the scalar products a·b, c·d, e·f and g·h, in one pass over all eight."""
    ab = cd = ef = gh = a.dtype.type(0)
    for i in range(a.size):
        ab += a[i] * b[i]
        cd += c[i] * d[i]
        ef += e[i] * f[i]
        gh += g[i] * h[i]
    return ab, cd, ef, gh


@kernel
def add_products(left: Numbers, right: Numbers, out: Matrix) -> None:
    """Add the scalar products of the left rows, an even number, with the right ones, a multiple of four.

    Six left rows at a time, so that inputs are seldom converted to the weights' precision, and the last ones in pairs.
    """
    sixes = left.shape[0] // 6 * 6
    for i in range(0, sixes, 6):
        a, b, c, d, e, f = left[i], left[i + 1], left[i + 2], left[i + 3], left[i + 4], left[i + 5]
        for j in range(0, right.shape[0], 2):
            one, two = _twelve_products(a, b, c, d, e, f, right[j], right[j + 1])
            for k in range(6):
                out[i + k, j] += one[k]
                out[i + k, j + 1] += two[k]
    for i in range(sixes, left.shape[0], 2):
        for j in range(0, right.shape[0], 4):
            one, two = _eight_products(left[i], left[i + 1], right[j], right[j + 1], right[j + 2], right[j + 3])
            for k in range(4):
                out[i, j + k] += one[k]
                out[i + 1, j + k] += two[k]


@inlined_kernel
def add_gram(inputs: Numbers, gram: Matrix) -> None:
    """Add the scalar products x_i·x_j of the eight inputs of a block for all i < j: 28 in four passes."""
    for a, b, p, q, r, s in ((0, 1, 2, 3, 4, 5), (6, 7, 0, 1, 2, 3), (4, 5, 2, 3, 6, 7)):
        one, two = _eight_products(inputs[a], inputs[b], inputs[p], inputs[q], inputs[r], inputs[s])
        for k, c in enumerate((p, q, r, s)):
            gram[min(a, c), max(a, c)] += one[k]
            gram[min(b, c), max(b, c)] += two[k]
    x = inputs
    first, second, third, fourth = _four_products(x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7])
    gram[0, 1] += first
    gram[2, 3] += second
    gram[4, 5] += third
    gram[6, 7] += fourth
