r"""The averages of online learning for any pair of functions (g, g'), by Gauss–Hermite quadrature.

Two-field averages follow from one-field integrals by Mehler's formula: with :math:`g_{ip} = E[g(s_i z) h_p(z)]`,
h_p the normalised Hermite polynomials, s_i the fields' standard deviations and ρ their correlations,

.. math:: E[g_i g_j] = \sum_p \rho_{ij}^p\, g_{ip}\, g_{jp}.

The four-field average is taken over a grid in the two fields of the slopes, Δ² at each of its points by the same
formula.  Every sum of squares stays one, so errors are never negative.  The functions must be smooth: with a kink
the error falls no faster than a power of the number of nodes; the built-in activations have exact averages instead.
``theory/online_sgd.md``, section 3.5.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

FloatArray = NDArray[np.float64]
Function = Callable[[FloatArray], FloatArray]
Pair = tuple[Function, Function]

FUNCTIONS: dict[str, Pair] = {
    "erf": (lambda x: erf(x / math.sqrt(2.0)), lambda x: math.sqrt(2.0 / math.pi) * np.exp(-0.5 * x * x)),
    "relu": (lambda x: np.maximum(x, 0.0), lambda x: (x > 0.0).astype(np.float64)),
    "linear": (lambda x: x, np.ones_like),
    "quadratic": (lambda x: x * x, lambda x: 2.0 * x),
}
"""The built-in activations as functions of arrays, for a student or teacher beside a function of one's own."""


class Quadrature:
    """Averages for student and teacher units given as pairs (g, g') of functions of arrays.

    Parameters
    ----------
    student, teacher
        The activation and its derivative, each a function from an array to an array of the same shape.
    nodes
        Points in each direction of the quadrature, and the number of Hermite polynomials.
    """

    def __init__(self, student: Pair, teacher: Pair, nodes: int = 32) -> None:
        self.student, self.teacher = student, teacher
        self._z, weight = np.polynomial.hermite_e.hermegauss(nodes)
        self._weight = weight / weight.sum()
        hermite = np.ones((nodes, nodes))
        hermite[1] = self._z
        for p in range(1, nodes - 1):
            hermite[p + 1] = (self._z * hermite[p] - np.sqrt(p) * hermite[p - 1]) / np.sqrt(p + 1)
        self._project = (hermite * self._weight).T

    def _coefficients(self, K: int, derivative: int, centre: FloatArray, deviation: FloatArray) -> FloatArray:
        """Return E[g(centre + deviation z) h_p(z)] of every unit, shape centre.shape + (nodes,)."""
        fields = centre[..., None] + deviation[:, None] * self._z
        values = np.empty(fields.shape)
        values[..., :K, :] = self.student[derivative](fields[..., :K, :])
        values[..., K:, :] = self.teacher[derivative](fields[..., K:, :])
        return np.asarray(values @ self._project)

    def _square(self, coefficients: FloatArray, correlation: FloatArray) -> FloatArray:
        """Return Σ_p Σ_ij ρ_ij^p a_ip a_jp for coefficients of shape (..., n, nodes)."""
        power = np.ones_like(correlation)
        total = np.zeros(coefficients.shape[:-2])
        for p in range(self._z.size):
            a = coefficients[..., p]
            total += np.einsum("...i,...i->...", a @ power, a)
            power = power * correlation
        return total

    def squared_output(self, C: FloatArray, c: FloatArray, K: int) -> float:
        """Return E[Δ²] of Δ = Σ_i c_i g_i(x_i), as :func:`tsmech.theory.gaussian.squared_output`."""
        deviation, correlation = _scaled(C)
        a = self._coefficients(K, 0, np.zeros(c.size), deviation)
        return float(self._square(c[:, None] * a, correlation))

    def drift_averages(self, C: FloatArray, c: FloatArray, K: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return E[g''_k Δ], E[g'_k g'_j] and E[g_k Δ], as :func:`tsmech.theory.gaussian.drift_averages`."""
        deviation, correlation = _scaled(C)
        g = self._coefficients(K, 0, np.zeros(c.size), deviation)
        slope = self._coefficients(K, 1, np.zeros(c.size), deviation)
        orders = np.arange(1, self._z.size)
        varies = deviation[:K, None] > 0.0
        curvature = np.sqrt(orders) * slope[:K, 1:] / np.where(varies, deviation[:K, None], 1.0) * varies
        power = correlation[:K, :, None] ** np.arange(self._z.size)
        return (
            np.einsum("kjp,kp,jp,j->k", power[..., :-1], curvature, g[:, :-1], c),
            np.einsum("kjp,kp,jp->kj", power, slope[:K], slope),
            np.einsum("kjp,kp,jp,j->k", power, g[:K], g, c),
        )

    def fluctuation(self, C: FloatArray, c: FloatArray, K: int) -> FloatArray:
        """Return E[g'_k g'_l Δ²], shape (K, K), as :func:`tsmech.theory.fluctuations.fluctuation`."""
        F = np.empty((K, K))
        z, weight = self._z, self._weight
        for k in range(K):
            for m in range(k + 1):
                along = C[:, k] / np.sqrt(C[k, k]) if C[k, k] > 0.0 else np.zeros(c.size)
                rest = C[:, m] - along * along[m]
                beside = rest / np.sqrt(rest[m]) if rest[m] > 1e-14 * C[m, m] else np.zeros(c.size)
                deviation, correlation = _scaled(C - np.outer(along, along) - np.outer(beside, beside))
                x = along * z[:, None, None] + beside * z[:, None]
                a = self._coefficients(K, 0, x, deviation)
                square = self._square(c[:, None] * a, correlation)
                slopes = self.student[1](x[..., k]) * self.student[1](x[..., m])
                F[k, m] = F[m, k] = weight @ (slopes * square) @ weight
        return F


def _scaled(C: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the standard deviations and the correlations of fields with covariance C, 0 with one that is fixed."""
    variance = np.maximum(np.diag(C), 0.0)
    deviation = np.sqrt(variance)
    size = np.outer(deviation, deviation)
    return deviation, np.clip(np.divide(C, size, out=np.zeros_like(C), where=size > 0.0), -1.0, 1.0)
