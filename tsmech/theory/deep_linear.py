r"""What a deep linear network learns from a noisy draw of its teacher: training and test error, overtraining.

Of P = alpha N examples of N whitened inputs and C outputs the training correlations are the teacher's, of a few modes
s, plus a matrix of independent entries of variance σ²/P.  For N, C → ∞ at fixed c = C/N its singular values x follow
the law of Marchenko and Pastur, and modes of the teacher above a threshold have one of their own beyond it.
Derivations and equation numbers: ``theory/deep_linear.md``, section 6.
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsmech.errors import ConvergenceError
from tsmech.theory.deep_network.modes import Modes, balanced_modes
from tsmech.theory.smooth import interpolated

Array = NDArray[np.float64]
Learnt = Callable[[Array, Array], Modes]
"""Training modes of singular values x, shape (n,), at times of shape (T,)."""

INTERVALS = tuple(n * 2**k for k in range(8) for n in (64, 96))
"""Intervals of the quadrature over the bulk, tried one after another until half of them agree."""
ACCURACY = 1e-7
"""Difference of the rules, as a share of the largest value, at which the finer one is taken, which is off by about
the square of that."""
ROUNDING = 1e-13
"""Such a difference as a share of what stands alone: few modes, those of (27) subtracted, may add up to nothing."""
PROBE = 16
"""One of so many times is used to find out how many intervals are needed."""
BLOCK = 16_384
"""Numbers that are computed together, few enough for a processor's cache."""


class Sizes(NamedTuple):
    """Inputs N, outputs C, examples P and the standard deviation σ of a label's noise."""

    inputs: int
    outputs: int
    examples: float
    noise: float

    @property
    def unit(self) -> float:
        """Return g = σ √(N/P): the noise's singular values lie between g abs(1 - √c) and g (1 + √c)."""
        return self.noise * math.sqrt(self.inputs / self.examples)

    @property
    def edges(self) -> tuple[float, float]:
        """Return the least and the largest singular value of the noise alone."""
        return self.unit * abs(1.0 - math.sqrt(self.ratio)), self.unit * (1.0 + math.sqrt(self.ratio))

    @property
    def ratio(self) -> float:
        """Return c = C/N."""
        return self.outputs / self.inputs


class NoisyModes(NamedTuple):
    """What is learnt in time from noisy correlations."""

    strengths: Array
    """Strengths uᵀWv along the teacher's own modes, shape (T, modes)."""
    squared: Array
    """Mean of |W|², shape (T,)."""
    missing: Array
    """Mean of \\|W - Σ\\|², Σ the training correlations, shape (T,)."""


def outlier(strengths: ArrayLike, sizes: Sizes) -> tuple[Array, Array]:
    r"""Return the singular value of each mode of the teacher in the training correlations, and its overlap.

    .. math::
        \hat s = \frac{\sqrt{(g^2 + s^2)(c g^2 + s^2)}}{s}, \qquad
        (\hat u \cdot u)(\hat v \cdot v) = \frac{s^4 - c g^4}{s^3 \hat s}

    Below the threshold :math:`s = c^{1/4} g` they are the bulk's edge and 0.

    Parameters
    ----------
    strengths : array_like, shape (modes,)
        s > 0, singular values of the teacher.
    sizes : Sizes

    Returns
    -------
    tuple of ndarray, shapes (modes,)

    References
    ----------
    theory/deep_linear.md, eqs. 24-25.  Benaych-Georges & Nadakuditi 2012; Lampinen & Ganguli 2019, arXiv:1809.10374.
    """
    s, g, c = np.asarray(strengths, float), sizes.unit, sizes.ratio
    if g == 0.0:
        return s.copy(), np.ones_like(s)
    above = s**4 > c * g**4
    value = np.where(above, np.sqrt((g**2 + s**2) * (c * g**2 + s**2)) / s, g * (1.0 + math.sqrt(c)))
    return value, np.where(above, (s**4 - c * g**4) / (s**3 * value), 0.0)


