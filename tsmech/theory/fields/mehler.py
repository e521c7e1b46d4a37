r"""The four-field average of online learning for a smooth pair (g, g'): the trapezoidal rule, and Mehler's formula.

:math:`E[g'_k g'_l \Delta^2]` is taken over a grid in the fields of both slopes.  Given these, with
:math:`g_{ip} = E[g(x_i)\, h_p(z_i)]`, h_p the normalised Hermite polynomials of the standardised fields, and their
correlations ρ,

.. math:: E[g_i\, g_j] = \sum_{p<P} \rho_{ij}^p\, g_{ip}\, g_{jp} + \rho_{ij}^P\, r_{ij}, \qquad
    r_{ij} = E[g(x_i)\, g(x_j)]_{z_i = z_j} - \sum_{p<P} g_{ip}\, g_{jp},

exact for every P at ρ = 0 and ρ = 1, from one-field integrals on one grid of z.  The matrix r is one of scalar
products, so E[Δ²] is never negative.  The trapezoidal rule converges exponentially in the distance of the poles from
the real axis over the step; Gauss and Hermite's needs the square of as many nodes.
``theory/online_sgd.md``, section 3.5.
"""

import numpy as np
from numpy.typing import NDArray

from tsmech.theory.fields.kinks import values
from tsmech.theory.fields.panels import Unit

FloatArray = NDArray[np.float64]

_CHUNK = 1 << 18


class Mehler:
    """A grid from -``edge`` to ``edge`` of so small a ``step``, and so many ``orders`` of polynomials."""

    def __init__(self, student: Unit, teacher: Unit, edge: float, step: float, orders: int) -> None:
        self._functions = student.functions[0], teacher.functions[0]
        self._slope = student.functions[1]
        self._z = np.arange(-edge, edge + 0.5 * step, step)
        weight = np.exp(-0.5 * self._z**2)
        self._weight = weight / weight.sum()
        hermite = np.ones((orders, self._z.size))
        hermite[1] = self._z
        for p in range(1, orders - 1):
            hermite[p + 1] = (self._z * hermite[p] - np.sqrt(p) * hermite[p - 1]) / np.sqrt(p + 1)
        self._project = (hermite * self._weight).T
        self._orders = orders

    def _respond(self, K: int, x: FloatArray) -> FloatArray:
        """Return g of all units at fields of shape (..., n, nodes)."""
        found = np.empty(x.shape)
        found[..., :K, :] = values(self._functions[0], x[..., :K, :])
        found[..., K:, :] = values(self._functions[1], x[..., K:, :])
        return found

    def fluctuation(self, C: FloatArray, c: FloatArray, K: int) -> FloatArray:
        """Return E[g'_k g'_l Δ²], shape (K, K)."""
        F = np.empty((K, K))
        for k in range(K):
            for m in range(k + 1):
                F[k, m] = F[m, k] = self._pair(k, m, C, c, K)
        return F

    def _pair(self, k: int, m: int, C: FloatArray, c: FloatArray, K: int) -> float:
        z = self._z
        along = C[:, k] / np.sqrt(C[k, k]) if C[k, k] > 0.0 else np.zeros(c.size)
        rest = C[:, m] - along * along[m]
        x, weight = along * z[:, None], self._weight
        C = C - np.outer(along, along)
        if m != k and rest[m] > 1e-14 * (rest[m] + along[m] ** 2):
            beside = rest / np.sqrt(rest[m])
            C = C - np.outer(beside, beside)
            x = (x[:, None, :] + beside * z[:, None]).reshape(-1, c.size)
            weight = np.outer(weight, weight).ravel()
        slopes = weight * values(self._slope, x[:, k]) * values(self._slope, x[:, m])
        kept = np.abs(slopes) > 1e-19 * np.abs(slopes).max()
        x, slopes = x[kept], slopes[kept]
        size = max(1, _CHUNK // (c.size * z.size))
        chunks = [slice(at, at + size) for at in range(0, len(x), size)]
        return float(sum(slopes[some] @ self._square(x[some], C, c, K) for some in chunks))

    def _square(self, x: FloatArray, C: FloatArray, c: FloatArray, K: int) -> FloatArray:
        """Return E[Δ²] of fields with the centres x, shape (points, n), and the covariance C."""
        deviation, rho = _scaled(C)
        g = c[:, None] * self._respond(K, x[..., None] + deviation[:, None] * self._z)
        a = g @ self._project
        total = (a[..., 0].sum(axis=-1)) ** 2
        for i in range(c.size):
            for j in range(i + 1):
                if rho[i, j] == 0.0:
                    continue
                power = rho[i, j] ** np.arange(self._orders + 1)
                product = (g[:, i] * g[:, j]) @ self._weight * power[-1]
                product += (a[:, i, 1:] * a[:, j, 1:]) @ (power[1:-1] - power[-1]) - a[:, i, 0] * a[:, j, 0] * power[-1]
                total += product if i == j else 2.0 * product
        return np.asarray(total)


def _scaled(C: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the standard deviations and the correlations of fields with covariance C, 0 with one that is fixed."""
    variance = np.diag(C)
    deviation = np.sqrt(np.where(variance > 1e-15 * np.abs(variance).max(initial=1e-300), variance, 0.0))
    size = np.outer(deviation, deviation)
    rho = np.clip(np.divide(C, size, out=np.zeros_like(C), where=size > 0.0), -1.0, 1.0)
    rho[range(len(C)), range(len(C))] = deviation > 0.0
    return deviation, rho
