"""What a layer does to all examples between two matrix products, each in one passage through memory.

A row of numbers is worked on in the lanes of vector registers, so no formula here branches.
"""

import math

import numpy as np
from numpy.typing import NDArray

from tsmech.kernels.activations import ERF, RELU
from tsmech.kernels.jit import inlined_kernel, kernel

Array = NDArray[np.float64]

_POINTS_PER_ONE, _LARGEST = 16, 9.0
_POINTS = np.arange(int(_LARGEST * _POINTS_PER_ONE) + 1) / _POINTS_PER_ONE
_ERF = np.array([math.erf(a * math.sqrt(0.5)) for a in _POINTS])
_SLOPE = math.sqrt(2.0 / math.pi) * np.exp(-0.5 * _POINTS**2)


@inlined_kernel
def _erf_and_slope(x: float) -> tuple[float, float]:
    """Return erf(x/√2) and its derivative by their Taylor series about the nearest of 145 points a.

    With h = |x| - a they are g(a) + g'(a) h Σ e_k/(k + 1) and g'(a) Σ e_k, e_k = (-h)^k He_k(a)/k!, where
    k e_k = -(a h e_(k-1) + h² e_(k-2)): two numbers are read from memory.  As |h| ≤ 1/32, what is left out is below
    1e-17 in g and 1e-16 in g'.
    """
    size = min(_LARGEST, abs(x))
    nearest = int(size * _POINTS_PER_ONE + 0.5)
    a = nearest * (1.0 / _POINTS_PER_ONE)
    h = size - a
    ah, hh = a * h, h * h
    e1 = -ah
    e2 = (ah * e1 + hh) * (-1.0 / 2.0)
    e3 = (ah * e2 + hh * e1) * (-1.0 / 3.0)
    e4 = (ah * e3 + hh * e2) * (-1.0 / 4.0)
    e5 = (ah * e4 + hh * e3) * (-1.0 / 5.0)
    e6 = (ah * e5 + hh * e4) * (-1.0 / 6.0)
    e7 = (ah * e6 + hh * e5) * (-1.0 / 7.0)
    e8 = (ah * e7 + hh * e6) * (-1.0 / 8.0)
    upper = (e5 + e6) + (e7 + e8)
    upper_mean = (e5 * (1.0 / 6.0) + e6 * (1.0 / 7.0)) + (e7 * (1.0 / 8.0) + e8 * (1.0 / 9.0))
    derivative = 1.0 + (e1 + (e2 + (e3 + (e4 + upper))))
    mean = 1.0 + (e1 * (1.0 / 2.0) + (e2 * (1.0 / 3.0) + (e3 * (1.0 / 4.0) + (e4 * (1.0 / 5.0) + upper_mean))))
    there = _SLOPE[nearest]
    return math.copysign(_ERF[nearest] + there * h * mean, x), there * derivative


@kernel
def respond(tag: int, factor: float, bias: Array, fields: Array, slopes: Array) -> None:
    """Turn products into fields x = factor · product + bias, and for erf and ReLU these into g(x), with g'(x) beside.

    Parameters
    ----------
    tag
        Of the activation; fields of others than ERF and RELU stay what they are.
    factor, bias
        Of the layer; shape (units,).
    fields, slopes
        Shape (examples, units): products on entry; slopes are written.
    """
    for row in range(fields.shape[0]):
        x, d = fields[row], slopes[row]
        if tag == ERF:
            for i in range(x.size):
                x[i], d[i] = _erf_and_slope(factor * x[i] + bias[i])
        elif tag == RELU:
            for i in range(x.size):
                field = factor * x[i] + bias[i]
                x[i] = max(field, 0.0)
                d[i] = 1.0 if field > 0.0 else 0.0
        else:
            for i in range(x.size):
                x[i] = factor * x[i] + bias[i]


@kernel
def return_output(pull: Array, weights: Array, slopes: Array, factors: tuple[float, float], to_bias: Array) -> Array:
    """Return what units below one output are pulled with, times the factor of their layer.

    Parameters
    ----------
    pull, weights, slopes
        Of the output, shape (examples,); of it to units, shape (units,), its factor included; shape (examples, units).
    factors
        Of the units' weights and biases.
    to_bias
        Gradient with respect to the units' biases, shape (units,); written.
    """
    back = np.empty_like(slopes)
    to_bias[:] = 0.0
    for row in range(back.shape[0]):
        of_output, b, d = pull[row], back[row], slopes[row]
        for i in range(b.size):
            b[i] = of_output * weights[i]
        _through(factors, d, b, to_bias)
    return back


@kernel
def return_units(back: Array, slopes: Array, factors: tuple[float, float], to_bias: Array) -> None:
    """Take what the units' outputs are pulled with through the units, in place, as :func:`return_output` does."""
    to_bias[:] = 0.0
    for row in range(back.shape[0]):
        _through(factors, slopes[row], back[row], to_bias)


@inlined_kernel
def _through(factors: tuple[float, float], slopes: Array, back: Array, to_bias: Array) -> None:
    of_weights, of_biases = factors
    for i in range(back.size):
        pulled = back[i] * slopes[i]
        to_bias[i] += of_biases * pulled
        back[i] = of_weights * pulled
