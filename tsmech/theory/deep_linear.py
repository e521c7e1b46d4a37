r"""What a deep linear network learns from a noisy draw of its teacher: training and test error, overtraining.

Of P = alpha N examples of N whitened inputs and C outputs the training correlations are the teacher's, of a few modes
s, plus a matrix of independent entries of variance σ²/P.  For N, C → ∞ at fixed c = C/N its singular values x follow
the law of Marchenko and Pastur, and modes of the teacher above a threshold have one of their own beyond it.
Derivations and equation numbers: ``theory/deep_linear.md``, section 6.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsmech.theory.deep_network.bulk import Bulk, Law
from tsmech.theory.deep_network.modes import balanced_modes
from tsmech.theory.smooth import interpolated

Array = NDArray[np.float64]


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


def noisy_curve(times: ArrayLike, strengths: ArrayLike, sizes: Sizes, initial: float, depth: int) -> NoisyModes:
    r"""Return what a network has learnt from noisy correlations, each of whose modes it learns by itself.

    All start aligned and balanced with strength a₀; one that is weaker than this starts at its own end.  Averages of
    functions f of the training modes' singular values x and directions are

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
    initial : float
        a₀, the product over the layers.
    depth : int
        D >= 1, number of layers of weights.

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
    network is at least min(N, C) wide.  The bulk's part is smooth in time, and computed at one or two hundred times.

    References
    ----------
    theory/deep_linear.md, eqs. 20-28b.
    """
    t, s = np.asarray(times, float), np.atleast_1d(np.asarray(strengths, float))
    (low, high), (value, overlap), g = sizes.edges, outlier(s, sizes), sizes.unit
    alone = np.maximum([low, high, *value], 1e-12 * high)
    above = overlap > 0.0
    along, counted = np.zeros((alone.size, s.size)), np.concatenate([[0.25, 0.25], above])  # eq. 27
    counted[1] += (0.5 - above).sum()  # eq. 26a
    along[2:] = np.diag(overlap)
    modes = balanced_modes(t, alone, np.minimum(initial, alone), depth)
    law = Law(g, sizes.ratio, float(min(sizes.inputs, sizes.outputs)), (low / g, high / g), (s / g) ** 2, initial)
    bulk = interpolated(t, Bulk(law, depth).sums)
    return NoisyModes(
        modes.learnt @ along + bulk[:, : s.size],
        modes.learnt**2 @ counted + bulk[:, -2],
        modes.missing**2 @ counted + bulk[:, -1],
    )


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
