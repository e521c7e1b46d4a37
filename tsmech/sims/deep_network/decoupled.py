"""Aligned modes of a deep linear network, each by itself: gradient descent of the strengths of its layers."""

import numpy as np
from numpy.typing import NDArray

from tsmech.kernels.jit import inlined_kernel, kernel

Array = NDArray[np.float64]

ORDER = 20
"""Highest power of the time in series of gradient flow."""
EXACT = 1e-16
"""Last terms of a series, as a share of its first or second, up to which it is used."""
ROUNDING = 4e-16
"""Share of a number by which it is certainly not itself: of a mode, for each layer, and of a time."""


def decoupled(layers: Array, strengths: Array, times: Array, step: float) -> Array:
    """Return the strengths of aligned modes, layer by layer, at the times, shape (T, depth, modes) (eq. 3).

    It has fewer rows where a mode diverges.
    """
    if step == 0:
        flow = np.empty((times.size, *layers.shape))
        _decoupled_flow(layers, strengths, times, flow)
        return flow
    state, found, before = layers.copy(), [], 0.0
    bound = 1e6 * max(1.0, float(abs(layers).max()), float(strengths.max()))
    for time in times:
        _decoupled_descend(state, strengths, step, round((time - before) / step))
        before = time
        if not abs(state).max() <= bound:
            break
        found.append(state.copy())
    return np.array(found).reshape(-1, *layers.shape)


@inlined_kernel
def _at(series: Array, time: float) -> float:
    value: float = series[ORDER]
    for k in range(ORDER - 1, -1, -1):
        value = value * time + series[k]
    return value


@inlined_kernel
def _convolved(left: Array, right: Array, k: int) -> float:
    """Return order k of a product of two series."""
    total = 0.0
    for i in range(k + 1):
        total += left[i] * right[k - i]
    return total


@kernel
def _expand(state: Array, before: Array, after: Array, strength: float) -> tuple[float, float]:
    """Fill in the series of a mode's layers from their values; return its unit of time and how far it is exact.

    Orders k of products follow from orders up to k of the layers, and order k + 1 of the layers from these (eq. 3).
    """
    depth, unit = len(state), 1.0
    error, others = np.empty(ORDER), np.empty((depth, ORDER))
    for k in range(ORDER):
        for layer in range(depth):
            before[layer + 1, k] = _convolved(before[layer], state[layer], k)
        for layer in range(depth - 1, -1, -1):
            after[layer, k] = _convolved(after[layer + 1], state[layer], k)
            others[layer, k] = _convolved(before[layer], after[layer + 1], k)
        error[k] = -before[depth, k]
        if k == 0:
            error[0] += strength
            if abs(error[0]) <= ROUNDING * depth * strength:
                error[0] = 0.0
            pull, length = np.sum(others[:, 0] ** 2), np.sum(state[:, 0] ** 2)
            rate = pull + abs(error[0]) * np.sqrt(pull / max(length, 1e-300))
            if length > 0.0 and rate > 0.0:
                unit = 1.0 / rate
        for layer in range(depth):
            state[layer, k + 1] = unit / (k + 1) * _convolved(error, others[layer], k)
    reach = np.inf
    for layer in range(depth):
        value, slope = abs(state[layer, 0]), abs(state[layer, 1])
        for k in (ORDER - 1, ORDER):
            last = abs(state[layer, k])
            if last > 0.0:
                reach = min(reach, max((EXACT * value / last) ** (1 / k), (EXACT * slope / last) ** (1 / (k - 1))))
    return unit, unit * reach


@kernel
def _decoupled_flow(layers: Array, strengths: Array, times: Array, found: Array) -> None:
    """Follow gradient flow of each mode by power series in time, one after another, and fill in its layers.

    A mode grows by factors through its plateau, of which the end multiplies every error: series are used as far as they
    are exact to rounding, relative to each layer.
    """
    depth, modes = layers.shape
    state, before, after = np.empty((depth, ORDER + 1)), np.zeros((depth + 1, ORDER)), np.zeros((depth + 1, ORDER))
    before[0, 0], after[depth, 0] = 1.0, 1.0
    for mode in range(modes):
        state[:, 0] = layers[:, mode]
        begun = 0.0
        unit, reach = _expand(state, before, after, strengths[mode])
        for place in range(times.size):
            while times[place] > begun + reach:
                for layer in range(depth):
                    state[layer, 0] = _at(state[layer], reach / unit)
                begun = max(begun + reach, begun * (1.0 + ROUNDING))
                unit, reach = _expand(state, before, after, strengths[mode])
            for layer in range(depth):
                found[place, layer, mode] = _at(state[layer], (times[place] - begun) / unit)


@kernel
def _decoupled_descend(state: Array, strengths: Array, step: float, count: int) -> None:
    """Make `count` steps of each mode: w_l += step (s - w_1 ... w_D) times the product of the other layers."""
    depth, modes = state.shape
    before, after = np.empty(depth + 1), np.empty(depth + 1)
    for mode in range(modes):
        for _ in range(count):
            before[0], after[depth] = 1.0, 1.0
            for layer in range(depth):
                before[layer + 1] = before[layer] * state[layer, mode]
            for layer in range(depth - 1, -1, -1):
                after[layer] = after[layer + 1] * state[layer, mode]
            error = step * (strengths[mode] - before[depth])
            for layer in range(depth):
                state[layer, mode] += error * before[layer] * after[layer + 1]
