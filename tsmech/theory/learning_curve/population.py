"""The population as ridge regression sees it: degrees of freedom and error as functions of the effective penalty κ.

Both are functions of κ alone, whatever the number of rows and the penalty are that lead to it.  The ridge path of the
known rows runs through them; below its smallest κ they are continued.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsmech.theory.learning_curve.lengths import Lengths
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
"""Values of κ at which the continuation is fitted to the path."""


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
        The same, below the path raised by what is not known there: the best penalty is chosen by it, shape (k, q).
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
    variance, variance_scatter
        Of the targets, as :class:`~tsmech.theory.learning_curve.rows.KnownRows`, shape (q,).
    lengths
        The law of the factor τ that all components of a row have in common.
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
    relative: Array
    ratio: Array
    scatter: Array
    common: Array
    intercept: bool
    variance: Array
    variance_scatter: Array
    lengths: Lengths
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
        E_\infty(\kappa) = \frac{LOO(a)}{1 + 1/(n - 1)} \Bigl[ 1 - \frac{\xi\, df_2}{\nu - 1} \Bigr]
        - \frac{df_2}{\nu - 1} \bigl[ \sigma^2 (\psi - \xi) + \varsigma \chi \bigr]

    with κ and the factors in the last formula those of n - 1 rows, on which each left-out row is predicted.

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
    theory/learning_curve.md, eqs. 6-16 and 26-35.
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
    relative, ratio = (np.expm1(part) for part in _relative_errors(rows))
    loo = rows.loo / (1.0 + 1.0 / (n - 1) if intercept else 1.0)
    tabulated = (relative, ratio, rows.scatter, rows.common)
    q = loo.shape[1]
    relative, ratio, scatter, common = (
        np.column_stack([np.interp(log_kappa, kappa_left, part[:, k]) for k in range(q)]) for part in tabulated
    )
    left = df2_left[:, None] / (nu - 1)
    factors = [part[:, None] for part in rows.lengths.factors(df1_left / (nu - 1))]

    def known(noise: Array) -> Population:
        """Return the population where the noise is known, continued below the path."""
        over = rows.slope - (loo - noise)  # the slope of the noise over τ: that of the error less the student's own
        _, xi, psi, chi, _, _ = factors
        infinite = loo * np.maximum(1.0 - xi * left, 0.0) - left * (noise * (psi - xi) + over * chi)
        infinite = np.maximum(infinite, LEAST_ERROR * loo)
        error = np.column_stack([_smooth(log_kappa, kappa_left, infinite[:, k]) for k in range(q)])
        found = Population(
            log_kappa=log_kappa,
            df1=df1,
            df2=df2,
            error=error,
            cautious=error,
            relative=relative,
            ratio=ratio,
            scatter=scatter,
            common=common,
            intercept=intercept,
            variance=rows.variance,
            variance_scatter=rows.variance_scatter,
            lengths=rows.lengths,
            noise=noise,
            noise_slope=np.column_stack([np.interp(log_kappa, kappa_left, over[:, k]) for k in range(q)]),
            known=n,
            columns=rows.columns,
            path=0,
        )
        if r < nu:
            return found
        return _continued(found, float(rows.columns) if directions is None else directions, kappa_left[0])

    first = loo[0] * np.maximum(1.0 - left[0], 0.0)
    if rows.lengths.variance == 0.0:  # the noise plays no part
        return known(first)
    if r == nu:
        return known(known(np.maximum(first, LEAST_ERROR * loo[0])).error[0])
    _, xi, psi, chi, _, _ = (part[0, 0] for part in factors)
    wanted = loo[0] * (1.0 - xi * left[0]) - left[0] * chi * (rows.slope[0] - loo[0])
    return known(np.clip(wanted / (1.0 + left[0] * (psi - xi + chi)), LEAST_ERROR * loo[0], loo.min(axis=0)))


def _relative_errors(rows: KnownRows) -> tuple[Array, Array]:
    """Return the relative standard errors of E∞ and of its ratio to the target's variance, shape (J, q).

    Logarithmic ones.  What rows add to a quadratic form varies less than independent numbers do; the corrections are
    exact for Gaussian noise whose leverages are alike: 1 for a large penalty.

    References
    ----------
    theory/learning_curve.md, eqs. 13-15.
    """
    t = rows.penalties / (rows.s[:, None] + rows.penalties)
    left, n = rows.free - rows.s.size, rows.rows
    first, second, fourth = (left + (t**power).sum(axis=0) for power in (1, 2, 4))
    leverage = 1.0 - first / rows.free
    turn, at_rest = 2.0 * t - 1.0 + 2.0 * leverage, left * (1.0 + 2.0 * leverage)
    turned = at_rest * (1.0 + 2.0 * leverage) + (turn**2 * t**2).sum(axis=0)
    mixed = at_rest + (turn * t**2).sum(axis=0)
    once = at_rest + (turn * t).sum(axis=0)
    own = (2.0 * rows.free * fourth / (second * turned + mixed**2))[:, None]
    both = (rows.free * second / np.maximum(first * once, 1e-3 * first**2))[:, None]
    plain = rows.influence - 2.0 * rows.influence_common + rows.variance_scatter
    corrected = own * rows.influence - 2.0 * both * rows.influence_common + rows.variance_scatter
    apart = own * rows.influence + rows.variance_scatter  # as if the two had nothing in common
    least = np.minimum(np.maximum(plain, 0.0), apart)
    return np.sqrt(own * rows.influence / n), np.sqrt(np.clip(corrected, least, apart) / n)


def _at_fewer_rows(
    log_kappa: Array, df1: Array, df2: Array, lengths: Lengths, penalties: Array, free: int
) -> tuple[Array, Array, Array]:
    """Return ln κ, df1 and df2 of the same penalties at another number of free rows."""
    scaled = np.exp(log_kappa) * (free - df1) / lengths.factors(df1 / free).penalty  # a, increasing where positive
    start = int(np.argmax(scaled > 0))
    at = np.interp(np.log(penalties), np.log(scaled[start:]), log_kappa[start:])
    return at, np.interp(at, log_kappa, df1), np.interp(at, log_kappa, df2)


def _smooth(log_kappa: Array, at: Array, values: Array) -> Array:
    """Return values at other κ by monotone cubic interpolation; beyond the ends they stay."""
    from scipy.interpolate import PchipInterpolator

    kept = np.concatenate([[True], np.diff(at) > 1e-9])
    inside = np.clip(log_kappa, at[kept][0], at[kept][-1])
    return np.asarray(PchipInterpolator(at[kept], values[kept])(inside))


def _continued(found: Population, directions: float, seen: float) -> Population:
    """Return the functions continued below the path, by sums of positive contributions fitted to it (eqs. 17-19).

    ``seen`` is the least ln κ at which the error is measured.
    """
    from scipy.optimize import nnls

    kappa = np.exp(np.linspace(seen, found.log_kappa[-1], FITTED))
    below = np.linspace(found.log_kappa[0] - np.log(BELOW), found.log_kappa[0], BELOW_POINTS + 1)[:-1]
    log_kappa = np.concatenate([below, found.log_kappa])
    levels = np.geomspace(np.exp(found.log_kappa[0]) * 1e-3, kappa[-1], 150)

    def learned(at: Array) -> Array:
        return levels / (levels + at[:, None])

    at_df = np.exp(np.linspace(found.log_kappa[0], found.log_kappa[-1], FITTED))
    measured = np.interp(np.log(at_df), found.log_kappa, found.df1)
    design, wanted = learned(at_df), measured
    weight = 1.0 / np.maximum(measured, 1e-3 * measured[0])
    design, wanted = design * weight[:, None], wanted * weight
    if np.isfinite(directions):
        design = np.vstack([design, np.full(levels.size, 1.0 / directions)])
        wanted = np.append(wanted, 1.0)
    shares, _ = nnls(design, wanted)
    low = np.exp(below)
    df1 = learned(low) @ shares
    df2 = learned(low) ** 2 @ shares
    # what the fit misses at the junction is taken from what is continued, so that no step is left
    df1 = df1 + (found.df1[0] - float((learned(np.exp(found.log_kappa[:1])) @ shares)[0]))
    df2 = np.minimum(df2 + (found.df2[0] - float((learned(np.exp(found.log_kappa[:1])) ** 2 @ shares)[0])), df1)

    q = found.error.shape[1]
    unseen = log_kappa < seen
    error = np.vstack([np.zeros((BELOW_POINTS, q)), found.error])
    spread = np.zeros_like(error)
    part = np.exp(log_kappa[unseen])
    for k in range(q):
        target = np.interp(np.log(kappa), found.log_kappa, found.error[:, k])
        size = np.interp(np.log(kappa), found.log_kappa, found.relative[:, k]) * target
        highest, lowest = (_missed(kappa, target, size, part, floor) for floor in (True, False))
        error[unseen, k] = highest
        spread[unseen, k] = 0.5 * np.abs(highest - lowest) / np.maximum(highest, 1e-300)
    old_parts = (found.relative, found.ratio, found.scatter, found.common)
    lengthened = [np.vstack([np.repeat(old[:1], BELOW_POINTS, axis=0), old]) for old in old_parts]
    at_end = found.error[:1] / np.maximum(error[unseen], 1e-300)
    for old in lengthened[:2]:  # absolute, as they are at the end of the path, and what the fits leave open
        old[unseen] = np.hypot(old[unseen] * at_end, spread[unseen])
    cautious = error.copy()
    cautious[unseen] = (error * (1.0 + lengthened[0]))[unseen] - (found.error * found.relative)[:1]
    return found._replace(
        log_kappa=log_kappa,
        df1=np.concatenate([df1, found.df1]),
        df2=np.concatenate([df2, found.df2]),
        error=error,
        cautious=cautious,
        relative=lengthened[0],
        ratio=lengthened[1],
        scatter=lengthened[2],
        common=lengthened[3],
        noise_slope=np.vstack([np.repeat(found.noise_slope[:1], BELOW_POINTS, axis=0), found.noise_slope]),
        path=int(unseen.sum()),
    )


def _missed(kappa: Array, target: Array, size: Array, below: Array, floor: bool) -> Array:
    """Return the error below the path with as much of it as may be noise, or with none (eq. 19).

    E = σ² + Σ p (κ/(s + κ))² with p ≥ 0, on levels s that the path can tell apart: those above its end, and with no
    noise one decade below it too.
    """
    from scipy.optimize import nnls

    levels = np.geomspace(kappa[0] * (1.0 if floor else 0.1), kappa[-1], 120)

    def design(at: Array) -> Array:
        parts = (at[:, None] / (levels + at[:, None])) ** 2
        return np.column_stack([parts, np.ones(at.size)]) if floor else parts

    shares, _ = nnls(design(kappa) / size[:, None], target / size)
    found = design(below) @ shares
    return np.asarray(np.maximum(found * target[0] / float((design(kappa[:1]) @ shares)[0]), 1e-12 * target[0]))
