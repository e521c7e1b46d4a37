r"""E[Δ²] over pairs of fields on a lattice of the plane: the rule by which simulations measure their error.

It shares nothing with the rules of the ODEs, so that a mistake in either is seen.  In the sum and the difference of
two fields of one deviation a smooth function's average over a lattice converges exponentially; the lattice
is turned, so that no direction of the fields is one of its own.
"""

import numpy as np
from numpy.typing import NDArray

from tsmech.theory.fields.kinks import Function, values

FloatArray = NDArray[np.float64]

_SPACING = 0.18
_RADIUS = 8.0


class Lattice:
    """Averages for student and teacher units given as pairs (g, g') of smooth functions of arrays."""

    def __init__(self, student: tuple[Function, Function], teacher: tuple[Function, Function]) -> None:
        self._g = student[0], teacher[0]
        line = np.arange(-_RADIUS, _RADIUS, _SPACING)
        u, v = (axis.ravel() for axis in np.meshgrid(line, line))
        golden = 0.5 * (1.0 + np.sqrt(5.0))
        u, v = (golden * u - v) / np.hypot(golden, 1.0), (u + golden * v) / np.hypot(golden, 1.0)
        weight = np.exp(-0.5 * (u * u + v * v))
        inside = u * u + v * v < _RADIUS**2
        self._sum, self._difference = u[inside], v[inside]
        self._weight = weight[inside] / weight[inside].sum()

    def squared_output(self, C: FloatArray, c: FloatArray, K: int) -> float:
        """Return E[Δ²] of Δ = Σ_i c_i g_i(x_i), as :func:`tsmech.theory.fields.gaussian.squared_output`."""
        deviation = np.sqrt(np.maximum(np.diag(C), 0.0))
        total = 0.0
        for i in range(c.size):
            for j in range(i + 1):
                size = deviation[i] * deviation[j]
                rho = 1.0 if i == j else min(1.0, max(-1.0, C[i, j] / size)) if size > 0.0 else 0.0
                along, across = np.sqrt(0.5 * (1.0 + rho)) * self._sum, np.sqrt(0.5 * (1.0 - rho)) * self._difference
                g = values(self._g[0 if i < K else 1], deviation[i] * (along + across))
                h = values(self._g[0 if j < K else 1], deviation[j] * (along - across))
                total += (2.0 if j < i else 1.0) * c[i] * c[j] * float(self._weight @ (g * h))
        return total
