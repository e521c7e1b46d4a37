r"""E[Δ²] in the plane of two fields: the rule by which simulations measure their error.

It shares nothing with the rules of the ODEs, so that a mistake in either is seen.  Both fields are written by the sum u
and the difference v of their standardised forms, which are independent,

.. math:: x_i = \sigma_i (p u + q v), \qquad x_j = \sigma_j (p u - q v), \qquad p^2, q^2 = (1 \pm \rho_{ij}) / 2 .

A smooth function's average over a lattice of this plane converges exponentially; the lattice is turned, so that no
direction of the fields is one of its own.  Kinks are lines in the plane: the one of u and v that they depend on more is
integrated between them, the other between the points where they cross, by Gauss and Legendre's rule.
"""

import math

import numpy as np
from numpy.typing import NDArray

from tsmech.kernels.activations import Function
from tsmech.theory.fields.kinks import kinks, values

FloatArray = NDArray[np.float64]
Rule = tuple[FloatArray, FloatArray, FloatArray]

_SPACING = 0.18
_RADIUS = 8.0
_NODE, _WEIGHT = np.polynomial.legendre.leggauss(14)
_EDGES = np.linspace(-8.4, 8.4, 13)


class Lattice:
    """Averages for student and teacher units given as pairs (g, g') of functions of arrays."""

    def __init__(self, student: tuple[Function, Function], teacher: tuple[Function, Function]) -> None:
        self._g = student[0], teacher[0]
        self._kinks = kinks(*student), kinks(*teacher)
        self._smooth = _lattice()

    def squared_output(self, C: FloatArray, c: FloatArray, K: int) -> float:
        """Return E[Δ²] of Δ = Σ_i c_i g_i(x_i), as :func:`tsmech.theory.fields.gaussian.squared_output`."""
        deviation = np.sqrt(np.maximum(np.diag(C), 0.0))
        total = 0.0
        for i in range(c.size):
            for j in range(i + 1):
                size = deviation[i] * deviation[j]
                rho = 1.0 if i == j else min(1.0, max(-1.0, C[i, j] / size)) if size > 0.0 else 0.0
                p, q = math.sqrt(0.5 * (1.0 + rho)), math.sqrt(0.5 * (1.0 - rho))
                own, other = int(i >= K), int(j >= K)
                a, b = (
                    self._kinks[of] / s if s > 0.0 else np.empty(0)
                    for of, s in ((own, deviation[i]), (other, deviation[j]))
                )
                u, v, weight = _between(a, b, p, q) if a.size or b.size else self._smooth
                g = values(self._g[own], deviation[i] * (p * u + q * v))
                h = values(self._g[other], deviation[j] * (p * u - q * v))
                total += (2.0 if j < i else 1.0) * c[i] * c[j] * float(weight @ (g * h))
        return total


def _lattice() -> Rule:
    """Return u, v and weights of a turned lattice."""
    line = np.arange(-_RADIUS, _RADIUS, _SPACING)
    u, v = (axis.ravel() for axis in np.meshgrid(line, line))
    golden = 0.5 * (1.0 + math.sqrt(5.0))
    u, v = (golden * u - v) / math.hypot(golden, 1.0), (u + golden * v) / math.hypot(golden, 1.0)
    weight = np.exp(-0.5 * (u * u + v * v))
    inside = u * u + v * v < _RADIUS**2
    return u[inside], v[inside], weight[inside] / weight[inside].sum()


def _between(a: FloatArray, b: FloatArray, p: float, q: float) -> Rule:
    """Return u, v and weights of a rule broken where p u + q v is one of a, or p u - q v one of b."""
    if p < q:  # in the other field's opposite u and v change places
        v, u, weight = _between(a, -b, q, p)
        return u, v, weight
    crossings = (a[:, None] - b).ravel() / (2.0 * q) if q > 0.0 else np.empty(0)
    v, outer = _panels(crossings[None])
    v = v[0]
    u, inner = _panels(np.concatenate([a - q * v[:, None], b + q * v[:, None]], axis=1) / p)
    return u.ravel(), np.repeat(v, u.shape[1]), (outer.T * inner).ravel()


def _panels(breaks: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return nodes and weights of standard normal numbers, shape (m, nodes), by panels broken at breaks, (m, n)."""
    edges = np.broadcast_to(_EDGES, (len(breaks), _EDGES.size))
    ends = np.sort(np.concatenate([edges, np.clip(breaks, _EDGES[0], _EDGES[-1])], axis=1), axis=1)
    half = 0.5 * np.diff(ends)[..., None]
    z = (ends[:, :-1, None] + half * (1.0 + _NODE)).reshape(len(breaks), -1)
    weight = (half * _WEIGHT).reshape(z.shape) * np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    return z, weight