def noisy_modes(times: ArrayLike, strengths: ArrayLike, sizes: Sizes, learnt: Learnt, initial: float) -> NoisyModes:
    r"""Return what a network has learnt from noisy correlations, each of whose modes it learns by itself.

    Averages of functions f of the training modes' singular values x and directions are

    .. math::
        \Bigl\langle \sum_i f(x_i) \Bigr\rangle = \int \rho f, \qquad
        \sum_i f(x_i)\, (\hat u_i \cdot u)(\hat v_i \cdot v) = \int \rho_s f

    Parameters
    ----------
    times : array_like, shape (T,)
        Increasing.
    strengths : array_like, shape (modes,)
        s > 0, singular values of the teacher: few against N and C.
    sizes : Sizes
        With noise > 0.
    learnt : callable
        Training modes of singular values x, shape (n,), at times t, shape (T,): smooth where x is above ``initial``.
    initial : float
        The strength up to which training modes are at their end from the start, a = x.

    Returns
    -------
    NoisyModes

    Raises
    ------
    ConvergenceError
        If the quadrature over the bulk does not settle.

    Notes
    -----
    N, C → ∞ at fixed c and s/g, the terms of order one of the sums included: what is left is of order 1/N.  The
    network is at least min(N, C) wide.  The bulk's part is smooth in time, and computed at about a hundred times by 63
    nodes or more.

    References
    ----------
    theory/deep_linear.md, eqs. 20-28.
    """
    t, s = np.asarray(times, float), np.atleast_1d(np.asarray(strengths, float))
    (low, high), (value, overlap) = sizes.edges, outlier(s, sizes)
    share = (initial - low) * (initial + low) / ((high - low) * (high + low))
    bend = 2.0 * math.asin(math.sqrt(min(max(share, 0.0), 1.0)))  # θ of the strength up to which nothing moves
    alone = np.concatenate([[low, high], value])
    along, counted = np.zeros((alone.size, s.size)), np.concatenate([[0.25, 0.25], overlap > 0.0])  # eq. 27
    along[2:] = np.diag(overlap)
    found = _sums(learnt(t, alone), along, counted[:, None])
    rounding = ROUNDING * abs(found).max(axis=0)
    if bend > 0.0:
        still = _Bulk(s, sizes, lambda _, x: Modes(x[None], np.zeros((1, x.size))), (0.0, bend), rounding)
        found += still.sums(t[:1])
    if bend < math.pi:
        found += interpolated(t, _Bulk(s, sizes, learnt, (bend, math.pi), rounding).sums)
    return NoisyModes(found[:, : s.size], found[:, -2], found[:, -1])


def _sums(modes: Modes, along: Array, counted: Array) -> Array:
    """Return sums over modes of a, along those of the teacher, of a² and of (x - a)², side by side."""
    return np.hstack([modes.learnt @ along, modes.learnt**2 @ counted, modes.missing**2 @ counted])


