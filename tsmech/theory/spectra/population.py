"""Spectra of the inputs' covariance, and the fixed point that every ridge-like theory needs from them.

A spectrum is a pair of arrays: the eigenvalues, shape (n,), and the share of the directions that has each of
them, shape (n,).  ``mean(f)`` below is the average of f(s) over the directions, Σ_i share_i f(s_i).
"""

from collections.abc import Callable
from math import exp, log

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsmech.checks import LARGEST, in_range
from tsmech.errors import ConvergenceError, InputError

THRESHOLD_WIDTH = 8 * np.finfo(float).eps
"""Relative distance within which alpha counts as at the threshold: a few steps of the rounding of alpha itself."""

ALIKE = 1e3
"""Ratio of the columns' lengths up to which a singular value loses so many times its rounding at most."""


def two_level(ratio: float, fraction: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""Spectrum with two eigenvalues, scaled to mean 1.

    .. math:: s = (r, 1) / (1 + f (r - 1)), \qquad \text{shares} = (f, 1 - f)

    Parameters
    ----------
    ratio : float
        r > 0, the first eigenvalue in units of the second.
    fraction : float
        f in (0, 1), the share of the directions that has the first eigenvalue.

    Returns
    -------
    eigenvalues, shares : ndarray, shape (2,)

    Raises
    ------
    InputError
        If `ratio` or `fraction` is outside its range.

    Examples
    --------
    >>> eigenvalues, shares = two_level(ratio=4.0, fraction=0.25)
    >>> print(eigenvalues.round(4), shares, shares @ eigenvalues)
    [2.2857 0.5714] [0.25 0.75] 1.0
    """
    if not 0 < ratio < np.inf:
        raise InputError(f"ratio = {ratio!r}: must be positive and finite")
    if not 0 < fraction < 1:
        raise InputError(f"fraction = {fraction!r}: must lie between 0 and 1, both excluded")
    eigenvalues = np.array([ratio, 1.0]) / (fraction * ratio + (1 - fraction))
    return eigenvalues, np.array([fraction, 1 - fraction])


def power_law(exponent: float, dimension: int) -> NDArray[np.float64]:
    r"""Spectrum that falls as a power of the rank, scaled to mean 1.

    .. math:: s_k \propto k^{-a}, \qquad k = 1, \dots, N

    Parameters
    ----------
    exponent : float
        a, finite; 0 gives the isotropic spectrum.
    dimension : int
        N >= 1, the number of eigenvalues.

    Returns
    -------
    ndarray, shape (dimension,)
        The eigenvalues from the largest down (for a positive exponent).

    Raises
    ------
    InputError
        If `exponent` is not finite, `dimension` is below 1, or the smallest eigenvalue underflows.

    Examples
    --------
    >>> print(power_law(exponent=1.0, dimension=4).round(2))
    [1.92 0.96 0.64 0.48]
    """
    if not np.isfinite(exponent):
        raise InputError(f"exponent = {exponent!r}: must be finite")
    if dimension < 1:
        raise InputError(f"dimension = {dimension!r}: must be at least 1")
    logs = -exponent * np.log(np.arange(1.0, dimension + 1))
    eigenvalues: NDArray[np.float64] = np.exp(logs - logs.max())
    if eigenvalues.min() < np.finfo(float).tiny:
        raise InputError(f"exponent = {exponent!r}: eigenvalue {dimension} underflows")
    eigenvalues /= eigenvalues.mean()
    return eigenvalues


def covariance_eigenvalues(examples: ArrayLike, standardise: bool = False) -> NDArray[np.float64]:
    r"""Eigenvalues of the covariance of a data matrix, whatever the units of its columns.

    .. math:: C = \frac1P \sum_\mu (x_\mu - \bar x) (x_\mu - \bar x)^T

    Parameters
    ----------
    examples : array_like, shape (P, n)
        One example a row.
    standardise : bool
        Whether each column is divided by its standard deviation: C is then the matrix of correlations.

    Returns
    -------
    ndarray, shape (n,)
        Descending.  A direction in which the examples do not vary has the eigenvalue 0 exactly.

    Notes
    -----
    C itself is not formed: that would lose every eigenvalue below 1e-16 of the largest.  The centred matrix, its
    columns scaled to length 1, is factorised by QR with pivoting, which tells how many directions vary in a way that
    no units change; rounding is cut there.  The singular values of what remains, scaled back, have each its own
    relative accuracy: about 1e-16 times the condition number of the scaled columns (one-sided Jacobi rotations, Drmač &
    Veselić, SIAM J. Matrix Anal. Appl. 29, 1322 (2008); LAPACK's gejsv).  A column whose spread is within the rounding
    of its mean is constant.  O(P n min(P, n)).

    References
    ----------
    theory/ridge.md, section 1.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> columns = [rng.normal(2e12, 4e11, 60), rng.normal(0.05, 0.01, 60)]
    >>> [f"{eigenvalue:.3e}" for eigenvalue in covariance_eigenvalues(np.column_stack(columns))]
    ['1.289e+23', '1.005e-04']
    """
    from scipy.linalg import qr, svdvals
    from scipy.linalg.lapack import dgejsv

    table = np.array(examples, dtype=float, order="F")
    P, n = table.shape
    lowest, highest = table.min(axis=0), table.max(axis=0)
    constant = highest - lowest <= 4 * np.finfo(float).eps * np.maximum(highest, -lowest)
    for _ in range(2):  # the second time what rounding left of the mean
        table -= table.mean(axis=0)
    table[:, constant] = 0.0
    lengths = np.where(constant, 1.0, np.maximum(table.max(axis=0), -table.min(axis=0)))
    table /= lengths
    rest = np.where(constant, 1.0, np.linalg.norm(table, axis=0))
    table /= rest
    lengths = np.full(n, np.sqrt(P)) if standardise else lengths * rest

    triangle, order = qr(table, mode="r", pivoting=True, overwrite_a=True, check_finite=False)
    diagonal = np.abs(np.diag(triangle))
    rank = int((diagonal > max(P, n) * np.finfo(float).eps * diagonal.max(initial=0.0)).sum())
    values = np.zeros(n)
    if rank == 0:
        return values
    varying = (triangle[:rank] * lengths[order]).T
    if lengths[~constant].max() <= ALIKE * lengths[~constant].min():
        found = svdvals(varying, overwrite_a=True, check_finite=False)
    else:
        singular, _, _, work, _, info = dgejsv(varying, joba=2, jobu=3, jobv=3, overwrite_a=True)
        if info != 0:
            raise ConvergenceError(f"no singular values of the {P} x {n} data matrix: LAPACK's gejsv says {info}")
        found = np.sort(singular * (work[0] / work[1]))[::-1]
    values[:rank] = (found / np.sqrt(P)) ** 2
    return values


def positive_part(
    eigenvalues: ArrayLike, shares: ArrayLike | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_], float]:
    """Check a spectrum and keep the directions in which inputs vary.

    Parameters
    ----------
    eigenvalues : array_like, shape (n,)
        Finite and non-negative, at least one positive.  A zero is a direction without any input; an eigenvalue
        that is zero up to rounding must be set to zero by who computed it, for here it counts as a direction.
    shares : array_like, shape (n,), optional
        Non-negative, of sum 1 (to 1e-9; scaled to 1 exactly); 1/n each by default.

    Returns
    -------
    eigenvalues, shares : ndarray, shape (k,)
        Of the directions with a positive eigenvalue and a positive share.
    kept : ndarray of bool, shape (n,)
        Which directions these are.
    rank : float
        f, the sum of their shares; exactly 1 when none is left out.

    Raises
    ------
    InputError
        If an array has the wrong shape or a value outside its range.
    """
    s = in_range("eigenvalues", eigenvalues)
    if s.ndim != 1 or not s.any() or s[s > 0].min() < 1 / LARGEST:
        raise InputError(f"eigenvalues: must be one row of numbers, zero or at least {1 / LARGEST:g}, not all zero")
    if shares is None:
        kept = s > 0
        rank = np.count_nonzero(kept) / s.size
        return s[kept], np.full(np.count_nonzero(kept), 1 / s.size), kept, rank
    weights = np.asarray(shares, dtype=float)
    if weights.shape != s.shape or not ((weights >= 0).all() and abs(weights.sum() - 1) < 1e-9):
        raise InputError(f"shares: must be {s.size} numbers >= 0 of sum 1")
    kept = (s > 0) & (weights > 0)
    if not kept.any():
        raise InputError("shares: must give a positive eigenvalue a positive share")
    left_out = weights[~kept].sum() / weights.sum()
    return s[kept], weights[kept] / weights.sum(), kept, float(1 - left_out)


def excess(alpha: ArrayLike, rank: float) -> NDArray[np.float64]:
    """Distance to the threshold, alpha - f; exactly 0 where only the rounding of alpha tells them apart."""
    difference = np.asarray(alpha, dtype=float) - rank
    return np.where(abs(difference) <= THRESHOLD_WIDTH * rank, 0.0, difference)


def effective_penalty(
    alpha: ArrayLike, penalty: ArrayLike, eigenvalues: ArrayLike, shares: ArrayLike | None = None
) -> NDArray[np.float64]:
    r"""Effective penalty κ, which finite data put in place of λ.

    .. math:: \lambda = \kappa \Bigl[\alpha - \Bigl\langle \frac{s}{s + \kappa} \Bigr\rangle \Bigr]

    Parameters
    ----------
    alpha : array_like
        Examples per input dimension, > 0.
    penalty : array_like
        λ >= 0; 0 is the limit λ → 0⁺.  Broadcast against `alpha`.
    eigenvalues, shares : array_like, shape (n,)
        The spectrum, as in :func:`positive_part`.

    Returns
    -------
    ndarray
        κ >= 0, in the broadcast shape of `alpha` and `penalty`; 0 exactly where λ = 0 and alpha >= f, the share
        of the directions with a positive eigenvalue.

    Raises
    ------
    InputError
        If an argument is outside its range.
    ConvergenceError
        If the root finder does not converge.

    Notes
    -----
    The root is bracketed by bounds that hold for every spectrum (eq. 21) and found in log κ.  The equation is written
    so that each side is a sum of positive terms (eq. 20): nothing cancels near the threshold, and κ has a relative
    accuracy of about 1e-14 wherever the equation itself is well conditioned.  O(n) an evaluation, about ten
    evaluations a root.

    References
    ----------
    theory/ridge.md, eqs. 9, 20 and 21.

    Examples
    --------
    >>> print(effective_penalty(alpha=[0.5, 2.0], penalty=0.0, eigenvalues=[1.0]))
    [1. 0.]
    """
    alphas, penalties = np.broadcast_arrays(in_range("alpha", alpha, positive=True), in_range("penalty", penalty))
    s, weights, _, rank = positive_part(eigenvalues, shares)
    points = zip(alphas.flat, penalties.flat, strict=True)
    return np.array([fixed_point(float(a), float(p), s, weights, rank) for a, p in points]).reshape(alphas.shape)


def fixed_point(
    alpha: float, penalty: float, s: NDArray[np.float64], weights: NDArray[np.float64], rank: float
) -> float:
    """Effective penalty of one point, for a spectrum that :func:`positive_part` has checked."""
    over = float(excess(alpha, rank))
    if penalty == 0 and over >= 0:
        return 0.0

    def imbalance(log_kappa: float) -> float:
        kappa = exp(log_kappa)
        given = exp(log(penalty) - log_kappa) if penalty else 0.0
        if alpha < rank / 2:
            return log(given + float(weights @ (s / (s + kappa)))) - log(alpha)
        taken = kappa * float(weights @ (1 / (s + kappa)))
        return log(given + max(-over, 0.0)) - log(max(over, 0.0) + taken)

    mean = float(weights @ s)
    least = s.min() * max(-over, 0.0)
    low = log(max(least, penalty)) - log(alpha)
    high = log(mean + penalty) - log(alpha)
    return exp(bracketed_root(imbalance, low - 1, high + 1))


def bracketed_root(function: Callable[[float], float], low: float, high: float) -> float:
    """Root of `function` between two points where its signs differ; a ``ConvergenceError`` if it is not found."""
    from scipy.optimize import brentq

    root, report = brentq(
        function, low, high, xtol=1e-15, rtol=4 * np.finfo(float).eps, maxiter=200, full_output=True, disp=False
    )
    if not report.converged:
        raise ConvergenceError(f"no root between {low:g} and {high:g} in {report.iterations} steps: {report.flag}")
    return float(root)
