r"""When to stop gradient descent: the time of the least error, and how it compares with the best penalty.

The problem is that of :mod:`tsmech.theory.gradient_flow`; derivations and equation numbers: theory/gradient_flow.md.
"""

import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsmech.theory import ridge
from tsmech.theory.gradient_flow import Flow, prepare
from tsmech.theory.spectra import ISOTROPIC, Spectrum, marchenko_pastur

Array = NDArray[np.float64]

GRID_PER_DECADE = 24
"""Points a decade of time at which minima are looked for: a mode decays within about a decade."""

DECAYED, LONGEST = 700.0, 1e20
"""Stopping is looked for until the slowest mode has decayed by exp(-700), or for 1e20 times the life of the fastest."""

GAIN, ROUNDING = 1e-12, 1e-13
"""Relative gain over never stopping, and change of the error with log t, below which they count as rounding."""


AT_ONCE = 33
"""Numbers of steps that are evaluated at once in one refinement."""


class Stopping(NamedTuple):
    """When to stop: the time, and the generalization error then."""

    time: float
    error: float


def optimal_stopping(
    alpha: float,
    noise: float,
    spectrum: Spectrum = ISOTROPIC,
    *,
    initial_scale: float = 0.0,
    penalty: float = 0.0,
    step: float = 0.0,
    unseen: float = 0.0,
) -> Stopping:
    r"""Time at which the generalization error is least, and this error.

    .. math:: \frac{1}{N} \mathrm{tr} \Bigl[ v_0\, C (\hat C + \mu) d^2 + \Theta\, c\, C \hat C d \Bigr]
        = \frac{\sigma_e^2}{\alpha N} \mathrm{tr}\, C h d \quad \text{at each extremum of gradient flow}

    Parameters
    ----------
    alpha, noise, spectrum, initial_scale, penalty, step, unseen
        As in :func:`~tsmech.theory.gradient_flow.spectral_learning_curve`; isotropic inputs and a teacher of mean
        square weight 1 unless given.

    Returns
    -------
    Stopping
        The time, of whole steps where `step` > 0, and the error.  The time is ``inf`` where it is best never to stop
        (or what stopping gains is rounding), 0 where there is nothing to learn.

    Raises
    ------
    InputError, ConvergenceError
        As :func:`~tsmech.theory.gradient_flow.spectral_learning_curve`.

    Notes
    -----
    There can be several minima, one for each group of eigenvalues: all that a grid in log t separates are refined, and
    the best is returned.  The relative accuracy of the time is about 1e-10 for gradient flow.

    References
    ----------
    theory/gradient_flow.md, eqs. 31-34.

    Examples
    --------
    >>> time, error = optimal_stopping(1.0, 0.5)
    >>> print(f"{time:.4f} {error:.4f}")
    2.4651 0.2000
    """
    low, high = marchenko_pastur.edges(alpha, spectrum)
    slowest = low + penalty / alpha
    if step > 0:  # a mode that overshoots can be the slowest
        overshoot = min(step * (high + penalty / alpha) - 1, 1.0)
        slowest = min(slowest, -math.log(overshoot) / step) if overshoot > 0 else slowest
    horizon = min(DECAYED / slowest if slowest > 0 else math.inf, LONGEST / high)
    flow = prepare(horizon, alpha, noise, spectrum, initial_scale, penalty, step, unseen)

    grid = _grid(flow, 1e-3 / (high + flow.shift), horizon)
    minima = _minima_of_flow(flow, grid) if step == 0 else _minima_of_steps(flow, grid)
    times = np.array([0.0, *minima])
    errors = flow.errors(times)
    best = int(np.argmin(errors))
    never = float(flow.errors(np.array([math.inf]))[0])
    if errors[best] >= never * (1 - GAIN):
        return Stopping(math.inf, never)
    return Stopping(float(times[best]), float(errors[best]))


