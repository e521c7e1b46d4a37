r"""The clock of balanced layers: how long it takes until so much of a mode is learnt, and back (eqs. 10 to 10d).

With ξ = log(a/(s - a)) and q = 1 - 2/D all modes of one depth D > 2 follow dF = (1 + exp(-ξ))^q dξ, where
F = D s^(2 - 2/D) t is the time, counted from half learning on.
"""

import functools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsmech.kernels.jit import deferred_inlined_kernel, deferred_kernel_of

Array = NDArray[np.float64]

CELLS = 16
"""Cells of the table for each unit of its variable: polynomials of fifth degree are off by 1e-13 of ξ there."""
FAR = 40
"""Where the table ends: beyond it one term is all that ξ is, to rounding."""
ROUNDING = 1e-17
"""A term of a series that is smaller is its last."""
SETTLED = 1e-9
"""A step of Newton's method, after which one more is the last."""
PLACE = 20.0
"""What a share, or a time, costs where it is interpreted, in the units of :mod:`tsmech.kernels.deferral`."""


class Clock(NamedTuple):
    """A depth, and a table of its clock; none at depths 1 and 2, which have closed forms."""

    depth: int
    power: float
    """q = 1 - 2/D."""
    half: float
    """The series (10b) at half learning, where the time is 0."""
    table: Array
    """Coefficients of ξ in the cells of its variable, shape (cells, 6)."""
    early: float
    """exp(-qξ)/q + F before the table."""
    late: float
    """ξ - F after the table."""


@functools.lru_cache(maxsize=16)
def clock_of(depth: int) -> Clock:
    """Return the clock of a depth; a process makes each table once."""
    power = 1.0 - 2.0 / depth
    if depth < 3:
        return Clock(depth, power, 0.0, np.empty((0, 6)), 0.0, 0.0)
    half = 2.0**power * math.fsum(0.5**k / (k - power) for k in range(60))
    clock, places = Clock(depth, power, half, np.empty((0, 6)), 0.0, 0.0), np.arange(FAR * CELLS + 1) / CELLS
    growth = np.exp(power * places[::-1])
    before = _cells(clock, -places[::-1], (1.0 - growth) / power, growth, -power * growth)
    after = _cells(clock, places, places, np.ones(places.size), np.zeros(places.size))
    first, last = before[0, 0], after[-1].sum()
    early = math.exp(-power * first) / power + (1.0 - float(growth[0])) / power
    return clock._replace(table=np.concatenate([before, after]), early=early, late=last - FAR)


def _cells(clock: Clock, places: Array, times: Array, slopes: Array, bends: Array) -> Array:
    """Return ξ as polynomials of fifth degree between places of a variable, with which F moves by slopes and bends."""
    found, step = places.copy(), np.ones(places.size)
    while abs(step).max() > SETTLED:  # F bends one way: from its start the method goes one way, and ends
        rest = np.exp(-found)
        shown = elapsed_of(1.0 / (1.0 + rest), rest / (1.0 + rest), clock)
        step = (shown - times) / (1.0 + rest) ** clock.power
        found -= step
    rest = np.exp(-found)
    rise = slopes / (1.0 + rest) ** clock.power
    curve = bends / (1.0 + rest) ** clock.power + clock.power * rest / (1.0 + rest) * rise**2
    h = 1.0 / CELLS
    (a, b), (p, q), (u, v) = ((one[:-1], one[1:]) for one in (found, h * rise, h * h * curve / 2.0))
    # what is left at the end of the cell: of the value, its slope and half its second derivative
    value, slope, bend = b - a - p - u, q - p - 2.0 * u, v - u
    return np.stack(
        [
            a,
            p,
            u,
            10.0 * value - 4.0 * slope + bend,
            -15.0 * value + 7.0 * slope - 2.0 * bend,
            6.0 * value - 3.0 * slope + bend,
        ],
        axis=1,
    )


@deferred_inlined_kernel
def elapsed(learnt: float, missing: float, clock: Clock) -> float:
    """Return F where these shares of a mode are learnt and missing, by series in the smaller one (eqs. 10a, 10b)."""
    power = clock.power
    if clock.depth == 1:
        return -math.log1p(-learnt)
    if clock.depth == 2:
        return math.log(learnt / missing)
    if learnt <= 0.5:
        total, term, k = -1.0 / power, learnt, 1.0
        while term > ROUNDING:
            total += term / (k - power)
            term, k = term * learnt, k + 1.0
        return float(learnt**-power * total - clock.half)
    if missing == 0.0:
        return math.inf
    total, term, other, k = -math.log(2.0 * missing), (1.0 + power) * missing, (1.0 + power) * 0.5, 1.0
    while other > ROUNDING:
        total += (other - term) / k
        k += 1.0
        term, other = term * missing * (power + k) / k, other * 0.5 * (power + k) / k
    return total


@deferred_inlined_kernel
def shown(time: float, clock: Clock) -> float:
    """Return ξ where the clock shows a time F (eqs. 10c, 10d)."""
    if clock.depth <= 2:
        return time
    cells = clock.table.shape[0] // 2
    if time >= 0.0:
        if time >= FAR:
            return time + clock.late
        place = time * CELLS
        cell = int(place)
        rest = place - cell
        cell += cells
    else:
        variable = -math.log(1.0 - clock.power * time) / clock.power
        if variable <= -FAR:
            return -math.log(clock.power * (clock.early - time)) / clock.power
        place = (variable + FAR) * CELLS
        cell = min(int(place), cells - 1)
        rest = place - cell
    table, square = clock.table, rest * rest  # in pairs, which do not wait for one another
    low = table[cell, 0] + table[cell, 1] * rest
    middle = table[cell, 2] + table[cell, 3] * rest
    return float(low + square * (middle + square * (table[cell, 4] + table[cell, 5] * rest)))


@deferred_inlined_kernel
def shares(time: float, clock: Clock) -> tuple[float, float]:
    """Return which shares of a mode are learnt and missing where the clock shows a time."""
    if clock.depth == 1:
        return -math.expm1(-time), math.exp(-time)
    found = shown(time, clock)
    rest = math.exp(-abs(found))
    more = 1.0 / (1.0 + rest)
    less = rest * more
    if found > 0.0:
        return more, less
    return less, more


@deferred_kernel_of(lambda learnt, missing, clock: PLACE * learnt.size)
def elapsed_of(learnt: Array, missing: Array, clock: Clock) -> Array:
    """Return F of shares of any number of modes, shape (n,)."""
    found = np.empty(learnt.size)
    for i in range(learnt.size):
        found[i] = elapsed(learnt[i], missing[i], clock)
    return found


@deferred_kernel_of(lambda times, clock: PLACE * times.size)
def shown_at(times: Array, clock: Clock) -> Array:
    """Return ξ at times F, shape (T, modes)."""
    found = np.empty(times.shape)
    for row in range(times.shape[0]):
        for mode in range(times.shape[1]):
            found[row, mode] = shown(times[row, mode], clock)
    return found
