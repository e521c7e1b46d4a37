"""tanh without branches: the library's take long, and cannot be evaluated in the lanes of vector registers."""

import math

import numpy as np

from tsmech.kernels.jit import inlined_kernel

_POINTS_PER_ONE, _LARGEST = 16, 20.0
_TANH = np.array([math.tanh(point / _POINTS_PER_ONE) for point in range(int(_LARGEST * _POINTS_PER_ONE) + 1)])


@inlined_kernel
def tanh(x: float) -> float:
    """Return tanh(x) from the nearest of 321 points a and h = abs(x) - a by the addition theorem.

    With H = tanh(h), of which the next term of the series is below 1e-17 H as abs(h) ≤ 1/32, and A = tanh(a) it is
    A + H (1 - A²)/(1 + A H), to two units in the last place.  What is no number becomes 1.
    """
    size = min(_LARGEST, abs(x))
    nearest = int(size * _POINTS_PER_ONE + 0.5)
    h = size - nearest * (1.0 / _POINTS_PER_ONE)
    hh = h * h
    step = h + h * hh * (-1.0 / 3.0 + hh * (2.0 / 15.0 + hh * (-17.0 / 315.0 + hh * (62.0 / 2835.0))))
    there = _TANH[nearest]
    return math.copysign(there + step * (1.0 - there * there) / (1.0 + there * step), x)
