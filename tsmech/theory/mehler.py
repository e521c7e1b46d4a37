r"""The averages of online learning for a smooth pair (g, g'): the trapezoidal rule, and Mehler's formula.

Averages of two fields are taken one integral within the other.  :math:`E[g'_k g'_l \Delta^2]` is taken over a grid in
the fields of both slopes.  Given these, with :math:`g_{ip} = E[g(x_i)\, h_p(z_i)]`, h_p the normalised Hermite
polynomials of the standardised fields, and their correlations ρ,

.. math:: E[g_i\, g_j] = \sum_{p<P} \rho_{ij}^p\, g_{ip}\, g_{jp} + \rho_{ij}^P\, r_{ij}, \qquad
    r_{ij} = E[g(x_i)\, g(x_j)]_{z_i = z_j} - \sum_{p<P} g_{ip}\, g_{jp},

exact for every P at ρ = 0 and ρ = 1, from one-field integrals on one grid of z.  The matrix r is one of scalar
products, so E[Δ²] is never negative.  The trapezoidal rule converges exponentially in the distance of the poles from
the real axis over the step; Gauss and Hermite's needs the square of as many nodes.
``theory/online_sgd.md``, section 3.5.
"""

import numpy as np
from numpy.typing import NDArray

from tsmech.theory.kinks import Function, values
from tsmech.theory.panels import Unit

FloatArray = NDArray[np.float64]

_CHUNK = 1 << 18
_NEGLIGIBLE = 1e-13
"""Points of the grid with less than this part of the largest contribution are left out."""


class Mehler:
    """A grid from -``edge`` to ``edge`` of so small a ``step``, and so many ``orders`` of polynomials."""

    def __init__(self, student: Unit, teacher: Unit, edge: float, step: float, orders: int) -> None:
        self._functions = student.functions[0], teacher.functions[0]
        self._slopes = student.functions[1], teacher.functions[1]
        half = np.ceil(edge / step)
        self._z = step * np.arange(-half, half + 1.0)
        weight = np.exp(-0.5 * self._z**2)
        self._weight = weight / weight.sum()
        hermite = np.ones((orders, self._z.size))
        hermite[1] = self._z
        for p in range(1, orders - 1):
            hermite[p + 1] = (self._z * hermite[p] - np.sqrt(p) * hermite[p - 1]) / np.sqrt(p + 1)
        self._project = (hermite * self._weight).T
        self._orders = orders

    def _respond(self, functions: tuple[Function, Function], K: int, x: FloatArray) -> FloatArray:
        """Return the student's and the teacher's function of fields of shape (..., n, nodes)."""
        found = np.empty(x.shape)
        found[..., :K, :] = values(functions[0], x[..., :K, :])
        found[..., K:, :] = values(functions[1], x[..., K:, :])
        return found

    def _fixed(self, i: int, C: FloatArray, c: FloatArray, K: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return E[g_i Δ], E[g'_i x_i Δ] and E[g'_i g'_j] for all j, one integral within the other."""
        deviation, rho = _scaled(C)
        x = (deviation * rho[i]) * self._z[:, None]
        spread = deviation * np.sqrt((1.0 - rho[i]) * (1.0 + rho[i]))
        fields = x[..., None] + spread[:, None] * self._z
        error = self._respond(self._functions, K, fields) @ self._weight @ c
        slopes = self._respond(self._slopes, K, fields) @ self._weight
        own = deviation[i] * self._z
        g, slope = (self._weight * values(f[0 if i < K else 1], own) for f in (self._functions, self._slopes))
        return g @ error, (slope * own) @ error, slope @ slopes

    def squared_output(self, C: FloatArray, c: FloatArray, K: int) -> float:
        """Return E[Δ²] of Δ = Σ_i c_i g_i(x_i)."""
        return float(sum(c[i] * self._fixed(i, C, c, K)[0] for i in range(c.size)))

    def drift_averages(self, C: FloatArray, c: FloatArray, K: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return E[g''_k Δ], E[g'_k g'_j] and E[g_k Δ]."""
        found = [self._fixed(k, C, c, K) for k in range(K)]
        output, along, slopes = (np.array(part) for part in zip(*found, strict=True))
        variance = np.diag(C)[:K]
        curvature = np.divide(along - (slopes * C[:K]) @ c, variance, out=np.zeros(K), where=variance > 0.0)
        return curvature, slopes, output

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
        slopes = weight * values(self._slopes[0], x[:, k]) * values(self._slopes[0], x[:, m])
        spread = np.sqrt(np.maximum(np.diag(C), 0.0))
        near = self._respond(self._functions, K, np.stack([x - spread, x + spread], axis=-1))
        part = np.abs(slopes) * (c**2 @ (near**2).sum(axis=-1).T)
        kept = part > _NEGLIGIBLE * part.max()
        x, slopes = x[kept], slopes[kept]
        size = max(1, _CHUNK // (c.size * z.size))
        chunks = [slice(at, at + size) for at in range(0, len(x), size)]
        return float(sum(slopes[some] @ self._square(x[some], C, c, K) for some in chunks))

    def _square(self, x: FloatArray, C: FloatArray, c: FloatArray, K: int) -> FloatArray:
        """Return E[Δ²] of fields with the centres x, shape (points, n), and the covariance C."""
        deviation, rho = _scaled(C)
        g = c[:, None] * self._respond(self._functions, K, x[..., None] + deviation[:, None] * self._z)
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
