"""What choosing the penalty costs: an estimated curve's least is low by chance, its penalty not quite the best one.

By how much, follows from the standard error of the curve's slope, which the rows' influences tell.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

STILL = 1e-9
"""Least step of S, over all of it, by which places are told apart."""


class Slopes(NamedTuple):
    """What is not known of the slopes of ln E∞ along the path, summed up from its lower end; J values κ, q targets."""

    log_kappa: Array
    """Shape (J,)."""
    wander: Array
    """The sum of the standard errors of the changes of ln E∞, shape (J, q)."""
    training: Array
    """The sum of minus the covariances with the changes of ln of the students' own error, over these, shape (J, q)."""

    @classmethod
    def along(cls, log_kappa: Array, log_penalties: Array, steps: Array, covariance: Array) -> "Slopes":
        """Return them from the steps' standard errors, shape (J - 1, q), and the slopes' covariance, shape (J, q)."""
        between = -0.5 * (covariance[1:] + covariance[:-1]) * np.diff(log_penalties)[:, None] ** 2
        moved = steps > 0
        training = np.where(moved, between / np.where(moved, steps, 1.0), 0.0)
        first = np.zeros_like(steps[:1])
        return cls(log_kappa, *(np.vstack([first, np.cumsum(part, axis=0)]) for part in (steps, training)))

    def at(self, log_kappa: Array, target: int) -> tuple[Array, Array]:
        """Return both sums at other κ; beyond the ends they stay."""
        wander, training = (np.interp(log_kappa, self.log_kappa, part[:, target]) for part in self[1:])
        return wander, training


class Choice(NamedTuple):
    """A penalty that was chosen as the best."""

    place: int
    """Where on the curve."""
    optimism: float
    """By how much ln of the curve is too low there, in the mean."""
    lower: int
    upper: int
    """Where the curve's slope is one standard error away from zero, or the ends."""


def choose(curve: Array, wander: Array, training: Array) -> Choice:
    r"""Return the least of an estimated curve, and how far it is too low for having been chosen.

    With the steps :math:`\Delta S` of ``wander`` and :math:`\Delta T` of ``training``, the slopes z of the greatest
    convex minorant of :math:`\ln E` as a function of S, and the normal density φ,

    .. math:: \text{optimism} = \sum (\Delta S + \Delta T)\, \varphi(z) .

    Parameters
    ----------
    curve : ndarray, shape (k,)
        The estimated error along κ, positive; infinite where there is none.
    wander, training : ndarray, shape (k,)
        From :meth:`Slopes.at`, the latter times the share of the known rows that the students are trained on.

    Returns
    -------
    Choice

    Notes
    -----
    In the normal approximation, errors of the slope at different κ being the same number of standard errors; zero where
    the least is at the upper end, at which nothing is learnt.  The minorant's slopes are the isotonic regression of the
    curve's.

    References
    ----------
    theory/learning_curve.md, eqs. 36, 37 and 40.
    """
    from scipy.optimize import isotonic_regression

    place = int(np.argmin(curve))
    known = np.flatnonzero(np.isfinite(curve) & (curve > 0.0))
    steps, own = np.diff(wander[known]), np.diff(training[known])
    change = np.diff(np.log(curve[known]))
    total = float(steps.sum())
    if not total > 0.0:
        return Choice(place, 0.0, place, place)
    weights = np.maximum(steps, STILL * total)
    score = isotonic_regression(change / weights, weights=weights).x
    optimism = float((steps + own) @ np.exp(-0.5 * score**2)) / np.sqrt(2.0 * np.pi)
    if place == curve.size - 1:  # nothing is learnt, and the target's variance is no matter of luck
        optimism = 0.0
    lower, upper = known[np.searchsorted(score, -1.0)], known[np.searchsorted(score, 1.0, side="right")]
    return Choice(place, optimism, min(int(lower), place), max(int(upper), place))


