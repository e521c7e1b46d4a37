"""The length of a sum of functions of a bidiagonal matrix on vectors, by its resolvent at the nodes of a contour.

No eigenvector is needed, and no eigenvalue but the two extreme ones: the cost is that of some six hundred tridiagonal
factorisations, of which nothing is stored.  Equation numbers are those of theory/gradient_flow.md.

Parts that are put in place in a kernel have no annotations: Numba infers their types, tuples of arrays among them.
"""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsmech.kernels.jit import inlined_kernel, kernel, strict_kernel
from tsmech.kernels.steps import Numbers

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]

STEP, TAIL = 0.16, 32.0
"""Step along the contour, error exp(-π²/2 STEP) = 4e-14; how far it goes beyond the last scale, exp(-TAIL) = 1e-14."""

ASIDE = 1e-4
"""Relative distance of the contour's ends from the extreme eigenvalues, within a factor of two."""

ABREAST = 64
"""Nodes in one block of the recurrence: their state fits into the first-level cache."""


class Forms(NamedTuple):
    """Nodes l of a contour, shape (K,), and the weighted forms of the resolvent there, one row a pair of vectors."""

    nodes: Complex
    weighted: Complex

    def square(self, functions: Sequence[Numbers]) -> Array:
        """Return ``|Σ f(SᵀS) x|²``, shape (T,), of functions f at the nodes, shape (T, K) each, one an x (eq. 39)."""
        pairs = itertools.combinations_with_replacement(functions, 2)
        total: Array = sum(((f * g) @ row).imag for (f, g), row in zip(pairs, self.weighted, strict=True))
        return np.maximum(total, 0.0)


