r"""The error as a function of the effective penalty, fitted to the errors that rows tell along the path.

.. math:: E_\infty(\kappa) = \sigma^2 + \sum_l p_l \Bigl(\frac{\kappa}{s_l + \kappa}\Bigr)^2 , \quad \sigma^2, p \ge 0 .

Errors at neighbouring κ share most of their scatter, and those at small κ scatter most; the fit weighs them by the
covariance that Gaussian noise gives them, which the eigenvalues say.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsmech.theory.learning_curve.optimism import without_pairs
from tsmech.theory.learning_curve.rows import KnownRows

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

FITTED = 24
"""Most κ whose errors are fitted."""
LEVELS = 40
"""Levels s_l of the fit."""
MOST_LEARNED, LEAST_LEARNED = 0.98, 0.2
"""Share of the directions, and number of them, between which κ has something to tell."""
CUTS = (0.3, 1.0, 3.0, 10.0, 30.0)
"""Lowest level over the least κ of the path: below it the target is noise.  Where the path ends above κ = 0 it is not
known, and the fits are weighed by their likelihood."""
INDEPENDENT = 0.02
"""Share of the variance of each error that is taken as its own: so that no difference of two weighs beyond measure."""
FAR = 2.5
"""Standard errors above the fit at which the errors as they are read off weigh as much as the fit."""
LEAST = 1e-15
"""Least error over the largest on the path."""
UNKNOWN = 50.0
"""Logarithmic error beyond which nothing is known."""
MOST_STEPS = 5000
"""Most steps of a fit; some 50 are usual."""
ALIKE = 1e-3
"""Weight, over the largest, below which the difference of neighbouring levels is not estimated: the fit drops one."""
ROUNDS = 3
"""Fits, each weighed by the errors of the one before."""


class ErrorCurve(NamedTuple):
    """Errors at some κ, all of shape (k, q)."""

    error: Array
    """E∞."""
    cautious: Array
    """E∞ raised by ``open``, and at least what is read off where its error exceeds it: a penalty is chosen by it."""
    open: Array
    """How far the fits that the path cannot tell apart lie from each other, over E∞."""
    relative: Array
    """Standard error of E∞ over itself."""
    ratio: Array
    """Standard error of E∞ over the target's variance, over that ratio."""
    wander: Array
    """The standard errors of the changes of E∞ from κ to κ, over ``cautious``, summed up from the first."""


class Stated(NamedTuple):
    """Relative standard errors along the path, logarithmic ones, shape (J, q)."""

    own: Array
    """Of E∞."""
    ratio: Array
    """Of its ratio to the target's variance."""


