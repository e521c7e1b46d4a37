"""Spectra of the inputs' covariance, and the fixed point for the effective ridge penalty.

``⟨f⟩`` is the average of f over the directions of the inputs, Σ_i share_i f(s_i).
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import exp, log
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsmech.checks import LARGEST, in_range
from tsmech.errors import ConvergenceError, InputError
from tsmech.theory.spectra.jacobi import singular_values

Array = NDArray[np.float64]

THRESHOLD_WIDTH = 8 * np.finfo(float).eps
"""Relative distance within which alpha counts as at the threshold: a few units of rounding of alpha."""

ALIKE = 1e3
"""Largest ratio of the columns' lengths at which plain SVD is used; it multiplies rounding by this at most."""


class Directions(NamedTuple):
    """The directions in which inputs vary: eigenvalue s > 0, share of the directions, teacher weight t, shape (k,)."""

    s: Array
    shares: Array
    t: Array


@dataclass(frozen=True, init=False, eq=False)
class Spectrum:
    r"""The spectrum of the inputs' covariance, and how the teacher lies in it.

    .. math:: C = \mathrm{diag}(s_i), \qquad \langle f \rangle = \sum_i \text{share}_i\, f(s_i, t_i)

    Parameters
    ----------
    eigenvalues : array_like, shape (n,)
        s >= 0, at least one positive.  A zero is a direction without any input; an eigenvalue that is zero up to
        rounding must be set to zero by the caller: any positive value counts as a direction with variance.
    shares : array_like, shape (n,), optional
        Share of the directions that has each eigenvalue: non-negative, of sum 1 (to 1e-9); 1/n each by default.
    teacher_weights : array_like, shape () or (n,)
        t >= 0, mean square weight of the whole teacher along each eigenvector; one number for all of them.

    Raises
    ------
    InputError
        If an array has the wrong shape or a value outside its range.

    Examples
    --------
    >>> spectrum = Spectrum([2.0, 1.0, 0.0], teacher_weights=[0.5, 1.0, 9.0])
    >>> print(f"{spectrum.rank:.4f} {spectrum.clean_variance:.4f}")
    0.6667 0.6667
    """

    eigenvalues: Array
    shares: Array
    teacher_weights: Array

    def __init__(
        self, eigenvalues: ArrayLike, *, shares: ArrayLike | None = None, teacher_weights: ArrayLike = 1.0
    ) -> None:
        s = in_range("eigenvalues", eigenvalues)
        if s.ndim != 1 or not s.any() or s[s > 0].min() < 1 / LARGEST:
            raise InputError(f"eigenvalues: must be one row of numbers, zero or at least {1 / LARGEST:g}, not all zero")
        parts = np.full(s.size, 1 / s.size) if shares is None else in_range("shares", shares, largest=1.0)
        weights = in_range("teacher_weights", teacher_weights)
        for name, row in (("shares", parts), ("teacher_weights", weights)):
            if row.shape != s.shape and (name == "shares" or row.shape):
                raise InputError(f"{name} of shape {row.shape}: must be one number for each of {s.size} eigenvalues")
        if not abs(parts.sum() - 1) < 1e-9:
            raise InputError(f"shares of sum {parts.sum():.10g}: must have the sum 1")
        if not parts[s > 0].any():
            raise InputError("shares: must give a positive eigenvalue a positive share")
        for name, row in (("eigenvalues", s), ("shares", parts), ("teacher_weights", weights)):
            own = np.array(np.broadcast_to(row, s.shape))
            own.flags.writeable = False
            object.__setattr__(self, name, own)

    @functools.cached_property
    def _kept(self) -> NDArray[np.bool_]:
        return (self.eigenvalues > 0) & (self.shares > 0)

    @functools.cached_property
    def varying(self) -> Directions:
        """The directions with a positive eigenvalue and share; shares are divided by the sum of all shares."""
        kept = self._kept
        return Directions(self.eigenvalues[kept], self.shares[kept] / self.shares.sum(), self.teacher_weights[kept])

    @functools.cached_property
    def rank(self) -> float:
        """Share f of the directions in which inputs vary; exactly 1 where all do."""
        return float(1 - self.shares[~self._kept].sum() / self.shares.sum())

    @property
    def clean_variance(self) -> float:
        """Variance V = ⟨t s⟩ of the teacher's output without noise."""
        s, shares, t = self.varying
        return float(shares @ (t * s))

    def seen(self, unseen: float) -> "Spectrum":
        """Return the spectrum with the part of the teacher's weights that a student sees, (1 - u) t."""
        return replace(self, teacher_weights=(1 - unseen) * self.teacher_weights)

    def at(self, dimension: int) -> tuple[Array, Array]:
        """Return the eigenvalue and the mean square teacher weight of each of N directions, both shape (N,)."""
        counts = np.diff(np.round(np.cumsum(self.shares) * dimension), prepend=0.0).astype(int)
        return np.repeat(self.eigenvalues, counts), np.repeat(self.teacher_weights, counts)


ISOTROPIC = Spectrum([1.0])
"""Inputs that are alike in all directions, of variance 1, and a teacher of mean square weight 1."""


