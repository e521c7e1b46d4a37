r"""The averages of online learning for a smooth pair (g, g'): the trapezoidal rule, and Mehler's formula.

Averages of two fields are taken one integral within the other.  :math:`E[g'_k g'_l \Delta^2]` is taken over a grid in
the fields of both slopes.  Given these, with :math:`g_{ip} = E[g(x_i)\, h_p(z_i)]`, h_p the normalised Hermite
polynomials of the standardised fields, and their correlations ρ,

.. math:: E[g_i\, g_j] = \sum_{p<P} \rho_{ij}^p\, g_{ip}\, g_{jp} .

The g_ip are functions of the field's centre alone, so they are tabulated and interpolated by polynomials of seventh
order.  The trapezoidal rule converges exponentially in the distance of the poles from the real axis over the step;
Gauss and Hermite's needs the square of as many nodes.  ``theory/online_sgd.md``, section 3.5.
"""

import numpy as np
from numpy.typing import NDArray

from tsmech.kernels.activations import Function
from tsmech.kernels.jit import kernel
from tsmech.theory.fields.kinks import values
from tsmech.theory.fields.panels import Unit

FloatArray = NDArray[np.float64]

_TABLE = 4
"""Entries of a table for each node of the grid."""

_BEFORE, _AFTER = 3, 5
"""Entries before the first and after the last centre, for the polynomials there."""

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

    def _given(self, i: int, functions: tuple[Function, Function], C: FloatArray, K: int) -> FloatArray:
        """Return the means of the functions of all units, given that of field i is on the grid, shape (nodes, n)."""
        deviation, rho = _scaled(C)
        centre = (deviation * rho[i]) * self._z[:, None]
        spread = deviation * np.sqrt((1.0 - rho[i]) * (1.0 + rho[i]))
        return np.asarray(self._respond(functions, K, centre[..., None] + spread[:, None] * self._z) @ self._weight)

    def _own(self, i: int, of: tuple[Function, Function], C: FloatArray, K: int) -> tuple[FloatArray, FloatArray]:
        """Return field i on the grid, and its unit's function there times the weights."""
        x = np.sqrt(max(C[i, i], 0.0)) * self._z
        return x, self._weight * values(of[0 if i < K else 1], x)

    def squared_output(self, C: FloatArray, c: FloatArray, K: int) -> float:
        """Return E[Δ²] of Δ = Σ_i c_i g_i(x_i)."""
        g = self._functions
        return float(sum(c[i] * (self._own(i, g, C, K)[1] @ self._given(i, g, C, K) @ c) for i in range(c.size)))

    def drift_averages(self, C: FloatArray, c: FloatArray, K: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return E[g''_k Δ], E[g'_k g'_j] and E[g_k Δ]."""
        curvature, slopes, output = np.zeros(K), np.empty((K, c.size)), np.empty(K)
        for k in range(K):
            error = self._given(k, self._functions, C, K) @ c
            x, slope = self._own(k, self._slopes, C, K)
            slopes[k] = slope @ self._given(k, self._slopes, C, K)
            output[k] = self._own(k, self._functions, C, K)[1] @ error
            if C[k, k] > 0.0:
                curvature[k] = ((slope * x) @ error - (slopes[k] * C[k]) @ c) / C[k, k]
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
        return float(slopes[kept] @ self._square(x[kept], C, c, K))

    def _square(self, x: FloatArray, C: FloatArray, c: FloatArray, K: int) -> FloatArray:
        """Return E[Δ²] of fields with the centres x, shape (points, n), and the covariance C."""
        deviation, rho = _scaled(C)
        fixed = deviation == 0.0
        mean = np.where(fixed, self._respond(self._functions, K, x[..., None])[..., 0], 0.0) @ c
        free = np.flatnonzero(~fixed)
        if free.size == 0:
            return np.asarray(mean * mean)
        entries = _TABLE * self._z.size
        if len(x) > entries:
            low = x.min(axis=0)
            step = np.maximum(x.max(axis=0) - low, 1e-3 * deviation) / entries
            step[fixed] = 1.0
            at, centres = (x - low) / step, low + step * np.arange(-_BEFORE, entries + _AFTER)[:, None]
        else:
            at, centres = np.tile(np.arange(len(x)), (c.size, 1)).T, np.pad(x, ((_BEFORE, _AFTER), (0, 0)))
        g = self._respond(self._functions, K, centres[..., None] + deviation[:, None] * self._z)
        tables = (c[:, None] * (g @ self._project)).transpose(1, 0, 2)[free]
        powers = rho[np.ix_(free, free)] ** np.arange(self._orders)[:, None, None]
        return np.asarray(_squares(at[:, free] + 0.0, mean, np.ascontiguousarray(tables), powers))


@kernel
def _squares(at: FloatArray, mean: FloatArray, tables: FloatArray, powers: FloatArray) -> FloatArray:
    """Return E[Δ²] at points, shape (m,), by tables, shape (n, entries, P).

    ``at`` are the points' places in the tables, less those before, shape (m, n), ``mean`` the part of Δ that is fixed,
    shape (m,), and ``powers`` those of the correlations, shape (P, n, n).
    """
    n, P = tables.shape[0], tables.shape[2]
    total, a, weight = np.empty(at.shape[0]), np.empty((n, P)), np.empty(8)
    for point in range(at.shape[0]):
        for i in range(n):
            first = int(at[point, i])
            t = at[point, i] - first + _BEFORE
            for j in range(8):
                weight[j] = 1.0
                for other in range(8):
                    if other != j:
                        weight[j] *= (t - other) / (j - other)
            a[i] = 0.0
            for j in range(8):
                for p in range(P):
                    a[i, p] += weight[j] * tables[i, first + j, p]
        centre = mean[point]
        for i in range(n):
            centre += a[i, 0]
        square = centre * centre
        for p in range(1, P):
            for i in range(n):
                square += a[i, p] * a[i, p]
                for j in range(i):
                    square += 2.0 * powers[p, i, j] * a[i, p] * a[j, p]
        total[point] = square
    return total


def _scaled(C: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the standard deviations and the correlations of fields with covariance C, 0 with one that is fixed."""
    variance = np.diag(C)
    deviation = np.sqrt(np.where(variance > 1e-15 * np.abs(variance).max(initial=1e-300), variance, 0.0))
    size = np.outer(deviation, deviation)
    rho = np.clip(np.divide(C, size, out=np.zeros_like(C), where=size > 0.0), -1.0, 1.0)
    rho[range(len(C)), range(len(C))] = deviation > 0.0
    return deviation, rho
