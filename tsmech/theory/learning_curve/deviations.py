"""In how many rows a column really varies: others may have a deviation that says nothing of these."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Rows = NDArray[np.intp]

FAR = 10.0
"""How many times as far out as all that a training set has seen a row may lie."""
ENOUGH = 20_000
"""Rows that tell how a column varies."""
BLOCK = 1 << 21
"""Numbers in a block of columns."""


def carried(inputs: Array, rows: Rows) -> Array:
    """Return by column the share of the rows that lie more than a tenth as far out as the farthest one.

    Distances are those from the column's median.  A set of rows without any of them has a deviation of less than a
    tenth of what the farthest row is away; if all others lie *at* the median, it has none, and the column is not used.

    Parameters
    ----------
    inputs : ndarray, shape (N, p)
    rows : ndarray of int, shape (n,)
        Of more than 20 000 every so manieth is taken.

    Returns
    -------
    ndarray, shape (p,)
        1 where no row lies between the median and a tenth of the farthest distance.

    References
    ----------
    theory/learning_curve.md, section 8.
    """
    rows = rows[:: max(1, rows.size // ENOUGH)]
    found = np.ones(inputs.shape[1])
    step = max(1, BLOCK // rows.size)
    for first in range(0, found.size, step):
        place = slice(first, first + step)
        away = inputs[rows, place]
        away = np.abs(away - np.median(away, axis=0))
        near = away <= away.max(axis=0) / FAR
        varies = (near & (away > 0.0)).any(axis=0)
        found[place] = np.where(varies, 1.0 - near.mean(axis=0), 1.0)
    return found
