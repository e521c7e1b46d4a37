"""How much each known row decides: the infinitesimal jackknife of leave-one-out errors.

A row that pulls the fit to itself has a small residual and a large error when it is left out, so its influence is that
on the leave-one-out errors, not that on the residuals.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Influences:
    """The derivative of the sum of squared leave-one-out errors by the weight of each row, in two passes over the rows.

    Parameters
    ----------
    t : ndarray, shape (r, J)
        a/(s + a) of the eigenvalues at some penalties.
    rows, free : int
        n and ν.
    targets : int
        q.
    """

    def __init__(self, t: Array, rows: int, free: int, targets: int) -> None:
        self.t, self.rows, self.free = t, rows, free
        directions, penalties = t.shape
        self.pulled = np.zeros((targets, directions, penalties))  # Uᵀ v, v = e/(1 - h)
        self.level = np.zeros((targets, penalties))
        self.heavy, self.pairs = np.zeros((targets, penalties)), np.zeros((targets, penalties))
        self.sums = np.zeros((3, penalties, targets))  # of φ, φ², φ y²

    def _paired(self, square: Array, share: Array) -> Array:
        """Return by row the sum over all others of H², not as a difference of large numbers."""
        found = square @ self.t**2 - share**2
        if self.t.shape[0] < self.free:
            found += (self.free / self.rows - square.sum(axis=1))[:, None]
        return np.maximum(found, 0.0)

    def add(self, u: Array, error: Array, share: Array, target: int) -> None:
        """Take in the left-out errors e of some rows, and 1 - h, shape (rows, J): the first pass."""
        v = error / share
        paired = self._paired(u * u, share)
        self.pulled[target] += u.T @ v
        self.level[target] += v.sum(axis=0)
        self.heavy[target] += (paired * error * v).sum(axis=0)
        self.pairs[target] += paired.sum(axis=0)

    def spread(self, u: Array, error: Array, share: Array, y: Array, target: int) -> None:
        """Take in the same rows again, and their targets: the second pass (eq. 5)."""
        if self.t.shape[0] < self.free:
            constant = self.level[target] / self.rows if self.free < self.rows else 0.0
            kept = error / share - constant - u @ ((1.0 - self.t) * self.pulled[target])
        else:
            kept = u @ (self.t * self.pulled[target])
        others = self.heavy[target] / np.maximum(self.pairs[target], np.finfo(float).tiny)
        phi = error**2 - 2.0 * error * share * (error - kept) - 2.0 * self._paired(u * u, share) * others
        self.sums[:, :, target] += phi.sum(axis=0), (phi**2).sum(axis=0), y**2 @ phi

    def variances(self, loo: Array, variance: Array) -> tuple[Array, Array]:
        """Return the variance of φ, and its covariance with y², over the means of e² and y², shape (J, q)."""
        first, second, common = self.sums / self.rows
        safe = np.where(loo > 0, loo, 1.0)
        return np.maximum(second - first**2, 0.0) / safe**2, (common - first * variance) / safe / variance
