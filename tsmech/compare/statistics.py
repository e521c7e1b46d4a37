"""Statistics of agreement: of two samples, of a sample and a number, of means and their limit."""

import itertools
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

ROUNDING = 1e-12
"""Values below this share of the point's largest observable are zero to rounding."""
ALIKE = 1e-9
"""Share of the point's largest observable by which draws without scatter may differ: rounding of many steps."""


class Extrapolation(NamedTuple):
    """The limit of a mean for N → ∞, fitted as limit + slope/N, and the standard error of that limit."""

    value: float
    error: float


def compare_samples(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return the p-value of the two-sample Kolmogorov–Smirnov test, samples of shape (n,) and (m,)."""
    from scipy.stats import ks_2samp

    return float(ks_2samp(first, second).pvalue)


def extrapolate(
    dimensions: NDArray[np.float64], means: NDArray[np.float64], errors: NDArray[np.float64]
) -> Extrapolation:
    """Return the limit for N → ∞ of means with standard errors, by weighted least squares of limit + slope/N.

    Parameters
    ----------
    dimensions, means, errors
        The dimensions N, the means at each and their standard errors, all of shape (n,), n ≥ 2.
    """
    design = np.column_stack([np.ones(len(dimensions)), dimensions.min() / dimensions])
    weighted = design / errors[:, None]
    covariance = np.linalg.inv(weighted.T @ weighted)
    limit = covariance @ (weighted.T @ (means / errors))
    return Extrapolation(float(limit[0]), math.sqrt(covariance[0, 0]))


def deviation(row: Mapping[str, Mapping[str, Any]], observable: str, scale: float = 0.0) -> float | None:
    r"""Return the largest difference between the answers at one point, in standard deviations of a normal law.

    .. math:: |z|, \qquad 2\,\Phi(-|z|) = p, \qquad t = \frac{m_1 - m_2}{\sqrt{s_1^2 + s_2^2}}

    with means m and their standard errors s, and p the two-sided p-value of t under Student's law with Welch's number
    of degrees of freedom: of few replicates the standard errors are themselves uncertain.

    Parameters
    ----------
    row
        Summary rows by answer.
    observable
        The observable that is compared.
    scale
        Its largest size along the curve: a scatter of 1e-9 of it is rounding of many steps, and none.

    Returns
    -------
    float or None
        None where nothing can be compared: fewer than two answers (those of one replicate aside), an infinite value, no
        scatter; infinity where the p-value is below the smallest number.
    """
    answers = [
        (answer[observable], answer.get(f"{observable}_sem") or 0.0, (answer.get("replicates") or 1) - 1)
        for answer in row.values()
        if observable in answer and answer.get("replicates") != 1
    ]
    if len(answers) < 2 or not all(math.isfinite(value) for value, _, _ in answers):
        return None
    floor = ALIKE * max(scale, *(abs(value) for value, _, _ in answers))
    apart = [
        _normal_equivalent(abs(value - other), (error, freedom), (other_error, other_freedom))
        for (value, error, freedom), (other, other_error, other_freedom) in itertools.combinations(answers, 2)
        if max(error * math.sqrt(freedom + 1), other_error * math.sqrt(other_freedom + 1)) > floor
    ]
    return max(apart, default=None)


def _normal_equivalent(difference: float, *errors: tuple[float, int]) -> float:
    """Return the deviation of a normal variable with the same p-value as a difference of means.

    Parameters
    ----------
    difference
        What lies between the means.
    *errors
        The standard error of each mean and its degrees of freedom: 0 of a prediction, whose standard error, if it says
        one, is taken as known.
    """
    from scipy.special import ndtri_exp
    from scipy.stats import t

    scale = math.hypot(*(error for error, _ in errors))
    inverse = sum((error / scale) ** 4 / degrees for error, degrees in errors if error > 0 and degrees > 0)
    freedom = 1.0 / inverse if inverse > 0 else math.inf
    tail = float(t.logsf(difference / scale, freedom))
    return abs(float(ndtri_exp(tail))) if math.isfinite(tail) else math.inf


def extrapolate_exact(small: NDArray[np.float64], values: NDArray[np.float64], scale: float) -> Extrapolation:
    """Return the limit of values without scatter, by polynomials through ever more of them, from the one closest to it.

    The error is the last change of that limit, or what it would be if changes fell geometrically, if that is more.
    """
    count = len(values)
    limits = [float(np.polyval(_polynomial(small[k:], values[k:]), 0.0)) for k in range(count - 1, -1, -1)]
    changes = np.abs(np.diff(limits))
    fallen = changes[-2] ** 2 / changes[-3] if len(changes) > 2 and changes[-3] > 0 else 0.0
    return Extrapolation(limits[-1], max(float(changes[-1]), float(fallen), ALIKE * scale))


def _polynomial(at: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.solve(np.vander(at / at.max()), values), dtype=float)


def same_law(first: NDArray[np.float64], second: NDArray[np.float64], scale: float) -> float:
    """Return the p-value of two samples: of those without scatter whether they are the same to rounding."""
    if max(np.ptp(first), np.ptp(second)) <= ALIKE * scale:
        return float(abs(first.mean() - second.mean()) <= ALIKE * scale)
    return compare_samples(first, second)


class Alike(NamedTuple):
    """Draws that all have one value, though they may have any between bounds."""

    value: float
    draws: int
    bounds: tuple[float, float]

    def p_value(self, mean: float) -> float:
        """Return the largest probability of such draws that any law with this mean has.

        At a value v below the mean m, values being at most b, it is that of the law on v and b alone,
        :math:`((b - m)/(b - v))^n`; (1 - m)^n of n zeros and a probability m, which is below 5 % from m = 3/n on.
        """
        least, largest = self.bounds
        far = largest if self.value < mean else least
        if not least <= mean <= largest or far == self.value:
            return float(abs(self.value - mean) <= ALIKE * (largest - least))
        return float((far - mean) / (far - self.value)) ** self.draws

    def __str__(self) -> str:
        return f"{self.draws} draws alike"


class Events(NamedTuple):
    """Draws that are at either bound: what happened in them or did not."""

    met: int
    draws: int
    bounds: tuple[float, float]

    def p_value(self, mean: float) -> float:
        """Return that of the two-sided binomial test."""
        from scipy.stats import binomtest

        least, largest = self.bounds
        if not least <= mean <= largest:
            return 0.0
        return float(binomtest(self.met, self.draws, (mean - least) / (largest - least)).pvalue)

    def __str__(self) -> str:
        return f"{self.met} of {self.draws}"
