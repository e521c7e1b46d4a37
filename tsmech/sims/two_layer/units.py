r"""What a hidden unit answers to its field, g(x) and g'(x) at once, in the kernels of online learning.

A built-in activation is an integer tag (:mod:`tsmech.kernels.activations`).  erf is evaluated here by a Taylor
polynomial about the nearest of 145 tabulated points, without branches: the library's erf and exp branch on their
argument, and a processor that has to guess the branch of a random field guesses wrong too often.

A pair of Python functions (g, g') may take the tag's place.  It is compiled, and so is, once in every process, each
kernel that uses it; only kernels with tags are found in Numba's cache.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import overload
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.kernels.activations import (
    ERF,
    LEAK,
    LEAKY_RELU,
    LINEAR,
    QUADRATIC,
    RELU,
    SIGN,
    TANH,
    built_in,
)
from tsmech.kernels.jit import inlined_kernel
from tsmech.kernels.rule import Rule
from tsmech.kernels.tanh import tanh

Activation = str | tuple[Callable[[float], float], Callable[[float], float]]

Unit = int | Callable[[float], tuple[float, float]]

inlined = numba.njit(inline="always")
"""Decorates what a kernel calls with a unit: it becomes part of the kernel, and no unit ends up in Numba's cache."""

_POINTS_PER_ONE = 16
_LARGEST = 9.0
_DEGREE = 8


def _taylor_table() -> NDArray[np.float64]:
    r"""Return the Taylor coefficients of erf(x/√2) about a = 0, 1/16, ..., 9, shape (145, _DEGREE + 1).

    .. math:: \mathrm{erf}\frac{a+h}{\sqrt2} = \mathrm{erf}\frac{a}{\sqrt2}
              + \sqrt{\frac2\pi}\,e^{-a^2/2}\sum_{k\ge0} (-1)^k \mathrm{He}_k(a) \frac{h^{k+1}}{(k+1)!}

    The first term left out is below 1e-17 in g and 2e-15 in g', since \|h\| ≤ 1/32.
    """
    points = np.arange(int(_LARGEST * _POINTS_PER_ONE) + 1) / _POINTS_PER_ONE
    hermite = [np.ones_like(points), points]
    for k in range(1, _DEGREE - 1):
        hermite.append(points * hermite[k] - k * hermite[k - 1])
    slopes = math.sqrt(2.0 / math.pi) * np.exp(-0.5 * points**2)
    columns = [np.array([math.erf(a * math.sqrt(0.5)) for a in points])]
    columns += [(-1) ** k * hermite[k] * slopes / math.factorial(k + 1) for k in range(_DEGREE)]
    return np.stack(columns, axis=1)


_TAYLOR = _taylor_table()


@inlined_kernel
def _erf_and_slope(x: float) -> tuple[float, float]:
    size = min(_LARGEST, abs(x))
    nearest = int(size * _POINTS_PER_ONE + 0.5)
    h = size - nearest / _POINTS_PER_ONE
    value, derivative = _TAYLOR[nearest, _DEGREE], 0.0
    for k in range(_DEGREE - 1, -1, -1):
        derivative = derivative * h + value
        value = value * h + _TAYLOR[nearest, k]
    return math.copysign(value, x), derivative


@inlined_kernel
def _respond_by_tag(tag: int, x: float) -> tuple[float, float]:
    """Return g(x) and g'(x): for ReLUs the left one at 0, for sign that beside its jump; NaN where no tag is known."""
    if tag == ERF:
        return _erf_and_slope(x)
    if tag == RELU:
        return max(x, 0.0), 1.0 if x > 0.0 else 0.0
    if tag == LINEAR:
        return x, 1.0
    if tag == TANH:
        value = tanh(x)
        return value, 1.0 - value * value
    if tag == LEAKY_RELU:
        return max(x, LEAK * x), 1.0 if x > 0.0 else LEAK
    if tag == QUADRATIC:
        return x * x, 2.0 * x
    if tag == SIGN:
        return math.copysign(1.0, x) if x != 0.0 else 0.0, 0.0
    return math.nan, math.nan


def respond(unit: Unit, x: float) -> tuple[float, float]:
    """Return g(x) and g'(x) of a tag or of a compiled function of x; for compiled code."""
    return unit(x) if callable(unit) else _respond_by_tag(unit, x)


@overload(respond, inline="always")
def _respond(unit, x):  # type: ignore[no-untyped-def]
    if isinstance(unit, types.Integer):
        return lambda unit, x: _respond_by_tag(unit, x)
    return lambda unit, x: unit(x)


def compile_unit(activation: Activation) -> Unit:
    """Return the tag of a named activation, or a pair (g, g') of Python functions as one compiled function.

    Raises
    ------
    InputError
        If the name is unknown, or the pair is not two functions that Numba can compile for a float.
    """
    if isinstance(activation, str):
        return built_in(activation).tag
    return _compile_pair(*activation)


@functools.cache
def _compile_pair(g: Callable[[float], float], slope_of_g: Callable[[float], float]) -> Unit:
    try:
        first, second = map(_compile, (g, slope_of_g))

        def both(x: float) -> tuple[float, float]:
            return first(x), second(x)

        unit = numba.njit(error_model="numpy")(both)
        unit(0.5)
    except (numba.core.errors.NumbaError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"activation {g!r}, {slope_of_g!r} cannot be compiled by Numba, as simulations need it: {reason}"
        ) from error
    return unit


def _compile(function: Any) -> Any:
    """Return a function compiled for Numba's kernels, a universal function of NumPy within one of Python."""
    if hasattr(function, "py_func"):
        return function
    if isinstance(function, np.ufunc):
        return numba.njit(error_model="numpy")(lambda x: function(x))
    return numba.njit(error_model="numpy")(function)


def specialise(kernel_: Any, rule: Rule) -> Any:
    """Return the kernel itself if the units of the rule are tags, else its uncached twin, compiled in every process."""
    return kernel_ if isinstance(rule.student, int) and isinstance(rule.teacher, int) else _uncached(kernel_)


@functools.cache
def _uncached(kernel_: Any) -> Any:
    return numba.jit(**kernel_.targetoptions)(kernel_.py_func)