class _Bulk:
    """Averages over a part of the bulk at any times, by as many nodes as these have needed."""

    def __init__(self, s: Array, sizes: Sizes, learnt: Learnt, part: tuple[float, float], rounding: Array) -> None:
        self._problem, self._learnt, self._rounding = (s, sizes, *part), learnt, rounding
        self._finer = iter(INTERVALS)
        self._rule = _rule(next(self._finer), *self._problem)

    def sums(self, times: Array) -> Array:
        """Return the part's share of the sums, shape (T, modes + 2)."""
        self._settled(times[::PROBE])
        return self._settled(times)

    def _settled(self, times: Array) -> Array:
        while True:
            x, along, counted = self._rule
            blocks = np.array_split(times, -(-times.size * x.size // BLOCK))
            both = np.vstack([_sums(self._learnt(block, x), along, counted) for block in blocks])
            fine, coarse = both[:, ::2], both[:, 1::2]
            enough = np.maximum(ACCURACY * abs(fine).max(axis=0), self._rounding)
            if (abs(fine - coarse).max(axis=0) <= enough).all():
                return fine
            if (intervals := next(self._finer, None)) is None:
                raise ConvergenceError(f"the average over the noise's modes does not settle with {len(x)} nodes")
            self._rule = _rule(intervals, *self._problem)


def _rule(intervals: int, s: Array, sizes: Sizes, begin: float, end: float) -> tuple[Array, Array, Array]:
    """Return x at nodes in a part of the bulk, and the weights there of strengths and of sums, shape (nodes, columns).

    The weights of every second column are those of half as many intervals.
    """
    g, c = sizes.unit, sizes.ratio
    low, high = (edge / g for edge in sizes.edges)
    nodes, rules = _fejer(intervals)
    theta, weights = begin + (end - begin) * nodes, (end - begin) * rules
    width, spikes = (high - low) * (high + low), (s[:, None] / g) ** 2
    above, below = width * np.cos(theta / 2.0) ** 2, width * np.sin(theta / 2.0) ** 2
    zeta = low**2 + below  # x²/g²
    beyond = (spikes - math.sqrt(c)) ** 2 / spikes + above  # of the outlier's square, eq. 24
    product = above * below  # (dζ/dθ)²
    density = min(sizes.inputs, sizes.outputs) * product / (2.0 * math.pi * min(c, 1.0) * zeta)  # eq. 21
    density += (((zeta - 1.0 - c - 2.0 * spikes) / beyond).sum(axis=0) - 1.0) / (2.0 * math.pi)  # eqs. 26, 27
    overlaps = product / (2.0 * math.pi * np.sqrt(spikes * zeta) * beyond)  # eq. 23
    along = (overlaps.T[:, :, None] * weights[:, None]).reshape(theta.size, -1)
    return g * np.sqrt(zeta), along, density[:, None] * weights


@functools.cache
def _fejer(intervals: int) -> tuple[Array, Array]:
    """Return Fejér's nodes in (0, 1), and weights by all of them and by every second one, shape (nodes, 2)."""
    rules = np.zeros((intervals - 1, 2))
    for column, n in enumerate((intervals, intervals // 2)):
        odd = np.zeros(2 * n)
        odd[1:n:2] = 1.0 / np.arange(1, n, 2)
        sums = -np.fft.fft(odd).imag[1:n]  # of sin((2j - 1) θ)/(2j - 1)
        rules[column :: column + 1, column] = 2.0 / n * np.sin(math.pi * np.arange(1, n) / n) * sums
    return np.sin(math.pi * np.arange(1, intervals) / (2 * intervals)) ** 2, rules


def noisy_curve(times: ArrayLike, strengths: ArrayLike, sizes: Sizes, initial: float, depth: int) -> NoisyModes:
    """Return learning from noisy correlations, all of whose modes start aligned with strength ``initial``.

    A mode that is weaker than this starts at its own end.  See :func:`noisy_modes`.
    """

    def learnt(t: Array, x: Array) -> Modes:
        positive = np.maximum(x, 1e-12 * float(np.max(x)))
        return balanced_modes(t, positive, np.minimum(initial, positive), depth)

    return noisy_modes(times, strengths, sizes, learnt, initial)


class Overtraining(NamedTuple):
    """When to stop training each mode of a noisy teacher, and what going on costs."""

    time: Array
    """Time of the least error of a mode, infinite where it never turns up; shape (modes,)."""
    least: Array
    """½ (squared error) then."""
    final: Array
    """½ (squared error) in the end."""


def overtraining(strengths: ArrayLike, sizes: Sizes, initial: float, depth: int) -> Overtraining:
    r"""Return the best time to stop mode by mode.

    The training mode of :math:`\hat s` and overlap o has the error :math:`\tfrac12 (a^2 - 2 a s o + s^2)`, least at
    :math:`a = s o`, and ends at :math:`a = \hat s > s o`.

    Parameters
    ----------
    strengths, sizes
        As in :func:`outlier`; modes below the threshold are best not learnt (time 0).
    initial, depth
        a₀ and D of the balanced start.

    Notes
    -----
    At depth 1 and 2 in closed form, by the closed forms' inverse; at others by a bracketed root.

    References
    ----------
    theory/deep_linear.md, eq. 29.
    """
    from scipy.optimize import brentq

    s = np.atleast_1d(np.asarray(strengths, float))
    value, overlap = outlier(s, sizes)
    best = np.clip(s * overlap, np.minimum(initial, value), value)
    times = np.zeros(s.shape)
    for place, (top, level) in enumerate(zip(value, best, strict=True)):
        if level <= initial:
            continue
        if level >= top:
            times[place] = math.inf
            continue

        def excess(t: float, top: float = top, level: float = level) -> float:
            return float(balanced_modes([0.0, t], [top], [min(initial, top)], depth).learnt[-1, 0]) - level

        end = 1.0
        while excess(end) < 0.0:
            end *= 2.0
        times[place] = brentq(excess, 0.0, end, xtol=1e-12, rtol=1e-12)
    return Overtraining(
        times, 0.5 * (best**2 - 2.0 * best * s * overlap + s**2), 0.5 * (value**2 - 2.0 * value * s * overlap + s**2)
    )
