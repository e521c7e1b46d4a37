r"""What a deep linear network learns from a noisy draw of its teacher: training and test error, overtraining.

Of P = alpha N examples of N whitened inputs and C outputs the training correlations are the teacher's, of a few modes
s, plus a matrix of independent entries of variance σ²/P.  For N, C → ∞ at fixed c = C/N its singular values x follow
the law of Marchenko and Pastur, and modes of the teacher above a threshold have one of their own beyond it.
Derivations and equation numbers: ``theory/deep_linear.md``, section 6.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsmech.errors import ConvergenceError
from tsmech.theory.deep_network.modes import balanced_modes

Array = NDArray[np.float64]
Learnt = Callable[[Array], Array]
"""Strengths a(t), shape (T, n), of training modes of singular values x, shape (n,)."""

NODES = (24, 48, 96, 192, 384, 768, 1536, 3072)
"""Nodes of the quadrature over the bulk, doubled until two rules agree."""
ACCURACY = 1e-8
"""Difference of two rules, as a share of the largest value, at which the finer one is taken."""


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


def noisy_modes(strengths: ArrayLike, sizes: Sizes, learnt: Learnt) -> NoisyModes:
    r"""Return what a network has learnt from noisy correlations, each of whose modes it learns by itself.

    Averages of functions f of the training modes' singular values x and directions are

    .. math::
        \Bigl\langle \sum_i f(x_i) \Bigr\rangle = \int \rho f, \qquad
        \sum_i f(x_i)\, (\hat u_i \cdot u)(\hat v_i \cdot v) = \int \rho_s f

    Parameters
    ----------
    strengths : array_like, shape (modes,)
        s > 0, singular values of the teacher: few against N and C.
    sizes : Sizes
        With noise > 0.
    learnt : callable
        The strengths a(t) of training modes of singular values x, shape (n,) to (T, n).

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
    network is at least min(N, C) wide.  O(T) for each of 48 nodes or more.

    References
    ----------
    theory/deep_linear.md, eqs. 20-28.
    """
    s = np.atleast_1d(np.asarray(strengths, float))
    found: NoisyModes | None = None
    for nodes in NODES:
        finer = _averages(s, sizes, learnt, nodes)
        if found is not None:
            scale = max(float(abs(finer.squared).max()), float(abs(finer.missing).max()))
            if all(abs(one - other).max() <= ACCURACY * scale for one, other in zip(found, finer, strict=True)):
                return finer
        found = finer
    raise ConvergenceError(f"the average over the noise's modes does not settle with {NODES[-1]} nodes")


def _averages(s: Array, sizes: Sizes, learnt: Learnt, nodes: int) -> NoisyModes:
    g, c = sizes.unit, sizes.ratio
    low, high = (1.0 - math.sqrt(c)) ** 2, (1.0 + math.sqrt(c)) ** 2
    abscissae, weights = np.polynomial.legendre.leggauss(nodes)
    theta = math.pi / 2 * (abscissae + 1.0)
    weights = math.pi / 2 * weights  # of θ; ζ = x²/g² = (high + low)/2 + (high - low)/2 cos θ
    half = (high - low) / 2.0
    zeta = (high + low) / 2.0 + half * np.cos(theta)
    x = g * np.sqrt(zeta)
    root = half * np.sin(theta)  # √((high - ζ)(ζ - low)) = dζ/dθ
    smaller = min(sizes.inputs, sizes.outputs)

    density = smaller * root**2 / (2.0 * math.pi * min(c, 1.0) * zeta)  # eq. 21, times dζ/dθ
    density -= 1.0 / (2.0 * math.pi)  # eq. 27
    D = (zeta - 1.0 - c - 1j * root) / (2.0 * c)
    slope = D**2 / (c * D**2 - 1.0)
    spikes = s[:, None] / g
    ratio = 1.0 / (1.0 - spikes**2 * D)
    density += (np.imag(spikes**2 * slope * ratio) * root / math.pi).sum(axis=0)  # eq. 26
    overlaps = -np.imag(spikes * D * ratio) * root / math.pi / np.sqrt(zeta)  # eq. 23
    edges = np.array([g * math.sqrt(high), g * math.sqrt(low)])
    value, overlap = outlier(s, sizes)
    beyond = overlap > 0.0

    bulk, ends, peaks = np.split(learnt(np.concatenate([x, edges, value])), [nodes, nodes + 2], axis=1)

    def total(f: Callable[[Array, Array], Array]) -> Array:
        inner = f(x, bulk) @ (weights * density)
        return np.asarray(inner + f(edges, ends) @ [0.25, 0.25] + f(value, peaks)[:, beyond].sum(axis=1))

    strengths = bulk @ (weights * overlaps).T + peaks * overlap
    return NoisyModes(strengths, total(lambda _, a: a**2), total(lambda x, a: (x - a) ** 2))


def noisy_curve(times: ArrayLike, strengths: ArrayLike, sizes: Sizes, initial: float, depth: int) -> NoisyModes:
    """Return learning from noisy correlations, all of whose modes start aligned with strength ``initial``.

    A mode that is weaker than this starts at its own end.  See :func:`noisy_modes`.
    """

    def learnt(x: Array) -> Array:
        positive = np.maximum(x, 1e-12 * float(np.max(x)))
        return balanced_modes(times, positive, np.minimum(initial, positive), depth).learnt

    return noisy_modes(strengths, sizes, learnt)


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
