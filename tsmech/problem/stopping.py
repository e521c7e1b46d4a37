"""Early stopping: the best time of a learning curve, the error at that time, and the final error."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsmech.errors import InputError
from tsmech.problem.observables import Observable

ROUNDING = 1e-9
"""Relative accuracy of what a simulation has learnt."""

SUMMARY = {
    "early_stopping_time": Observable("t*", "best time to stop", summary=True),
    "early_stopping_error": Observable("ε*", "test error at the best time to stop", summary=True),
    "final_error": Observable("ε_end", "test error in the end", summary=True),
}
"""The observables of an early-stopping summary, for the declarations of systems that have one."""


class EarlyStopping(NamedTuple):
    """The best time of a learning curve among those reported, its error, and the error at the end."""

    time: float
    error: float
    final_error: float


def early_stopping(times: ArrayLike, errors: ArrayLike) -> EarlyStopping:
    """Return the best time to stop, the error there and the error at the end.

    Parameters
    ----------
    times, errors : array_like, shape (n,)
        A learning curve, as the columns of an answer: the coordinate and ``test_error``, say.

    Notes
    -----
    The best of the given times, the earliest where several are equally good; there is no interpolation.

    Examples
    --------
    >>> early_stopping([0.0, 1.0, 2.0, 3.0], [1.0, 0.4, 0.5, 0.7])
    EarlyStopping(time=1.0, error=0.4, final_error=0.7)
    """
    at, found = np.asarray(times, dtype=float), np.asarray(errors, dtype=float)
    if at.shape != found.shape or at.ndim != 1 or at.size == 0:
        raise InputError(f"times and errors must be two lists of as many numbers: shapes {at.shape} and {found.shape}")
    if np.isnan(at).any() or np.isnan(found).any():
        raise InputError("times and errors must be numbers, but some are NaN")
    best = int(np.argmin(found))
    return EarlyStopping(float(at[best]), float(found[best]), float(found[-1]))


def summary(times: NDArray[np.float64], errors: NDArray[np.float64], *, smooth: bool = False) -> dict[str, float]:
    """Return the observables :data:`SUMMARY` of a curve; empty for a curve without rows.

    Of a ``smooth`` curve the best time is that of the parabola through the least error reported and its neighbours,
    so that it is finer than the times reported; it lies within half of their distance.
    """
    if len(times) == 0:
        return {}
    found = early_stopping(times, errors)
    if smooth:
        found = found._replace(time=_vertex(times, errors))
    return dict(zip(SUMMARY, found, strict=True))


def _vertex(times: NDArray[np.float64], errors: NDArray[np.float64]) -> float:
    """Return the minimum of the parabola through the least error and its neighbours, by divided differences."""
    best = int(np.argmin(errors))
    if not 0 < best < len(times) - 1:
        return float(times[best])
    (before, at, after), values = times[best - 1 : best + 2], errors[best - 1 : best + 2]
    fall, rise = (values[1] - values[0]) / (at - before), (values[2] - values[1]) / (after - at)
    if not rise > fall:
        return float(at)
    return float((before + at) / 2 - fall / 2 * (after - before) / (rise - fall))


def first_below(times: NDArray[np.float64], values: NDArray[np.float64], level: float) -> float:
    """Return when positive values first are at most a level, by their logarithms between times; infinity if never."""
    if not level > 0:
        raise InputError(f"level = {level:g} is not allowed: it must be above 0")
    below = np.flatnonzero(values <= level)
    if below.size == 0:
        return math.inf
    first = int(below[0])
    if first == 0:
        return float(times[0])
    before, after = math.log(values[first - 1]), math.log(max(values[first], 1e-300))
    share = (before - math.log(level)) / (before - after)
    return float(times[first - 1] + share * (times[first] - times[first - 1]))


def half_learnt(
    times: NDArray[np.float64], strengths: NDArray[np.float64], ends: NDArray[np.float64], depth: int
) -> NDArray[np.float64]:
    """Return when modes of a deep network first reach half of their ends, shape (modes,); NaN where they do not.

    Where one is beyond it at the first time, it is not known when it came there, or never did: NaN.

    Parameters
    ----------
    times, strengths
        Shapes (T,) and (T, modes).
    ends
        What is to be learnt of each mode, shape (modes,), above 0.
    depth
        Layers whose clock the modes keep to between two times.

    Notes
    -----
    Between two times a mode is taken to be learnt as one of balanced layers is, which is exact of these.

    References
    ----------
    theory/deep_linear.md, eqs. 6-9.
    """
    found = np.full(ends.size, math.nan)
    for mode, share in enumerate((strengths / ends).T):
        above = np.flatnonzero(share >= 0.5)
        if above.size and above[0] > 0:
            first = int(above[0])
            part = _clock_share(share[first - 1 : first + 1], depth)
            found[mode] = times[first - 1] + part * (times[first] - times[first - 1])
        elif above.size and share[0] <= 0.5 * (1.0 + ROUNDING):
            found[mode] = times[0]
    return found


def _clock_share(shares: NDArray[np.float64], depth: int) -> float:
    """Return how far between two times, at which these shares of a mode are learnt, one half is."""
    start, half, end = (_clock(float(min(one, 1.0 - ROUNDING)), depth) for one in (shares[0], 0.5, shares[1]))
    if not math.isfinite(start):
        start, half, end = float(shares[0]), 0.5, float(shares[1])
    return (half - start) / (end - start)


def _clock(share: float, depth: int) -> float:
    """Return the time at which balanced layers have learnt a share of a mode, but for its unit and zero."""
    if depth == 1:
        return -math.log1p(-share)
    if share <= 0.0:
        return -math.inf
    if depth == 2:
        return math.log(share / (1.0 - share))
    from scipy.special import hyp2f1

    power = 2.0 / depth - 1.0
    return float(share**power / (2 - depth) * hyp2f1(1.0, power, 2.0 / depth, share))


def first_above(times: NDArray[np.float64], values: NDArray[np.float64], level: float) -> float:
    """Return when values first reach a level from below, along straight lines between times; NaN where they do not.

    Where they are above it from the start they never reach it.
    """
    above = np.flatnonzero(values >= level)
    if above.size == 0 or above[0] == 0:
        return math.nan
    first = int(above[0])
    share = (level - values[first - 1]) / (values[first] - values[first - 1])
    return float(times[first - 1] + share * (times[first] - times[first - 1]))