class Steps:
    """How what each row adds to the sum of squared residuals changes from penalty to penalty, over blocks of rows.

    Parameters
    ----------
    log_penalties : ndarray, shape (J,)
        Evenly spaced.
    targets : int
        q.
    """

    def __init__(self, log_penalties: Array, targets: int) -> None:
        self.spacing = float(log_penalties[1] - log_penalties[0])
        self.total, self.first, self.second = np.zeros((3, log_penalties.size, targets))
        self.neighbours = np.zeros((log_penalties.size - 1, targets))

    def add(self, residual: Array, error: Array, target: int) -> None:
        """Take in the residuals and the left-out errors of some rows, shape (rows, J) (eq. 38)."""
        least = residual * error
        added = least - np.gradient(least, self.spacing, axis=1)
        self.total[:, target] += least.sum(axis=0)
        self.first[:, target] += added.sum(axis=0)
        self.second[:, target] += (added**2).sum(axis=0)
        self.neighbours[:, target] += (added[:, 1:] * added[:, :-1]).sum(axis=0)

    def errors(self, rows: int, s: Array, free: int, penalties: Array) -> Array:
        """Return the standard errors of the steps of ln E∞ from penalty to penalty, shape (J - 1, q)."""
        level = np.where(self.total > 0, self.total, 1.0) / rows
        mean, square = self.first / rows / level, self.second / rows / level**2
        both = self.neighbours / rows / (level[1:] * level[:-1])
        variance = square[1:] + square[:-1] - 2.0 * both - (mean[1:] - mean[:-1]) ** 2
        lost = np.maximum(_noise_alone(s, free, np.sqrt(penalties[1:] * penalties[:-1]))[1], 1.0)
        return np.asarray(np.sqrt(np.maximum(variance, 0.0) * lost[:, None] / rows))


def without_pairs(steps: Array, loo: Array, s: Array, free: int, penalties: Array) -> Array:
    """Return the steps' standard errors less what pairs of rows are counted twice where noise is fitted loosely.

    Parameters
    ----------
    steps : ndarray, shape (J - 1, q)
        From :meth:`Steps.errors`.
    loo : ndarray, shape (J, q)
        Left-out errors, of which the noise is the least at most.
    s, free, penalties
        Eigenvalues, shape (r,), ν, and the penalties, shape (J,).

    Returns
    -------
    ndarray, shape (J - 1, q)

    References
    ----------
    theory/learning_curve.md, eq. 39a.
    """
    slope, ratio = _noise_alone(s, free, np.sqrt(penalties[1:] * penalties[:-1]))
    variance = slope * np.log(penalties[1] / penalties[0]) ** 2
    twice = variance * np.maximum(1.0 / np.maximum(ratio, 1e-3) - 1.0, 0.0)
    level = np.sqrt(loo[1:] * loo[:-1])
    noise = loo.min(axis=0) / np.where(level > 0, level, 1.0)
    return np.asarray(np.sqrt(np.maximum(steps**2 - twice[:, None] * noise**2, 0.0)))


def _noise_alone(s: Array, free: int, penalties: Array) -> tuple[Array, Array]:
    """Return the slope's variance for Gaussian noise and leverages that are alike, and over that of independent rows.

    Both of shape (J,) (eq. 39).
    """
    t = np.vstack([penalties / (s[:, None] + penalties), np.ones_like(penalties)])
    count = np.append(np.ones(s.size), free - s.size)

    def trace(one: Array, other: Array) -> Array:
        return np.asarray(count @ (one * other))

    d, f = count @ t, trace(t, t)
    rise = t * (1.0 - t)  # of t along ln a
    rate = 2.0 * trace(t, rise) / f
    added = t * (2.0 * t - f / d)
    bent = rise * (4.0 * t - f / d) + t * f / d * (1.0 - f / d - rate) - rate * added
    slope = t * (2.0 * rise - t * rate)
    independent = (
        trace(rise, rise) * trace(added, added)
        + trace(rise, added) ** 2
        + trace(t, t) * trace(bent, bent)
        + trace(t, bent) ** 2
        + 2.0 * (trace(rise, t) * trace(added, bent) + trace(rise, bent) * trace(added, t))
    )
    variance = 2.0 * trace(slope, slope) / f**2
    return variance, np.asarray(variance * free * f**2 / np.where(independent > 0, independent, 1.0))


def covariance_with_students(t: Array, c: Array, residual: Array, loo: Array, rows: int) -> Array:
    """Return the covariance of the slopes, over ln a, of ln E∞ and of ln of the error of students of these rows.

    Parameters
    ----------
    t : ndarray, shape (r, J)
        a/(s + a).
    c : ndarray, shape (r, q)
        The targets along the directions of the rows, Uᵀ y.
    residual, loo : ndarray, shape (J, q)
        Sum of squared residuals, and mean square left-out error.
    rows : int
        n.

    Returns
    -------
    ndarray, shape (J, q)

    References
    ----------
    theory/learning_curve.md, eq. 41.
    """
    square, safe = c**2, np.where(residual > 0, residual, 1.0)

    def total(weight: Array) -> Array:
        return np.asarray((weight * (1.0 - 2.0 * t)).T @ square + (weight * t).sum(axis=0)[:, None] * loo)

    rate = 2.0 * (t**2 * (1.0 - t)).T @ square / safe
    weight = t**3 * (1.0 - t)
    return -4.0 * (2.0 * total(weight * (1.0 - t)) - rate * total(weight)) / safe / rows
