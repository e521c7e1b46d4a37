r"""Modes of deep linear networks under gradient flow: each a problem of its own where the weights start aligned.

A network W_D ... W_1 with whitened inputs learns the modes of its input-output correlations apart from each other when
the singular vectors of all layers fit each other.  A mode of strength a = w_1 ... w_D obeys dw_l/dt = (s - a) a/w_l,
where s is the singular value of the correlations and time is in units of the learning rate's inverse.
Derivations and equation numbers: ``theory/deep_linear.md``.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsmech.errors import InputError

Array = NDArray[np.float64]


class Modes(NamedTuple):
    """Strengths of modes in time, and what is missing of them, each to its own relative accuracy."""

    learnt: Array
    """a, shape (T, modes)."""
    missing: Array
    """s - a, shape (T, modes)."""


def balanced_modes(times: ArrayLike, strengths: ArrayLike, initial: ArrayLike, depth: int) -> Modes:
    r"""Return the modes of a network all of whose layers have the same strength in each mode.

    .. math::
        \frac{da}{dt} = D\, a^{2 - 2/D} (s - a), \qquad
        a_{D=1} = s + (a_0 - s)\, e^{-t}, \qquad a_{D=2} = \frac{s}{1 + (s/a_0 - 1)\, e^{-2 s t}}

    Parameters
    ----------
    times : array_like, shape (T,)
        Increasing from 0, in units of the inverse learning rate.
    strengths : array_like, shape (modes,)
        s > 0, singular values of the input-output correlations.
    initial : array_like, shape (modes,)
        a₀ in [0, s], the product over the layers.
    depth : int
        D >= 1, number of layers of weights.

    Returns
    -------
    Modes

    Raises
    ------
    InputError
        If a strength is outside its range.

    Notes
    -----
    Closed forms at depths 1 and 2.  At others the time is an integral over the logarithm of a/(s - a) (eq. 10), whose
    inverse is tabulated: both a and s - a have a relative accuracy of 1e-11, however long the plateau, as far as
    times in double precision say where they are.  O(T modes).

    References
    ----------
    theory/deep_linear.md, eqs. 5-10d.  Saxe, McClelland & Ganguli 2014, arXiv:1312.6120.
    """
    t, s, a = np.asarray(times, float), np.atleast_1d(np.asarray(strengths, float)), np.asarray(initial, float)
    a = np.broadcast_to(a, s.shape)
    if not ((s > 0) & (a >= 0) & (a <= s)).all():
        raise InputError("strengths must be above 0, and initial strengths between 0 and these")
    if depth == 1:
        missing = (s - a) * np.exp(-t)[:, None]
        return Modes(s * -np.expm1(-t)[:, None] + a * np.exp(-t)[:, None], missing)
    with np.errstate(divide="ignore"):
        start = np.log(a) - np.log(s - a)  # the logarithm of a/(s - a)
    x = start + 2.0 * s * t[:, None] if depth == 2 else np.where(t[:, None] > 0.0, _reached(t, s, a, depth), start)
    rest = np.exp(-abs(x))
    more = s / (1.0 + rest)
    less, most = rest * more, x > 0.0
    return Modes(np.where(most, more, less), np.where(most, less, more))


def _reached(t: Array, s: Array, a: Array, depth: int) -> Array:
    """Return log(a/(s - a)) at the times, by the clock (10)."""
    from tsmech.theory.deep_network.clock import clock_of, elapsed_of, shown_at

    clock = clock_of(depth)
    begun = elapsed_of(a / s, (s - a) / s, clock)
    return np.asarray(shown_at(begun + depth * s ** (2.0 - 2.0 / depth) * t[:, None], clock))


def unbalanced_modes(times: ArrayLike, strengths: ArrayLike, first: ArrayLike, second: ArrayLike) -> Modes:
    r"""Return the modes of a network of two layers that start with different strengths.

    .. math::
        \dot u = v (s - uv), \quad \dot v = u (s - uv), \qquad u^2 - v^2 = \kappa, \qquad
        X = (u + v)^2: \quad \dot X = -\tfrac12 (X - X_+)(X - X_-), \quad X_\pm = 2s \pm \sqrt{4s^2 + \kappa^2}

    Parameters
    ----------
    times, strengths : array_like, shapes (T,) and (modes,)
        As in :func:`balanced_modes`.
    first, second : array_like, shape (modes,)
        u, v >= 0 of the two layers at the start; their product may exceed s.

    Returns
    -------
    Modes

    Raises
    ------
    InputError
        If a strength is outside its range.

    Notes
    -----
    With κ = 0 this is :func:`balanced_modes` at depth 2.  Both parts of the result keep their relative accuracy: X lies
    between its first and its last value, and so does X - abs(κ), of which the strength is made.  O(T modes).

    References
    ----------
    theory/deep_linear.md, eqs. 11-14.
    """
    t, s = np.asarray(times, float), np.atleast_1d(np.asarray(strengths, float))
    u, v = (np.broadcast_to(np.asarray(one, float), s.shape) for one in (first, second))
    if not ((s > 0) & (u >= 0) & (v >= 0)).all():
        raise InputError("strengths must be above 0, and initial strengths at least 0")
    kappa = abs(u - v) * (u + v)
    root = np.sqrt(4.0 * s**2 + kappa**2)
    high = 2.0 * s + root
    low = -(kappa**2) / high
    start = (u + v) ** 2
    begun, most = 2.0 * np.minimum(u, v) * (u + v), 2.0 * s * (1.0 + 2.0 * s / (root + kappa))  # X₀ and X₊ above κ
    gone, come = np.exp(-root * t[:, None]), -np.expm1(-root * t[:, None])
    still = start == 0.0
    early, late = np.where(still, 1.0, (high - low) * gone), (start - low) * come  # sums of these do not cancel
    total = early + late
    X = np.where(still, 1.0, (start * early + high * late) / total)
    learnt = (begun * early + most * late) / total * (X + kappa) / (4.0 * X)
    missing = (most - begun) * early / total * (X - low) / (4.0 * X)
    return Modes(np.where(still, 0.0, learnt), np.where(still, s, missing))


def layer_strengths(learnt: Array, first: ArrayLike, second: ArrayLike) -> tuple[Array, Array]:
    """Return u and v, shapes (T, modes), of modes uv with the conserved difference of their squares (eq. 12)."""
    u, v = np.asarray(first, float), np.asarray(second, float)
    kappa = (u - v) * (u + v)
    total = np.hypot(2.0 * learnt, kappa)  # u² + v²
    larger = np.sqrt((total + abs(kappa)) / 2.0)
    smaller = np.divide(learnt, larger, out=np.zeros_like(learnt), where=larger > 0)
    return np.where(kappa >= 0, larger, smaller), np.where(kappa >= 0, smaller, larger)


def half_times(strengths: ArrayLike, initial: ArrayLike, depth: int) -> Array:
    r"""Return when modes of balanced layers are half learnt, NaN where they never are or were from the start.

    .. math::
        t_{D=1} = \ln 2(1 - a_0/s), \qquad t_{D=2} = \frac{1}{2s} \ln\Bigl(\frac{s}{a_0} - 1\Bigr), \qquad
        t_D = s^{2/D - 2} \bigl[F_D(2^{-1/D}) - F_D((a_0/s)^{1/D})\bigr],
        \quad F_D(y) = \frac{y^{2 - D}}{2 - D}\, {}_2F_1\bigl(1, \tfrac2D - 1; \tfrac2D; y^D\bigr)

    Parameters
    ----------
    strengths, initial, depth
        As in :func:`balanced_modes`.

    Returns
    -------
    ndarray, shape (modes,)

    References
    ----------
    theory/deep_linear.md, eqs. 6, 8 and 9.
    """
    s = np.atleast_1d(np.asarray(strengths, float))
    a = np.broadcast_to(np.asarray(initial, float), s.shape)
    found = np.full(s.shape, np.nan)
    comes = (a <= s / 2.0) & ((a > 0) | (depth == 1))
    s, a = s[comes], a[comes]
    if depth == 1:
        found[comes] = np.log(2.0 * (1.0 - a / s))
    elif depth == 2:
        found[comes] = np.log(s / a - 1.0) / (2.0 * s)
    else:
        found[comes] = s ** (2.0 / depth - 2.0) * (_clock(np.full(s.shape, 0.5), depth) - _clock(a / s, depth))
    return found


def _clock(share: Array, depth: int) -> Array:
    """Return F_D at y^D = a/s (eq. 9)."""
    from scipy.special import hyp2f1

    power = 2.0 / depth - 1.0
    return np.asarray(share**power / (2 - depth) * hyp2f1(1.0, power, 2.0 / depth, share), dtype=float)


def unbalanced_half_times(strengths: ArrayLike, first: ArrayLike, second: ArrayLike) -> Array:
    """Return when modes of two layers of different strengths are half learnt (eq. 14); NaN as :func:`half_times`."""
    s = np.atleast_1d(np.asarray(strengths, float))
    u, v = (np.broadcast_to(np.asarray(one, float), s.shape) for one in (first, second))
    kappa = abs(u - v) * (u + v)
    root, other = np.sqrt(4.0 * s**2 + kappa**2), np.sqrt(s**2 + kappa**2)
    start, low = (u + v) ** 2, -(kappa**2) / (2.0 * s + root)
    # X₀, X₊ and that of half learning above κ, which may be much larger
    begun, most = 2.0 * np.minimum(u, v) * (u + v), 2.0 * s * (1.0 + 2.0 * s / (root + kappa))
    half = s * (1.0 + s / (other + kappa))
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.log((most - begun) / (start - low) * (s + other - low) / (most - half)) / root
    return np.where((u * v > s / 2.0) | (start == 0.0), np.nan, found)


def largest_step(strength: float, depth: int) -> float:
    """Return the largest stable step of gradient descent, 2/(D s^(2 - 2/D)), at the balanced solution (eq. 15)."""
    return float(2.0 / (depth * strength ** (2.0 - 2.0 / depth)))