def two_level(ratio: float, fraction: float, teacher_weights: ArrayLike = 1.0) -> Spectrum:
    r"""Return the spectrum with two eigenvalues, scaled to mean 1.

    .. math:: s = (r, 1) / (1 + f (r - 1)), \qquad \text{shares} = (f, 1 - f)

    Parameters
    ----------
    ratio : float
        r > 0, the first eigenvalue in units of the second.
    fraction : float
        f in (0, 1), the share of the directions that has the first eigenvalue.
    teacher_weights : array_like, shape () or (2,)
        As in :class:`Spectrum`.

    Raises
    ------
    InputError
        If an argument is outside its range.

    Examples
    --------
    >>> spectrum = two_level(ratio=4.0, fraction=0.25)
    >>> print(spectrum.eigenvalues.round(4), spectrum.shares)
    [2.2857 0.5714] [0.25 0.75]
    """
    if not 0 < ratio < np.inf:
        raise InputError(f"ratio = {ratio!r}: must be positive and finite")
    if not 0 < fraction < 1:
        raise InputError(f"fraction = {fraction!r}: must lie between 0 and 1, both excluded")
    eigenvalues = np.array([ratio, 1.0]) / (fraction * ratio + (1 - fraction))
    return Spectrum(eigenvalues, shares=[fraction, 1 - fraction], teacher_weights=teacher_weights)


def power_law(exponent: float, dimension: int, teacher_weights: ArrayLike = 1.0) -> Spectrum:
    r"""Return the spectrum that falls as a power of the rank, scaled to mean 1.

    .. math:: s_k \propto k^{-a}, \qquad k = 1, \dots, N

    Parameters
    ----------
    exponent : float
        a, finite; 0 gives the isotropic spectrum.
    dimension : int
        N >= 1, the number of eigenvalues.
    teacher_weights : array_like, shape () or (dimension,)
        As in :class:`Spectrum`.

    Returns
    -------
    Spectrum
        Its eigenvalues from the largest down (for a positive exponent).

    Raises
    ------
    InputError
        If `exponent` is not finite, `dimension` is below 1, the smallest eigenvalue is below 1e-100, or the teacher
        weights are outside their range.

    Examples
    --------
    >>> print(power_law(exponent=1.0, dimension=4).eigenvalues.round(2))
    [1.92 0.96 0.64 0.48]
    """
    if not np.isfinite(exponent):
        raise InputError(f"exponent = {exponent!r}: must be finite")
    if dimension < 1:
        raise InputError(f"dimension = {dimension!r}: must be at least 1")
    logs = -exponent * np.log(np.arange(1.0, dimension + 1))
    eigenvalues: Array = np.exp(logs - logs.max())
    if eigenvalues.min() < np.finfo(float).tiny:
        raise InputError(f"exponent = {exponent!r}: eigenvalue {dimension} underflows")
    eigenvalues /= eigenvalues.mean()
    return Spectrum(eigenvalues, teacher_weights=teacher_weights)


def covariance_eigenvalues(examples: ArrayLike, standardise: bool = False) -> Array:
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
    from scipy.linalg import qr

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
        found = np.linalg.svd(varying, compute_uv=False)
    else:
        found = singular_values(varying)
    values[:rank] = (found / np.sqrt(P)) ** 2
    return values


def excess(alpha: ArrayLike, rank: float) -> Array:
    """Distance to the threshold, alpha - f; exactly 0 where only the rounding of alpha tells them apart."""
    difference = np.asarray(alpha, dtype=float) - rank
    return np.where(abs(difference) <= THRESHOLD_WIDTH * rank, 0.0, difference)


def effective_penalty(alpha: ArrayLike, penalty: ArrayLike, spectrum: Spectrum) -> Array:
    r"""Effective penalty κ of ridge regression on finitely many examples.

    .. math:: \lambda = \kappa \Bigl[\alpha - \Bigl\langle \frac{s}{s + \kappa} \Bigr\rangle \Bigr]

    Parameters
    ----------
    alpha : array_like
        Examples per input dimension, > 0.
    penalty : array_like
        λ >= 0; 0 is the limit λ → 0⁺.  Broadcast against `alpha`.
    spectrum : Spectrum
        Of the inputs' covariance.

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
    >>> print(effective_penalty(alpha=[0.5, 2.0], penalty=0.0, spectrum=ISOTROPIC))
    [1. 0.]
    """
    alphas, penalties = np.broadcast_arrays(in_range("alpha", alpha, positive=True), in_range("penalty", penalty))
    points = zip(alphas.flat, penalties.flat, strict=True)
    return np.array([fixed_point(float(a), float(p), spectrum) for a, p in points]).reshape(alphas.shape)


def fixed_point(alpha: float, penalty: float, spectrum: Spectrum) -> float:
    """Return the effective penalty of one point."""
    (s, shares, _), rank = spectrum.varying, spectrum.rank
    over = float(excess(alpha, rank))
    if penalty == 0 and over >= 0:
        return 0.0

    def imbalance(log_kappa: float) -> float:
        kappa = exp(log_kappa)
        given = exp(log(penalty) - log_kappa) if penalty else 0.0
        if alpha < rank / 2:
            return log(given + float(shares @ (s / (s + kappa)))) - log(alpha)
        taken = kappa * float(shares @ (1 / (s + kappa)))
        return log(given + max(-over, 0.0)) - log(max(over, 0.0) + taken)

    mean = float(shares @ s)
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
