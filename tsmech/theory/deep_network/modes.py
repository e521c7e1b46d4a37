r"""Modes of deep linear networks under gradient flow: each a problem of its own where the weights start aligned.

A network W_D ... W_1 with whitened inputs learns the modes of its input-output correlations apart from each other when
the singular vectors of all layers fit each other.  A mode of strength a = w_1 ... w_D obeys dw_l/dt = (s - a) a/w_l,
where s is the singular value of the correlations and time is in units of the learning rate's inverse.
Derivations and equation numbers: ``theory/deep_linear.md``.
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsmech.errors import InputError

Array = NDArray[np.float64]

SPACING = 0.01
"""Spacing of the table of times at depths without a closed form: a cubic between two places is off by 3e-11."""
FAR = 37.0
"""Distance of ξ from 0 beyond which 1 + exp(-abs(ξ)) is 1 to rounding, and no start but a₀ = s lies."""


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
    Closed forms at depths 1 and 2.  At others the time is an integral over the logarithm of a/(s - a) (eq. 10), which
    is tabulated and inverted: both a and s - a have a relative accuracy of 1e-9, however long the plateau, as far as
    times in double precision say where they are.  O(T modes).

    References
    ----------
    theory/deep_linear.md, eqs. 5-10.  Saxe, McClelland & Ganguli 2014, arXiv:1312.6120.
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
    x = start + 2.0 * s * t[:, None] if depth == 2 else _reached(t, s, start, depth)
    rest = np.exp(-abs(x))
    more = s / (1.0 + rest)
    less, most = rest * more, x > 0.0
    return Modes(np.where(most, more, less), np.where(most, less, more))


def _reached(t: Array, s: Array, start: Array, depth: int) -> Array:
    """Return log(a/(s - a)) at the times: the table of the clock (10) is read backwards."""
    from scipy.special import expit

    moving, table = np.isfinite(start), _table(depth)  # where neither nothing nor everything is learnt
    first = np.where(moving, start, 0.0)
    # What is lost here would be lost for good: a plateau ends where two large numbers cancel.
    early = depth * (_clock(expit(np.minimum(first, 0.0)), depth) - _clock(np.array(0.5), depth))
    begun = np.where(first < 0.0, early, table.forwards(np.maximum(first, 0.0)))
    x = table.backwards(begun + depth * s ** (2.0 - 2.0 / depth) * t[:, None])
    x[:, ~moving] = start[~moving]
    x[t == 0.0] = start
    return x


class _Table:
    """The clock F of eq. 10, 0 at ξ = 0, from even places of ξ."""

    def __init__(self, power: float) -> None:
        last = round(FAR / SPACING)
        places = SPACING * np.arange(-last, last + 1, dtype=float)
        # Gauss's rule of two points from place to place: all terms have one sign.
        middles, apart = (places[1:] + places[:-1]) / 2.0, SPACING / (2.0 * math.sqrt(3.0))
        slopes, below, above = ((1.0 + np.exp(-x)) ** power for x in (places, middles - apart, middles + apart))
        steps, zero = SPACING / 2.0 * (below + above), len(middles) // 2
        # From ξ = 0 both ways, so that the small numbers near 0 are not lost beside the large ones of early times.
        before = -np.cumsum(steps[:zero][::-1])[::-1]
        clock = np.concatenate([before, [0.0], np.cumsum(steps[zero:])])
        self._power = power
        self.forwards, self._inner = _cubics(places, clock, slopes), _cubics(clock, places, 1.0 / slopes)
        self._first, self._last = (places[0], clock[0]), (places[-1], clock[-1])

    def backwards(self, clock: Array) -> Array:
        """Return where the clock shows this: before the table it goes as e^-ξ to its power alone, after it as ξ."""
        (low, earliest), (high, latest) = self._first, self._last
        found = high + (clock - latest)
        if (still := clock < latest).any():
            shown = clock[still]
            inner = self._inner(np.maximum(shown, earliest))
            if (early := shown < earliest).any():
                inner[early] = (
                    -np.log(np.exp(-self._power * low) + self._power * (earliest - shown[early])) / self._power
                )
            found[still] = inner
        return np.asarray(found)


@functools.lru_cache(maxsize=16)
def _table(depth: int) -> _Table:
    return _Table(1.0 - 2.0 / depth)


def _cubics(nodes: Array, values: Array, slopes: Array) -> Callable[[Array], Array]:
    """Return the cubics through the values and slopes of neighbouring nodes, for places between the first and last."""
    width = np.diff(nodes)
    rise = np.diff(values) / width
    second = (3.0 * rise - 2.0 * slopes[:-1] - slopes[1:]) / width
    third = (slopes[:-1] + slopes[1:] - 2.0 * rise) / width**2
    inner = nodes[1:-1]

    def interpolate(x: Array) -> Array:
        i = np.searchsorted(inner, x)
        u = x - nodes[i]
        found = third[i]
        for coefficient in (second, slopes, values):
            found *= u
            found += coefficient[i]
        return np.asarray(found)

    return interpolate


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
