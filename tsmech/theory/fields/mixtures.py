r"""Averages of units that are sums of built-in ones, :math:`g(x) = \sum_p w_p f(a_p x)`: tanh, leaky ReLU.

A network of such units is a network of their parts, on fields :math:`a_p x` with weights :math:`c\, w_p`, and has the
exact averages of :mod:`tsmech.theory.fields.gaussian` and :mod:`tsmech.theory.fields.fluctuations`.

- leaky ReLU is :math:`x_+ - s\,(-x)_+`, and so is every function that is linear on either side of
  zero;
- tanh is a mixture of erfs, since the logistic law is one of normal laws, their deviation being twice a variable τ of
  Kolmogorov's law [1]_:

.. math:: \tanh x = E_\tau\bigl[\operatorname{erf}(x / \tau\sqrt2)\bigr] \approx \sum_p w_p\, f(x / \tau_p),

  with the nodes τ_p of the Gauss rule of that law in log τ.  At the twelve nodes that are taken the error is at most
  1.4e-9 in tanh and 7e-9 in its slope, *for every x*, so that no average depends on a rule that a large field outgrows.

``theory/online_sgd.md``, section 3.5.

References
----------
.. [1] D. F. Andrews and C. L. Mallows, J. R. Stat. Soc. B 36 (1974) 99, Scale mixtures of normal distributions.
"""

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsmech.kernels.activations import ERF, LEAK, LINEAR, QUADRATIC, RELU
from tsmech.theory.fields.fluctuations import fluctuation
from tsmech.theory.fields.gaussian import drift_averages, squared_output
from tsmech.theory.fields.kinks import Function, values

FloatArray = NDArray[np.float64]

TANH_PARTS = 12


class Parts(NamedTuple):
    """A unit as a sum of built-in ones: their tag, and the weights w and scales a of the parts, of shape (p,)."""

    tag: int
    weight: FloatArray
    scale: FloatArray


def parts(name: str) -> Parts:
    """Return a named activation as a sum of those that have averages in closed form."""
    if name == "tanh":
        return Parts(ERF, *_tanh(TANH_PARTS))
    if name == "leaky_relu":
        return two_slopes(LEAK, 1.0)
    return Parts({"erf": ERF, "relu": RELU, "linear": LINEAR, "quadratic": QUADRATIC}[name], np.ones(1), np.ones(1))


def two_slopes(left: float, right: float) -> Parts:
    """Return the function with one slope on the left of zero and another on the right."""
    return Parts(RELU, np.array([right, -left]), np.array([1.0, -1.0]))


def two_slopes_of(g: Function, slope: Function) -> Parts | None:
    """Return a pair (g, g') as such a function if it is one, else None."""
    x = np.geomspace(1e-6, 1e6, 61) * (1.0 + 1e-3 * np.sin(np.arange(61)))
    sides = []
    with np.errstate(all="ignore"):
        for sign in (-1.0, 1.0):
            ratio, slopes = values(g, sign * x) / (sign * x), values(slope, sign * x)
            if not np.allclose([ratio, slopes], ratio[0], rtol=1e-14, atol=0.0):
                return None
            sides.append(float(ratio[0]))
    left, right = sides
    return Parts(LINEAR, np.array([left]), np.ones(1)) if left == right else two_slopes(left, right)


class Mixture(NamedTuple):
    """Averages of student and teacher units that are sums of built-in ones."""

    student: Parts
    teacher: Parts

    def _network(self, C: FloatArray, c: FloatArray, K: int) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Return the covariance C and the weights c of all parts, and w and w a of each, shape (parts,)."""
        unit = np.repeat(np.arange(c.size), [self.student.weight.size] * K + [self.teacher.weight.size] * (c.size - K))
        weight = np.concatenate([np.tile(self.student.weight, K), np.tile(self.teacher.weight, c.size - K)])
        scale = np.concatenate([np.tile(self.student.scale, K), np.tile(self.teacher.scale, c.size - K)])
        return C[np.ix_(unit, unit)] * np.outer(scale, scale), c[unit] * weight, weight, weight * scale

    def squared_output(self, C: FloatArray, c: FloatArray, K: int) -> float:
        """Return E[Δ²], as :func:`tsmech.theory.fields.gaussian.squared_output`."""
        wide, weights, _, _ = self._network(C, c, K)
        count = K * self.student.weight.size
        return float(squared_output(wide, weights, count, self.student.tag, self.teacher.tag))

    def drift_averages(self, C: FloatArray, c: FloatArray, K: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return E[g''_k Δ], E[g'_k g'_j] and E[g_k Δ], as :func:`tsmech.theory.fields.gaussian.drift_averages`."""
        wide, weights, _, slope = self._network(C, c, K)
        p, q, M = self.student.weight.size, self.teacher.weight.size, c.size - K
        curvature, slopes, output = drift_averages(wide, weights, K * p, self.student.tag, self.teacher.tag)
        slopes = slopes * np.outer(slope[: K * p], slope)
        return (
            (curvature.reshape(K, p) * (self.student.weight * self.student.scale**2)).sum(axis=1),
            np.hstack(
                [
                    slopes[:, : K * p].reshape(K, p, K, p).sum(axis=(1, 3)),
                    slopes[:, K * p :].reshape(K, p, M, q).sum(axis=(1, 3)),
                ]
            ),
            (output.reshape(K, p) * self.student.weight).sum(axis=1),
        )

    def fluctuation(self, C: FloatArray, c: FloatArray, K: int) -> FloatArray:
        """Return E[g'_k g'_l Δ²], shape (K, K), as :func:`tsmech.theory.fields.fluctuations.fluctuation`."""
        wide, weights, _, slope = self._network(C, c, K)
        p = self.student.weight.size
        F = fluctuation(wide, weights, K * p, self.student.tag, self.teacher.tag)
        F = F * np.outer(slope[: K * p], slope[: K * p])
        return np.asarray(F.reshape(K, p, K, p).sum(axis=(1, 3)))


@functools.cache
def _tanh(count: int) -> tuple[FloatArray, FloatArray]:
    """Return weights and scales 1/τ of tanh's parts: the Gauss rule of Kolmogorov's law in log τ, by Lanczos."""
    node, weight = np.polynomial.legendre.leggauss(400)
    tau = 2.55 + 2.45 * node  # all but 1e-13 of the law's weight
    weight = weight * _kolmogorov_density(tau)
    y = np.log(tau)
    basis = [np.sqrt(weight / weight.sum())]
    diagonal, beside = np.empty(count), np.empty(count)
    for j in range(count):
        vector = y * basis[j]
        diagonal[j] = vector @ basis[j]
        for _ in range(2):  # once more, against rounding
            for other in basis:
                vector = vector - (vector @ other) * other
        beside[j] = np.sqrt(vector @ vector)
        basis.append(vector / beside[j])
    at, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(beside[:-1], 1) + np.diag(beside[:-1], -1))
    return vectors[0] ** 2, np.exp(-at)


def _kolmogorov_density(tau: FloatArray) -> FloatArray:
    """Return the density of the supremum of a Brownian bridge's absolute value, by the series that converges fast."""
    n = np.arange(1, 30)[:, None]
    upper = 8.0 * tau * ((-1.0) ** (n + 1) * n**2 * np.exp(-2.0 * (n * tau) ** 2)).sum(axis=0)
    m = ((2 * n - 1) * np.pi) ** 2 / 8.0
    lower = np.sqrt(2.0 * np.pi) * ((2.0 * m / tau**4 - 1.0 / tau**2) * np.exp(-m / tau**2)).sum(axis=0)
    return np.asarray(np.where(tau > 1.0, upper, lower))
