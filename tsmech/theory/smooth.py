"""Smooth functions at many places, computed at fewer."""

import functools
import itertools
from collections.abc import Callable

import numpy as np
from numpy.polynomial.chebyshev import chebpts1, chebvander
from numpy.typing import NDArray

Array = NDArray[np.float64]

NODES = 26
"""Nodes of a panel."""
PANELS = 4
"""Panels at first."""
ACCURACY = 1e-9
"""Size of a panel's last coefficients, as a share of its least value, at which it is not halved."""
NEGLIGIBLE = 1e-20
"""Share of the largest value below which accuracy is not relative any more."""


def interpolated(places: Array, function: Callable[[Array], Array]) -> Array:
    """Return a function at increasing places, by Chebyshev polynomials on panels that are halved until these settle.

    Parameters
    ----------
    places : ndarray, shape (T,)
    function : callable
        From n places to values of shape (n, columns), smooth in each column.

    Returns
    -------
    ndarray, shape (T, columns)

    Notes
    -----
    On panels of fewer than two places for each node it is the function itself, so that this never costs more than
    about twice the function at all places.
    """
    nodes, transform = _panel()
    ends = np.linspace(0, places.size, PANELS + 1).astype(int).tolist()
    pending, settled = [slice(*pair) for pair in itertools.pairwise(ends)], []
    within, found = np.zeros(places.size), np.empty((places.size, 0))
    while pending:
        wide = [one for one in pending if one.stop - one.start > 2 * NODES]
        narrow = [one for one in pending if one.stop - one.start <= 2 * NODES]
        low, high = (places[[one.start for one in wide]], places[[one.stop - 1 for one in wide]])
        middle, half = (high + low) / 2.0, (high - low) / 2.0
        at = middle[:, None] + half[:, None] * nodes
        values = function(np.concatenate([at.ravel(), *(places[one] for one in narrow)]))
        if not found.size:
            found, least = np.empty((places.size, values.shape[1])), NEGLIGIBLE * abs(values).max(axis=0)
        rest = values[at.size :]
        for one in narrow:
            found[one], rest = rest[: one.stop - one.start], rest[one.stop - one.start :]
        values = values[: at.size].reshape(len(wide), NODES, found.shape[1])
        series = transform @ values
        enough = abs(series[:, -2:]).max(axis=1) <= ACCURACY * np.maximum(abs(values).min(axis=1), least)
        pending = []
        for one, centre, reach, coefficients, good in zip(wide, middle, half, series, enough.all(axis=1), strict=True):
            if good:
                within[one] = (places[one] - centre) / reach
                settled.append((one, coefficients))
            else:
                cut = (one.start + one.stop) // 2
                pending += [slice(one.start, cut), slice(cut, one.stop)]
    powers = chebvander(within, NODES - 1)
    for one, coefficients in settled:
        found[one] = powers[one] @ coefficients
    return found


@functools.cache
def _panel() -> tuple[Array, Array]:
    """Return the nodes between -1 and 1, and the matrix that makes coefficients of values there."""
    nodes = np.asarray(chebpts1(NODES), dtype=float)
    transform = np.asarray(2.0 / NODES * chebvander(nodes, NODES - 1).T, dtype=float)
    transform[0] /= 2.0
    return nodes, transform