def stated_errors(rows: KnownRows) -> Stated:
    """Return the relative standard errors of leave-one-out errors, and of their ratio to the target's variance.

    What rows add to a quadratic form varies less than independent numbers do; the corrections are exact for Gaussian
    noise whose leverages are alike: 1 for a large penalty.

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
    return Stated(np.sqrt(own * rows.influence / n), np.sqrt(np.clip(corrected, least, apart) / n))


def fit(rows: KnownRows, log_kappa: Array, learned: Array, errors: Array, trusted: Mask, at: Array) -> ErrorCurve:
    """Fit the errors on the path and return the curve at other κ, on the path and below it.

    Parameters
    ----------
    rows : KnownRows
    log_kappa, learned : ndarray, shape (J,)
        ln κ and df1 at the penalties of the rows, where their errors are measured.
    errors : ndarray, shape (J, q)
        E∞ there, positive.
    trusted : ndarray of bool, shape (J, q)
        Which of them are estimates.
    at : ndarray, shape (k,)
        ln κ at which the curve is wanted.

    Returns
    -------
    ErrorCurve

    References
    ----------
    theory/learning_curve.md, section 5, eqs. 18 and 19.
    """
    ends = rows.s.size < rows.free  # the path reaches κ = 0
    stated, size = stated_errors(rows), errors.max(axis=0)
    told = without_pairs(rows.steps, rows.loo, rows.s, rows.free, rows.penalties)
    parts: list[list[Array]] = []
    for k in range(errors.shape[1]):
        if size[k] == 0.0:  # a target that does not vary
            parts.append([np.zeros(at.size)] * 6)
            continue
        chosen = _chosen(log_kappa, learned, trusted[:, k], MOST_LEARNED * rows.s.size if ends else np.inf)
        measured = _Measured(
            np.exp(log_kappa[chosen]),
            errors[chosen, k] / size[k],
            _covariance(rows, chosen),
            stated.own[chosen, k],
            stated.ratio[chosen, k],
            np.append(np.cumsum(told[::-1, k])[::-1], 0.0)[chosen],
        )
        kept = trusted[:, k] if trusted[:, k].any() else np.ones_like(trusted[:, k])
        as_read = np.interp(at, log_kappa[kept], errors[kept, k] / size[k])
        found = _curve(measured, (1.0,) if ends else CUTS, np.exp(at), as_read)
        parts.append([found[0] * size[k], found[1] * size[k], *found[2:]])
    return ErrorCurve(*(np.column_stack(part) for part in zip(*parts, strict=True)))


class _Measured(NamedTuple):
    """Errors at some κ, their relative covariance for Gaussian noise, and their stated relative errors."""

    kappa: Array
    error: Array
    shared: Array
    own: Array
    ratio: Array
    wander: Array
    """The standard errors of the steps of ln E∞ that the rows tell, summed up towards small κ."""


def _chosen(log_kappa: Array, learned: Array, trusted: Mask, most: float) -> NDArray[np.intp]:
    """Return the places of errors that are fitted, evenly in ln κ."""
    kept = np.flatnonzero(trusted & (learned <= most) & (learned >= LEAST_LEARNED))
    if kept.size < 3:
        kept = np.flatnonzero(trusted) if trusted.sum() >= 3 else np.arange(trusted.size)
    wanted = np.linspace(log_kappa[kept[0]], log_kappa[kept[-1]], FITTED)
    places = np.searchsorted(log_kappa[kept], wanted - 1e-9).clip(0, kept.size - 1)
    return np.asarray(kept[np.unique(places)])


def _covariance(rows: KnownRows, chosen: NDArray[np.intp]) -> Array:
    """Return the relative covariance of E∞ at some penalties where the noise is Gaussian (eq. 19)."""
    a, rest = rows.penalties[chosen], rows.free - rows.s.size
    square = (a / (rows.s[:, None] + a)) ** 2
    whole = rest + square.sum(axis=0)
    return np.asarray(2.0 * (rest + square.T @ square) / np.outer(whole, whole))


def _curve(measured: _Measured, cuts: tuple[float, ...], kappa: Array, as_read: Array) -> list[Array]:
    """Return the columns of an :class:`ErrorCurve` for one target."""
    from scipy.linalg import cholesky, solve_triangular
    from scipy.optimize import nnls

    own_part = measured.shared + INDEPENDENT * np.diag(np.diag(measured.shared))
    scale = max(1.0, float(np.median(measured.own**2 / np.diag(measured.shared))))
    whiten = solve_triangular(cholesky(scale * own_part, lower=True), np.eye(measured.error.size), lower=True)
    top = 3.0 * measured.kappa[-1]
    values, maps, misfits, above = [], [], [], []
    for cut in cuts:
        levels = np.geomspace(cut * measured.kappa[0], max(top, 3.0 * cut * measured.kappa[0]), LEVELS)
        design, wanted = _missed(measured.kappa, levels), _missed(kappa, levels)
        fitted = np.maximum(measured.error, LEAST)
        for _ in range(ROUNDS):
            columns = whiten @ (design / fitted[:, None])
            size = np.sqrt((columns**2).sum(axis=0))
            shares, misfit = nnls(columns / size, whiten @ (measured.error / fitted), maxiter=MOST_STEPS)
            weighed, shares = fitted, shares / size
            fitted = np.maximum(design @ shares, np.maximum(1e-3 * measured.error, LEAST))
        active = shares > 0
        values.append(wanted @ shares)
        # what is estimated is linear in the errors while the same levels are in use
        maps.append(wanted[:, active] @ np.linalg.pinv(columns[:, active], rcond=ALIKE) @ (whiten / weighed))
        misfits.append(misfit**2)
        above.append(float(np.max((measured.error / fitted - 1.0) / measured.own)))
    best = int(np.argmin(misfits))
    values.append(_as_read(as_read, kappa, measured.kappa[0], values[best]))
    maps.append(_between(measured.kappa, kappa))
    misfits.append(misfits[best] + FAR**2 - max(above[best], 0.0) ** 2)
    weights = np.exp(-0.5 * (np.array(misfits) - min(misfits)))
    weights /= weights.sum()
    error = np.maximum(weights @ np.array(values), LEAST)
    apart = np.sqrt(weights @ (np.array(values) - error) ** 2) / error
    linear = np.tensordot(weights, np.array(maps), axes=1) * measured.error / error[:, None]
    deviation = np.sqrt(np.diag(measured.shared))
    relative = []
    for stated in (measured.own, measured.ratio):
        covariance = measured.shared * np.outer(stated / deviation, stated / deviation)
        variance = np.maximum(((linear @ covariance) * linear).sum(axis=1), 0.0)
        relative.append(np.expm1(np.minimum(np.sqrt(variance + apart**2), UNKNOWN)))
    cautious = error * (1.0 + apart)
    read = (relative[0] > 1.0) & (as_read > cautious)
    # what is not known is at most the largest error on the path, and two of its standard errors
    relative = [np.minimum(one, np.maximum((1.0 + 2.0 * one[-1]) / error - 1.0, 1.0)) for one in relative]
    cautious = np.where(read, as_read, cautious)
    covariance = measured.shared * np.outer(measured.own / deviation, measured.own / deviation)
    told = np.where(read[:, None], maps[-1] * measured.error, linear * error[:, None])
    changes = np.diff(told / cautious[:, None], axis=0)
    changes[np.diff(read)] = 0.0  # the step from one to the other is caution, no luck
    steps = np.sqrt(np.maximum(((changes @ covariance) * changes).sum(axis=1), 0.0)) * _wider(measured, kappa)
    return [error, cautious, apart, *relative, np.concatenate([np.zeros(1), np.cumsum(steps)])]


def _wider(measured: _Measured, kappa: Array) -> Array:
    """Return by how much more than Gaussian noise the rows make the curve's steps scatter, shape (k - 1,) (eq. 39b)."""
    scaled = measured.own / np.sqrt(np.diag(measured.shared))
    covariance = measured.shared * np.outer(scaled, scaled)
    variance = np.diag(covariance)[1:] + np.diag(covariance)[:-1] - 2.0 * np.diag(covariance, 1)
    told = np.abs(np.diff(measured.wander)) / np.sqrt(
        np.maximum(variance, np.finfo(float).eps * np.diag(covariance)[1:])
    )
    between = [0.5 * (np.log(part[1:]) + np.log(part[:-1])) for part in (kappa, measured.kappa)]
    return np.asarray(np.interp(between[0], between[1], told))


def _as_read(errors: Array, kappa: Array, first: float, fitted: Array) -> Array:
    """Return the errors that are read off the path, continued below it in proportion to what is fitted, shape (k,)."""
    start = np.interp(first, kappa, fitted)
    return np.where(kappa < first, errors * np.divide(fitted, start, out=np.ones_like(fitted), where=start > 0), errors)


def _between(kappa: Array, at: Array) -> Array:
    """Return the weights of errors at some κ, rising, in what is read off between them, shape (k, errors)."""
    return np.column_stack([np.interp(np.log(at), np.log(kappa), one) for one in np.eye(kappa.size)])


def _missed(kappa: Array, levels: Array) -> Array:
    """Return the share of the target that is missed at each level, and of noise, shape (k, levels + 1)."""
    return np.column_stack([(kappa[:, None] / (levels + kappa[:, None])) ** 2, np.ones(kappa.size)])
