"""Activation functions as integer tags, so that compiled kernels are found in Numba's cache.

A jitted function that is passed as an argument is recompiled in every process; a tag is not.
"""

import math

from tsmech.kernels.jit import kernel

ERF, RELU, LINEAR, QUADRATIC, TANH, LEAKY_RELU = range(6)

TAGS = {"erf": ERF, "relu": RELU, "linear": LINEAR, "quadratic": QUADRATIC, "tanh": TANH, "leaky_relu": LEAKY_RELU}

LEAK = 0.01
"""The slope of leaky ReLU where a ReLU is zero."""

_SQRT_HALF = math.sqrt(0.5)
_SQRT_TWO_OVER_PI = math.sqrt(2.0 / math.pi)


@kernel
def activate(tag: int, x: float) -> float:
    r"""Return :math:`g(x)`: erf(x/√2), max(x, 0), x, x², tanh x or max(x, x/100), by tag."""
    if tag == ERF:
        return math.erf(x * _SQRT_HALF)
    if tag == RELU:
        return max(x, 0.0)
    if tag == LINEAR:
        return x
    if tag == TANH:
        return math.tanh(x)
    if tag == LEAKY_RELU:
        return max(x, LEAK * x)
    return x * x


@kernel
def slope(tag: int, x: float) -> float:
    r"""Return :math:`g'(x)`, the derivative of :func:`activate`; for ReLUs the left one at 0."""
    if tag == ERF:
        return _SQRT_TWO_OVER_PI * math.exp(-0.5 * x * x)
    if tag == RELU:
        return 1.0 if x > 0.0 else 0.0
    if tag == LINEAR:
        return 1.0
    if tag == TANH:
        return 1.0 - math.tanh(x) ** 2
    if tag == LEAKY_RELU:
        return 1.0 if x > 0.0 else LEAK
    return 2.0 * x