def forms(diagonal: Array, beside: Array, vectors: Array) -> Forms:
    """Return the forms from which all functions of SᵀS on some vectors follow, S upper bidiagonal (eqs. 39, 40).

    Parameters
    ----------
    diagonal, beside : ndarray, shape (m,) and (m - 1,)
        Entries of S, none of them zero.
    vectors : ndarray, shape (n, m)
        The vectors x.

    Notes
    -----
    Functions must be analytic, and no larger than at l₋, in the disk whose diameter is [l₋, l₊], the ends of the
    spectrum.  O(n² m log(l₊/l₋)).
    """
    q, e = diagonal**2, beside**2
    low, high = _ends(q, e)
    low, high = low * (1 - ASIDE), high * (1 + ASIDE)
    start = -TAIL - math.log((high - low) / (ASIDE * low))
    end = TAIL + math.log((high - low) / (ASIDE * high))
    u = np.arange(start, end + STEP, STEP) + 0.25j * np.pi
    p, rest = 1 / (1 + np.exp(-u)), 1 / (1 + np.exp(u))
    nodes = low * rest + high * p
    count = len(vectors)
    found = np.zeros((2, count * (count + 1) // 2, u.size))
    _resolve(q, e, diagonal[: e.size] * beside, np.ascontiguousarray(vectors.T), nodes.real.copy(), nodes.imag.copy(),
             found)  # fmt: skip
    twice = np.array([1.0 + (i != j) for i, j in itertools.combinations_with_replacement(range(count), 2)])
    weights = STEP / np.pi * (high - low) * p * rest
    return Forms(nodes, twice[:, None] * weights * (found[0] + 1j * found[1]))


def _ends(q: Array, e: Array) -> tuple[float, float]:
    """Return a number just below all eigenvalues and one just above, within a relative distance of ASIDE."""
    sums = q + np.append(0.0, e)  # the diagonal, whose extremes lie between those of the spectrum
    roots = np.sqrt(q[: e.size] * e)
    above = float((sums + np.append(roots, 0.0) + np.append(0.0, roots)).max()) * (1 + ASIDE)  # Gershgorin
    high, low = float(sums.max()), float(sums.min())
    below = low
    while _count_below(q, e, below) > 0:
        low, below = below, below / 100
    while below < low * (1 - ASIDE):
        middle = math.sqrt(below * low)
        below, low = (middle, low) if _count_below(q, e, middle) == 0 else (below, middle)
    while high < above * (1 - ASIDE):
        middle = (high + above) / 2
        high, above = (high, middle) if _count_below(q, e, middle) == q.size else (middle, above)
    return below, above


@strict_kernel
def _count_below(q: Array, e: Array, at: float) -> int:
    """Return how many eigenvalues are below a number: as many as there are negative pivots (eq. 40, Sylvester)."""
    count, shifted = 0, -at
    for k in range(q.size):
        pivot = q[k] + shifted
        if pivot == 0.0:
            pivot = 1e-300
        if pivot < 0.0:
            count += 1
        if k < e.size:
            shifted = e[k] * (shifted / pivot) - at
    return count


@kernel
def _resolve(q, e, coupling, vectors, node_re, node_im, found):  # type: ignore[no-untyped-def]
    """Fill xᵀ (SᵀS - l)⁻¹ y for all pairs of the vectors, shape (m, n), from the pivots on the way down (eq. 40).

    Real and imaginary parts are apart, and nodes abreast, so that each line of arithmetic is a vector instruction.
    """
    m, n = vectors.shape
    for first in range(0, node_re.size, ABREAST):
        last = min(first + ABREAST, node_re.size)
        l_re, l_im = node_re[first:last].copy(), node_im[first:last].copy()
        s_re, s_im = -l_re, -l_im
        inverse_re, inverse_im = np.zeros_like(l_re), np.zeros_like(l_re)
        y_re, y_im = np.zeros((n, l_re.size)), np.zeros((n, l_re.size))
        sum_re, sum_im = np.zeros((n * (n + 1) // 2, l_re.size)), np.zeros((n * (n + 1) // 2, l_re.size))
        for k in range(m):
            above = coupling[k - 1] if k > 0 else 0.0
            for i in range(n):
                _eliminate(y_re[i], y_im[i], inverse_re, inverse_im, above, vectors[k, i])
            _pivot(s_re, s_im, inverse_re, inverse_im, l_re, l_im, q[k], e[k] if k < m - 1 else 0.0)
            row = 0
            for i in range(n):
                for j in range(i, n):
                    _add(sum_re[row], sum_im[row], y_re[i], y_im[i], y_re[j], y_im[j], inverse_re, inverse_im)
                    row += 1
        for row in range(sum_re.shape[0]):  # assignments of arrays take seconds to compile, with their words of error
            for j in range(last - first):
                found[0, row, first + j], found[1, row, first + j] = sum_re[row, j], sum_im[row, j]


@inlined_kernel
def _eliminate(y_re, y_im, inverse_re, inverse_im, above, entry):  # type: ignore[no-untyped-def]
    for j in range(y_re.size):
        re = entry - above * (inverse_re[j] * y_re[j] - inverse_im[j] * y_im[j])
        y_im[j] = -above * (inverse_re[j] * y_im[j] + inverse_im[j] * y_re[j])
        y_re[j] = re


@inlined_kernel
def _pivot(s_re, s_im, inverse_re, inverse_im, l_re, l_im, q, e):  # type: ignore[no-untyped-def]
    for j in range(s_re.size):
        re, im = q + s_re[j], s_im[j]
        size = 1 / (re * re + im * im)
        re, im = re * size, -im * size
        inverse_re[j], inverse_im[j] = re, im
        shifted = e * (s_re[j] * re - s_im[j] * im) - l_re[j]
        s_im[j] = e * (s_re[j] * im + s_im[j] * re) - l_im[j]
        s_re[j] = shifted


@inlined_kernel
def _add(sum_re, sum_im, x_re, x_im, y_re, y_im, inverse_re, inverse_im):  # type: ignore[no-untyped-def]
    for j in range(sum_re.size):
        re = x_re[j] * y_re[j] - x_im[j] * y_im[j]
        im = x_re[j] * y_im[j] + x_im[j] * y_re[j]
        sum_re[j] += re * inverse_re[j] - im * inverse_im[j]
        sum_im[j] += re * inverse_im[j] + im * inverse_re[j]
