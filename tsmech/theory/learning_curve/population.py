"""The population as ridge regression sees it: degrees of freedom and error as functions of the effective penalty κ.

Both are functions of κ alone, whatever the number of rows and the penalty are that lead to it.  The ridge path of the
known rows runs through them; below its smallest κ they are continued.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsmech.theory.learning_curve.error_curve import fit
from tsmech.theory.learning_curve.lengths import Lengths
from tsmech.theory.learning_curve.optimism import Slopes
from tsmech.theory.learning_curve.rows import KnownRows

Array = NDArray[np.float64]

POINTS = 3000
"""Values of κ on the path at which the functions are tabulated."""
BELOW, BELOW_POINTS = 1e6, 400
"""How far below the smallest κ of the path the functions are continued, and at how many values."""
LEAST_SLOPE = 0.25
"""Least slope of ln κ along the path, over that of rows that are alike: where the law of their lengths is off."""
LEAST_ERROR = 1e-9
"""Least error, over that on left-out rows."""
FITTED = 80
"""Values of κ at which the continuation of df1 is fitted to the path."""


class Population(NamedTuple):
    """What ridge regression at any size and penalty depends on, tabulated along κ; q targets.

    Parameters
    ----------
    log_kappa
        ln κ, increasing, shape (k,); κ in units of the inputs' covariance.
    df1, df2
        tr Σ(Σ + κ)⁻¹ and tr Σ²(Σ + κ)⁻², shape (k,).
    error
        E∞ = B(κ) + σ², the mean square error of infinitely many rows at this κ, shape (k, q).
    cautious
        The same, raised by what is not known and at least what is read off: the best penalty is chosen by it, shape
        (k, q).
    open
        How far the fits that the path cannot tell apart lie from each other, over E∞, shape (k, q).
    relative
        The standard error of E∞ over itself, shape (k, q).
    ratio
        The standard error of E∞ over the target's variance, over that ratio, shape (k, q).
    scatter
        Variance of squared errors over their squared mean, shape (k, q).
    common
        Covariance of squared errors and squared targets over both means, shape (k, q).
    intercept
        Whether a constant is fitted.
    standardised
        Whether columns are divided by their standard deviation over the rows that are trained on.
    variance, variance_scatter
        Of the targets, as :class:`~tsmech.theory.learning_curve.rows.KnownRows`, shape (q,).
    lengths
        The law of the factor τ that all components of a row have in common.
    excess
        By how much more noise left-out rows take up than that law says, over what it says; less what is counted in E∞,
        shape (k, q).
    outlying
        What a row takes up of noise of variance 1, in the mean of the rows that take up much, shape (k,).
    slopes
        What is not known of the slopes of E∞: what choosing the penalty costs follows from it.
    own
        The same of the left-out errors themselves: what those pay who choose by them.
    s
        Eigenvalues of the known rows.
    noise
        Variance σ² of what the inputs do not say, shape (q,).
    noise_slope
        Its slope over τ, estimated at each κ, shape (k, q).
    known
        Number of rows from which it is estimated.
    columns
        Number of columns.
    path
        Index of the first κ that is on the path of the known rows.
    """

    log_kappa: Array
    df1: Array
    df2: Array
    error: Array
    cautious: Array
    open: Array
    relative: Array
    ratio: Array
    scatter: Array
    common: Array
    intercept: bool
    standardised: bool
    variance: Array
    variance_scatter: Array
    lengths: Lengths
    excess: Array
    outlying: Array
    slopes: Slopes
    own: Slopes
    s: Array
    noise: Array
    noise_slope: Array
    known: int
    columns: int
    path: int


def estimate(rows: KnownRows, *, directions: float | None = None) -> Population:
    r"""Estimate the population's degrees of freedom and error from the ridge path of the known rows.

    With :math:`\nu` the free rows, :math:`t = a/(s + a)`, :math:`g = \sum t (1 - t)`, and the factors ρ, ξ, ψ, χ of
    rows of unequal length (1, 1, 1, 0 where these are alike) at :math:`x = df_1/\nu`,

    .. math::
        df_1 = \sum_k (1 - t_k), \qquad \kappa = \frac{a \rho}{\nu - df_1}, \qquad
        df_1 - df_2 = - \frac{\partial df_1}{\partial \ln \kappa}, \qquad
        E_\infty(\kappa) = w E_{12a} + (1 - w) E_{11}, \quad E_{12a} = \frac1n \sum_i \frac{r_i^2}{[(1 - H)^2]_{ii}},
        \quad E_{11} = \frac{LOO(a)}{1 + 1/(n - 1)} \Bigl[ 1 - \frac{\xi\, df_2}{\nu - 1} \Bigr]
        - \frac{df_2}{\nu - 1} \bigl[ \sigma^2 (\psi - \xi) + \varsigma \chi \bigr]

    with κ in the last formulas that of n - 1 rows, on which each left-out row is predicted, and w the noise's share of
    the larger of both.

    Parameters
    ----------
    rows : KnownRows
        From :func:`~tsmech.theory.learning_curve.rows.decompose`.
    directions : float, optional
        The number of directions of the population, which the continuation meets for κ → 0; the number of columns by
        default, infinity where it is not known.

    Returns
    -------
    Population

    Notes
    -----
    Limit n, p → ∞ at a fixed ratio, for inputs with a covariance and sums of many weakly dependent parts; the error's
    standard error is that of a mean of nearly independent squares over :math:`F^2 / \sum t^4` rows.

    References
    ----------
    theory/learning_curve.md, eqs. 6-16, 12a-12d and 26-35.
    """
    s, nu, n = rows.s, rows.free, rows.rows
    r = s.size
    intercept = nu < n
    a = np.geomspace(rows.penalties[0], rows.penalties[-1], POINTS)
    d, f = np.full(POINTS, float(nu - r)), np.full(POINTS, float(nu - r))
    df1 = np.zeros(POINTS)
    for first in range(0, r, 256):  # so that no large table is made
        t = a / (s[first : first + 256, None] + a)
        d += t.sum(axis=0)
        f += (t * t).sum(axis=0)
        df1 += (1.0 - t).sum(axis=0)
    here = rows.lengths.factors(df1 / nu)
    log_kappa = np.log(a * here.penalty / d)
    slope = 1.0 - (d - f) / d * (here.error * here.penalty / here.noise)  # ∂ ln κ/∂ ln a, of equal rows f/d
    df2 = np.clip(df1 - (d - f) / np.maximum(slope, LEAST_SLOPE * f / d), 0.0, df1)
    kappa_left, df1_left, df2_left = _at_fewer_rows(log_kappa, df1, df2, rows.lengths, rows.penalties, nu - 1)
    path = 0
    if r == nu:
        log_kappa, df1, df2 = _continued(log_kappa, df1, df2, float(rows.columns) if directions is None else directions)
        path = BELOW_POINTS
    own = Slopes.along(kappa_left, np.log(rows.penalties), rows.steps, rows.training)
    mean = 1.0 + 1.0 / (n - 1) if intercept else 1.0
    share, factors = (df2_left / (nu - 1))[:, None], rows.lengths.factors((df1_left / (nu - 1))[:, None])
    rest, more = np.maximum(1.0 - factors.error * share, 0.0), share * (factors.noise - factors.error)
    uptake = np.where(rest > 0.0, rows.uptake[:, None] / mean * rest / (1.0 + more), 1.0)
    loo, least = rows.loo / mean, LEAST_ERROR * rows.loo
    noise = np.minimum(rows.each[0], loo.min(axis=0))
    over = rows.slope - (loo - noise)  # the slope of the noise over τ: that of the error less the student's own
    left_out = loo * rest - more * noise - share * factors.slope * over
    larger = np.maximum(rows.each, left_out)
    part = np.divide(noise, larger, out=np.ones_like(larger), where=larger > noise)
    infinite = part * rows.each + (1.0 - part) * left_out
    curve = fit(rows, kappa_left, df1_left, np.maximum(infinite, least), infinite > least, log_kappa)

    def everywhere(part: Array) -> Array:
        return np.column_stack([np.interp(log_kappa, kappa_left, one) for one in part.T])

    return Population(
        log_kappa=log_kappa,
        df1=df1,
        df2=df2,
        error=curve.error,
        cautious=curve.cautious,
        open=curve.open,
        relative=curve.relative,
        ratio=curve.ratio,
        scatter=everywhere(rows.scatter),
        common=everywhere(rows.common),
        intercept=intercept,
        standardised=rows.standardised,
        variance=rows.variance,
        variance_scatter=rows.variance_scatter,
        lengths=rows.lengths,
        excess=everywhere(part * (uptake - 1.0)),
        outlying=np.interp(log_kappa, kappa_left, rows.outlying),
        slopes=Slopes(log_kappa, curve.wander, everywhere(own.training)),
        own=own,
        s=s,
        noise=curve.error[0],
        noise_slope=everywhere(over) + curve.error[0] - noise,
        known=n,
        columns=rows.columns,
        path=path,
    )


def _at_fewer_rows(
    log_kappa: Array, df1: Array, df2: Array, lengths: Lengths, penalties: Array, free: int
) -> tuple[Array, Array, Array]:
    """Return ln κ, df1 and df2 of the same penalties at another number of free rows."""
    scaled = np.exp(log_kappa) * (free - df1) / lengths.factors(df1 / free).penalty  # a, increasing where positive
    start = int(np.argmax(scaled > 0))
    at = np.interp(np.log(penalties), np.log(scaled[start:]), log_kappa[start:])
    return at, np.interp(at, log_kappa, df1), np.interp(at, log_kappa, df2)


def _continued(log_kappa: Array, df1: Array, df2: Array, directions: float) -> tuple[Array, Array, Array]:
    """Return ln κ, df1 and df2 with what goes before the path, by a sum of positive contributions fitted to it.

    df1 goes to the number of directions for κ → 0 (eq. 17).
    """
    from scipy.optimize import nnls

    below = np.linspace(log_kappa[0] - np.log(BELOW), log_kappa[0], BELOW_POINTS + 1)[:-1]
    levels = np.geomspace(np.exp(log_kappa[0]) * 1e-3, np.exp(log_kappa[-1]), 150)

    def learned(at: Array) -> Array:
        return levels / (levels + at[:, None])

    kappa = np.exp(np.linspace(log_kappa[0], log_kappa[-1], FITTED))
    measured = np.interp(np.log(kappa), log_kappa, df1)
    weight = 1.0 / np.maximum(measured, 1e-3 * measured[0])
    design, wanted = learned(kappa) * weight[:, None], measured * weight
    if np.isfinite(directions):
        design = np.vstack([design, np.full(levels.size, 1.0 / directions)])
        wanted = np.append(wanted, 1.0)
    shares, _ = nnls(design, wanted, maxiter=5000)
    low, junction = learned(np.exp(below)), learned(np.exp(log_kappa[:1]))
    # what the fit misses at the junction is taken from what is continued, so that no step is left
    first = low @ shares + (df1[0] - float((junction @ shares)[0]))
    second = np.minimum(low**2 @ shares + (df2[0] - float((junction**2 @ shares)[0])), first)
    return np.concatenate([below, log_kappa]), np.concatenate([first, df1]), np.concatenate([second, df2])
