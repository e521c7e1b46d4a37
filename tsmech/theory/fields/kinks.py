"""Where a function given as Python code jumps, or its slope or curvature does: by bisection of what does not shrink."""

import numpy as np
from numpy.typing import NDArray

from tsmech.kernels.activations import Function

FloatArray = NDArray[np.float64]

_GRID = np.sinh(np.linspace(-9.9, 9.9, 7921) + 1e-4)
"""Cells of 0.0025 near zero that grow in proportion to the argument, up to 1e4; none begins at a round number."""

_NEAR = 10.0
_STEP = 1e-5


def values(function: Function, x: FloatArray) -> FloatArray:
    """Return a function's values, a constant as often as there are arguments."""
    return np.asarray(np.broadcast_to(np.asarray(function(x), dtype=np.float64), x.shape))


def jumps(function: Function, halvings: int = 48, least: float = 1e-7) -> tuple[FloatArray, FloatArray]:
    """Return where a function jumps, and by how much.

    Each cell of a grid is halved again and again, towards the larger change: a smooth function's change shrinks with
    the cell, a jump stays.  Changes below ``least`` times the function's size near zero are not counted, and two jumps
    within one cell of the grid are not told apart.
    """
    with np.errstate(all="ignore"):
        left, right = _GRID[:-1], _GRID[1:]
        low, high = values(function, left), values(function, right)
        near = low[np.isfinite(low) & (np.abs(left) < _NEAR)]
        size = np.abs(near).max(initial=1e-300)
        first = np.abs(high - low)
        for _ in range(halvings):
            middle = 0.5 * (left + right)
            at = values(function, middle)
            upper = np.abs(high - at) > np.abs(at - low)
            left, low = np.where(upper, middle, left), np.where(upper, at, low)
            right, high = np.where(upper, right, middle), np.where(upper, high, at)
        change = np.where(np.isfinite(high - low), high - low, 0.0)
    found = np.abs(change) > np.maximum(0.05 * first, least * size)
    at = 0.5 * (left + right)[found]
    return np.where(np.abs(at) < right[found] - left[found] + 1e-12, 0.0, at), change[found]


def kinks(g: Function, slope: Function) -> FloatArray:
    """Return where g or its slope jumps, or near zero its curvature, increasing."""

    def curvature(x: FloatArray) -> FloatArray:
        return (values(slope, x + _STEP) - values(slope, x - _STEP)) / (2.0 * _STEP)

    first = np.concatenate([jumps(g)[0], jumps(slope)[0]])
    # the difference spreads a jump over two of its steps: cells of that size, away from the jumps that are known
    second = jumps(curvature, 7, 0.01)[0]
    second = second[np.abs(second) < _NEAR]
    apart = np.abs(second[:, None] - first).min(axis=1, initial=np.inf) > 1e-3 * (1.0 + np.abs(second))
    found = np.sort(np.concatenate([first, second[apart]]))
    return np.asarray(found[np.diff(found, prepend=-np.inf) > 1e-9 * (1.0 + np.abs(found))])
