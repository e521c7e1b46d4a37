"""Whole steps and what decays in them: definitions that theory, simulations and the times of reports share."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Numbers = Array | NDArray[np.complex128]

ROUNDING = 1e-12
"""Share of a time by which it may fall short of the end of a step, and yet be it."""


def completed_steps(times: ArrayLike, step: float) -> NDArray[np.float64]:
    """Return how many steps of a length are done at each time; one that ends there to rounding is."""
    exact = np.asarray(times, dtype=np.float64) / step
    whole: NDArray[np.float64] = np.minimum(np.floor(exact * (1.0 + ROUNDING)), np.rint(exact))
    return whole


def decay(times: Array, rates: Numbers, step: float) -> tuple[Numbers, Numbers]:
    """Return what is left of modes that decay at `rates`, shape (K,), at times of shape (T,), and what is gone: (T, K).

    exp(-rate t), or (1 - step rate) to the power of the number of steps, by its logarithm; 0 at t = inf but for a rate
    of 0 and for steps that are not stable (theory/gradient_flow.md, eq. 6).
    """
    ends = np.isinf(times)
    finite = np.where(ends, 0.0, times)
    if step == 0:
        exponent = -np.multiply.outer(finite, rates)
    else:
        exponent = np.multiply.outer(completed_steps(finite, step), _log_of_step(step * rates))
    with np.errstate(over="ignore"):
        left, gone = np.exp(exponent), -np.expm1(exponent)
    if np.isrealobj(rates):
        left, gone = left.real, gone.real
    stable = abs(1 - step * rates) <= 1 + 1e-9
    left[ends] = np.where(rates == 0, 1.0, np.where(stable, 0.0, np.inf))
    gone[ends] = 1 - left[ends]
    return left, gone


def _log_of_step(x: Numbers) -> Numbers:
    """Return log(1 - x), accurate for small x; what one step removes is kept at exp(-700)."""
    if np.isrealobj(x) and np.all(x < 0.5):
        return np.asarray(np.log1p(-x))
    left = 1 - np.asarray(x, dtype=complex)
    small = abs(x) < 0.5
    near = 0.5 * np.log1p(np.where(small, abs(x) ** 2 - 2 * np.real(x), 0.0))
    size: Array = np.where(small, near, np.log(np.maximum(abs(left), 1e-304)))
    return np.asarray(size + 1j * np.angle(left))


def examples_of(share: float, examples: int) -> int:
    """Return how many of P examples a share b of them is, ⌈b P⌉; what is whole but for rounding is whole."""
    return max(1, math.ceil(share * examples * (1.0 - 4.0 * ROUNDING)))