def stopping_ratio(
    alpha: float,
    noise: float,
    spectrum: Spectrum = ISOTROPIC,
    *,
    unseen: float = 0.0,
) -> float:
    r"""Error of the best early stopping from zero weights over that of the best ridge penalty.

    Parameters
    ----------
    alpha, noise, spectrum, unseen
        As in :func:`optimal_stopping`.

    Returns
    -------
    float
        Between 1 and 1.2147 for equal teacher weights; unequal ones can make it less.  1 where both errors are zero.

    Raises
    ------
    InputError, ConvergenceError
        As :func:`~tsmech.theory.gradient_flow.spectral_learning_curve` and :func:`tsmech.theory.ridge.optimal_penalty`.

    References
    ----------
    theory/gradient_flow.md, eq. 35.  Ali, Kolter & Tibshirani, arXiv:1810.10082.

    Examples
    --------
    >>> print(round(stopping_ratio(1.0, 0.5), 4))
    1.0247
    """
    stopped = optimal_stopping(alpha, noise, spectrum, unseen=unseen).error
    penalty = ridge.optimal_penalty(alpha, noise, spectrum, unseen)
    if math.isinf(penalty):
        return 1.0
    answer = ridge.spectral(alpha, noise, penalty, spectrum, unseen)
    penalised = float(answer["generalization_error"])
    return stopped / penalised if penalised > 0 else 1.0


def _grid(flow: Flow, first: float, horizon: float) -> Array:
    """Return a grid of times that starts before the noise can outweigh learning, by the derivatives at t = 0."""
    noise = flow.noise_variance / flow.alpha * float(flow.spectrum.input_mean(flow.spectrum.nodes))
    learning = -float(flow.slopes(np.zeros(1))[0])
    if 0 < learning < 10 * first * noise:
        first = learning / (10 * noise)
    return np.geomspace(first, horizon, math.ceil(GRID_PER_DECADE * math.log10(horizon / first)))


def _minima_of_flow(flow: Flow, grid: Array) -> Iterator[float]:
    """Yield the times between which the slope turns from negative to positive."""
    from scipy.optimize import brentq

    def slope(log_time: float) -> float:
        return float(flow.slopes(np.array([math.exp(log_time)]))[0])

    slopes = flow.slopes(grid)
    sure = np.flatnonzero(abs(slopes) * grid > ROUNDING * flow.errors(grid))
    for i, j in itertools.pairwise(sure):
        if slopes[i] < 0 < slopes[j]:
            yield math.exp(brentq(slope, math.log(grid[i]), math.log(grid[j]), xtol=1e-14))


def _minima_of_steps(flow: Flow, grid: Array) -> Iterator[float]:
    """Yield the times after an even and after an odd number of steps that are no worse than their neighbours.

    A mode that overshoots changes its sign in each step, so the error is smooth only along steps of one parity.  The
    first and the last of the grid have one neighbour alone.
    """
    for parity in (0, 1):
        counts = np.unique(np.floor(grid / (2 * flow.step))) * 2 + parity
        errors = np.pad(flow.errors(counts * flow.step), 1, constant_values=math.inf)
        for i in np.flatnonzero((errors[1:-1] <= errors[:-2]) & (errors[1:-1] <= errors[2:])):
            yield _best_of_steps(flow, *counts[[max(int(i) - 1, 0), min(int(i) + 1, counts.size - 1)]])


def _best_of_steps(flow: Flow, low: float, high: float) -> float:
    """Return the best time between two numbers of steps of one parity, both included, with one minimum between them."""
    while True:
        between = np.unique(low + 2 * np.round(np.linspace(0.0, (high - low) / 2, AT_ONCE)))
        best = int(np.argmin(flow.errors(between * flow.step)))
        if between.size < AT_ONCE:  # all that there are
            return float(between[best] * flow.step)
        low, high = between[max(best - 1, 0)], between[min(best + 1, between.size - 1)]
