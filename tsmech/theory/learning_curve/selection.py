"""What students pay who choose their penalty by cross-validation on their own few rows."""

import numpy as np
from numpy.typing import NDArray

from tsmech.theory.learning_curve.optimism import Slopes

Array = NDArray[np.float64]

PLACES = 240
"""Penalties among which is chosen: so many that the curve does not change from one to the next."""
NODES = 41
"""Nodes of the average over what chance says."""
NEGLIGIBLE = 1e-6
"""Least penalty over the least eigenvalue: smaller ones are alike."""


def excess(
    log_kappa: Array, curve: Array, penalties: tuple[Array, Array], s: Array, free: tuple[float, float], slopes: Slopes,
    target: int,
) -> float:  # fmt: skip
    r"""Return the mean error at penalties that training sets choose by leave-one-out errors, over the least error.

    With the scatter S of the difference of :math:`\ln E` from where it is least, that of Gaussian noise in a training
    set and what the known rows have beyond it, and with T of what choosing has in common with the students' own error,

    .. math::
        \Bigl\langle \frac{E(\hat u)}{E(u_0)}\, e^{-z\, [T(\hat u) - T(u_0)]} \Bigr\rangle_z , \qquad
        \hat u(z) = \operatorname*{argmin} \bigl[ \ln E + z S \bigr] .

    Parameters
    ----------
    log_kappa, curve : ndarray, shape (k,)
        ln κ, and the error of training sets, positive.
    penalties : tuple of ndarray, shape (k,)
        Those of the known rows and of a training set that lead to each κ.
    s : ndarray, shape (r,)
        Eigenvalues of the known rows' sums of squares and products.
    free : tuple of float
        ν of the known rows and μ of a training set.
    slopes : Slopes
        What the known rows' own errors say of the slopes.
    target : int

    Returns
    -------
    float
        At least 1.

    Notes
    -----
    Training sets of m rows are taken to have the m/n-fold eigenvalues of the known ones, the largest m - 1 of them.

    References
    ----------
    theory/learning_curve.md, eqs. 42 and 43.
    """
    least = int(np.argmin(curve))
    at = np.unique(np.append(np.linspace(0, curve.size - 1, PLACES).astype(np.intp), least))
    at = at[np.isfinite(curve[at]) & (curve[at] > 0.0)]
    logarithm, place = np.log(curve[at]), log_kappa[at]
    start = int(np.argmin(logarithm))
    known, trained = free
    share = trained / known
    scatter = _scatter(s[: int(trained)] * share, trained, penalties[1][at], start)
    wander, training = slopes.at(place, target)
    gaussian = _scatter(s, known, penalties[0][at], start)
    signal = np.maximum((wander - wander[start]) ** 2 - gaussian**2, 0.0)
    chance = np.sign(place - place[start]) * np.sqrt(scatter**2 + signal / share)
    shared = (training - training[start]) / np.sqrt(share)
    z, weight = np.polynomial.hermite_e.hermegauss(NODES)
    chosen = np.argmin(logarithm + z[:, None] * chance, axis=1)
    mean = float(weight @ np.exp(logarithm[chosen] - logarithm[start] - z * shared[chosen])) / float(weight.sum())
    return max(mean, 1.0)


def _scatter(s: Array, free: float, penalties: Array, start: int) -> Array:
    """Return the standard deviation of ln E∞ at some penalties less that at one of them, of Gaussian rows (eq. 19)."""
    penalties = np.maximum(penalties, NEGLIGIBLE * s[-1])
    square = (penalties / (s[:, None] + penalties)) ** 2
    rest = free - s.size
    whole = rest + square.sum(axis=0)
    apart = square / whole - (square[:, start] / whole[start])[:, None]
    return np.asarray(np.sqrt(2.0 * ((apart**2).sum(axis=0) + rest * (1.0 / whole - 1.0 / whole[start]) ** 2)))
