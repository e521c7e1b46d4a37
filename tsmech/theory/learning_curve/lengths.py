"""Rows of unequal length: x = √τ Σ^½ z with a random factor τ common to all directions, E τ = 1.

Long rows are worth less than their share, so a set of rows learns less than one of equal length.  What that changes
depends on the law of τ and on x = df1/μ alone: four factors, all trivial where τ = 1.
"""

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

CLASSES, NARROW = 200, 0.02
"""Most classes of rows by which the law of τ is kept, and their least width in ln τ."""
MOST_USED = 0.5
"""Share of the rows' freedom that their inputs may use up: with more, leverages are alike whatever the lengths are."""
GRID = 400
"""Values of x at which the factors are tabulated, evenly in ln x/(1 - x)."""


class Factors(NamedTuple):
    """What unequal lengths change at some x = df1/μ; h = τδ/(1 + τδ), E h = x (eqs. 27-30)."""

    penalty: Array
    """ρ = δ (1 - x)/x: the penalty that leads to an effective penalty κ is κ (μ - df1)/ρ."""
    error: Array
    """ξ = E h²/x²: errors in the student are multiplied by 1/(1 - ξ df2/μ)."""
    noise: Array
    """ψ = δ E h(1 - h)/x²: noise that is alike in all rows makes errors in the student as ψ df2/μ."""
    slope: Array
    """χ = δ E (τ - 1) h(1 - h)/x²: so does what of the noise grows in proportion to τ - 1."""
    left: Array
    """E (1 - h)²: what is left of squared errors in residuals."""
    left_slope: Array
    """E (τ - 1)(1 - h)²."""


class Lengths(NamedTuple):
    """The law of τ by classes of rows: what each class has in the mean, and its share of the rows, shape (K,)."""

    tau: Array
    share: Array
    logit: Array
    """ln x/(1 - x), shape (GRID,); empty where all rows are alike."""
    table: Array
    """The six factors there, those of what is left over (1 - x)², shape (6, GRID)."""

    @property
    def variance(self) -> float:
        """The variance of τ, whose mean is 1."""
        return float(self.share @ (self.tau - 1.0) ** 2)

    @classmethod
    def equal(cls) -> Self:
        """Return the law of rows that are alike."""
        return cls(np.ones(1), np.ones(1), np.empty(0), np.empty((6, 0)))

    @classmethod
    def classed(cls, tau: Array) -> Self:
        """Return the law of given τ, shape (n,), of mean one."""
        if np.ptp(tau) == 0.0:
            return cls.equal()
        tau, share = _classes(tau)
        logit = np.linspace(-16.0, 16.0, GRID)
        grid = 1.0 / (1.0 + np.exp(-logit))
        delta = _scale(tau, share, grid)
        td = tau[:, None] * delta
        h, left = td / (1.0 + td), 1.0 / (1.0 + td)
        away = share * (tau - 1.0)
        table = np.stack(
            [
                delta * np.exp(-logit),
                (share @ h**2) / grid**2,
                delta * (share @ (h * left)) / grid**2,
                delta * (away @ (h * left)) / grid**2,
                (share @ left**2) / (1.0 - grid) ** 2,
                (away @ left**2) / (1.0 - grid) ** 2,
            ]
        )
        return cls(tau, share, logit, table)

    def factors(self, x: Array) -> Factors:
        """Return the factors at x = df1/μ, where x ≥ 1 those of x → 1.

        References
        ----------
        theory/learning_curve.md, eqs. 27-30.
        """
        if self.tau.size == 1:
            one, zero = np.ones_like(x), np.zeros_like(x)
            return Factors(one, one, one, zero, (1.0 - np.minimum(x, 1.0)) ** 2, zero)
        inside = np.clip(x, 1e-7, 1.0 - 1e-7)
        at = np.log(inside) - np.log1p(-inside)
        penalty, error, noise, slope, left, left_slope = (np.interp(at, self.logit, part) for part in self.table)
        square = (1.0 - np.minimum(x, 1.0)) ** 2
        return Factors(penalty, error, noise, slope, left * square, left_slope * square)


class Pairs:
    """What the rows' components along different directions have in common, accumulated over blocks of rows.

    Parameters
    ----------
    directions, rows, free : int
        r, n and ν.
    most : int
        Most directions between which pairs are formed; with more of them some are taken, evenly.
    """

    def __init__(self, directions: int, rows: int, free: int, most: int = 600) -> None:
        self.directions, self.rows, self.free = directions, rows, free
        self.taken = np.unique(np.linspace(0, directions - 1, min(directions, most)).astype(np.intp))
        self.products = np.zeros((self.taken.size, self.taken.size))
        self.sums = np.zeros(self.taken.size)
        self.size, self.leverage = np.zeros(rows), np.zeros(rows)

    def add(self, place: slice, square: Array) -> None:
        """Take in the squared components U² of some rows, shape (rows, r)."""
        part = np.sqrt(square if self.taken.size == square.shape[1] else square[:, self.taken])
        self.products += part.T @ part
        self.sums += part.sum(axis=0)
        self.size[place] = part.sum(axis=1)
        self.leverage[place] = square.sum(axis=1)

    def common(self) -> float:
        """Return the variance of the roots of leverages, over their squared mean, that all directions have in common.

        The relative covariance of the sizes abs(U) of components, over all pairs of directions, at least 0 (eq. 31): a
        factor of the whole row is in all pairs, what belongs to single directions is not.
        """
        if self.taken.size == 1:
            return 0.0
        together = self.products.sum() - np.trace(self.products)
        return max(float(self.rows * together / (self.sums.sum() ** 2 - (self.sums**2).sum())) - 1.0, 0.0)

    def lengths(self) -> Array:
        """Return τ of each row, shape (n,), of mean one (eqs. 31, 32)."""
        from scipy.optimize import brentq

        mean, wanted = self.directions / self.free, self.common()
        if wanted == 0.0 or mean > MOST_USED:
            return np.ones(self.rows)
        most = self.free / self.rows
        spread = self.size**2
        leverage = np.minimum(spread * (mean * most / spread.mean()), self.leverage)
        quotient = leverage / np.maximum(most - leverage, np.finfo(float).tiny)
        middle = float(np.median(quotient))
        if not middle > 0.0:
            return np.ones(self.rows)
        widest = np.sqrt(self.rows)  # the largest of n draws from a law with a variance is less
        logarithm = np.log(np.clip(quotient, middle / widest, middle * widest))
        logarithm -= logarithm.max()

        def shrunk(power: float) -> Array:
            tau = np.exp(power * logarithm)
            return np.asarray(tau / tau.mean())

        def excess(power: float) -> float:
            tau, share = _classes(shrunk(power))
            td = tau * _scale(tau, share, np.array([mean]))
            return mean / float(share @ np.sqrt(td / (1.0 + td))) ** 2 - 1.0 - wanted

        if excess(1.0) <= 0.0:
            return shrunk(1.0)
        return shrunk(brentq(excess, 0.0, 1.0, xtol=1e-6))


def _classes(tau: Array) -> tuple[Array, Array]:
    """Return the mean τ and the share of the rows in classes that are narrow in ln τ."""
    logarithm = np.log(tau)
    width = max(NARROW, float(np.ptp(logarithm)) / CLASSES)
    place = ((logarithm - logarithm.min()) / width).astype(np.intp)
    count, total = np.bincount(place), np.bincount(place, tau)
    kept = count > 0
    return total[kept] / count[kept], count[kept] / tau.size


def _scale(tau: Array, share: Array, x: Array) -> Array:
    """Return δ with E τδ/(1 + τδ) = x, 0 < x < 1, by Newton's method in the logarithm."""
    log_delta = np.log(x) - np.log1p(-x)
    for _ in range(100):
        td = tau[:, None] * np.exp(log_delta)
        h, left = td / (1.0 + td), 1.0 / (1.0 + td)
        # both sides as h/(1 - h), in which the function is nearly linear: no step goes astray
        reached, rest = share @ h, share @ left
        step = (np.log(reached / rest) - np.log(x) + np.log1p(-x)) * reached * rest / (share @ (h * left))
        log_delta = log_delta - np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-13:
            break
    return np.asarray(np.exp(log_delta))
