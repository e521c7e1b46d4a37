r"""Averages of units that are sums of built-in ones, :math:`g(x) = \sum_p w_p f(a_p x)`: tanh, leaky ReLU.

A network of such units is a network of their parts, on fields :math:`a_p x` with weights :math:`c\, w_p`, and has the
exact averages of :mod:`tsmech.theory.fields.gaussian` and :mod:`tsmech.theory.fields.fluctuations`, and near its
teacher those of :mod:`tsmech.theory.fields.deviations`.

- leaky ReLU is :math:`x_+ - s\,(-x)_+`, and so is every function that is linear on either side of zero; where
  student and teacher both are, :class:`TwoSlopes` takes their averages as :mod:`tsmech.theory.fields.wedges` does;
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
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsmech.kernels.activations import ERF, LEAK, LINEAR, RELU, Function, built_in
from tsmech.kernels.jit import kernel
from tsmech.theory.fields.deviations import NEAR_RELU, is_near, small_fluctuation, small_square, vectors
from tsmech.theory.fields.fluctuations import fluctuation
from tsmech.theory.fields.gaussian import drift_averages, product, squared_output
from tsmech.theory.fields.kinks import values
from tsmech.theory.fields.wedges import GATHERED, relu_drift_averages, relu_fluctuation, relu_square

FloatArray = NDArray[np.float64]
Averages = tuple[FloatArray, FloatArray, FloatArray, FloatArray]
"""E[g''_k Δ], E[g'_k g'_j], E[g_k Δ] and E[g'_k g'_l Δ²]."""

TANH_PARTS = 12


class Parts(NamedTuple):
    """A unit as a sum of built-in ones: their tag, and the weights w and scales a of the parts, of shape (p,)."""

    tag: int
    weight: FloatArray
    scale: FloatArray

    @property
    def slopes(self) -> tuple[float, float] | None:
        """Return s and r of a unit that is s x + r x₊, else None."""
        if self.tag == LINEAR:
            return float(self.weight @ self.scale), 0.0
        if self.tag == RELU:
            left, right = (float(self.weight @ (self.scale * (sign * self.scale > 0.0))) for sign in (-1.0, 1.0))
            return left, right - left
        return None


def parts(name: str) -> Parts | None:
    """Return a named activation as a sum of those that have averages in closed form, or None where it is none."""
    known = built_in(name)
    if known.averages == "closed":
        return Parts(known.tag, np.ones(1), np.ones(1))
    if known.averages == "sum":
        return two_slopes(LEAK, 1.0) if name == "leaky_relu" else Parts(ERF, *_tanh(TANH_PARTS))
    return None


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

    def _network(self, c: FloatArray, K: int) -> tuple[NDArray[np.int64], FloatArray, FloatArray]:
        """Return the unit, the weight w and the scale a of each part, shape (parts,)."""
        of = [self.student] * K + [self.teacher] * (c.size - K)
        unit = np.repeat(np.arange(c.size), [each.weight.size for each in of])
        return unit, np.concatenate([each.weight for each in of]), np.concatenate([each.scale for each in of])

    def squared_output(self, C: FloatArray, c: FloatArray, K: int) -> float:
        """Return E[Δ²], as :func:`tsmech.theory.fields.gaussian.squared_output`."""
        unit, w, a = self._network(c, K)
        count = K * self.student.weight.size
        wide = C[np.ix_(unit, unit)] * np.outer(a, a)
        return float(squared_output(wide, c[unit] * w, count, self.student.tag, self.teacher.tag))

    def mean_square(self, X: FloatArray, S: FloatArray, C: FloatArray, c: FloatArray, K: int) -> float:
        """Return E[Δ²], never negative, of units with the coordinates X = (U, L) and S."""
        unit, w, a = self._network(c, K)
        tags, count = (self.student.tag, self.teacher.tag), K * self.student.weight.size
        wide = C[np.ix_(unit, unit)] * np.outer(a, a)
        if is_near(wide, c[unit] * w, count, *tags):
            return max(0.0, float(small_square(vectors(X, S)[unit] * a[:, None], c[unit] * w, count, *tags)))
        return max(0.0, float(squared_output(wide, c[unit] * w, count, *tags)))

    def moving(self, X: FloatArray, S: FloatArray, C: FloatArray, c: FloatArray, K: int) -> Averages:
        """Return the averages of the ODEs, of units with the coordinates X = (U, L) and S."""
        unit, w, a = self._network(c, K)
        tags, p, count = (self.student.tag, self.teacher.tag), self.student.weight.size, K * self.student.weight.size
        wide, weights, slope = C[np.ix_(unit, unit)] * np.outer(a, a), c[unit] * w, w * a
        curvature, slopes, output = drift_averages(wide, weights, count, *tags)
        if is_near(wide, weights, count, *tags):
            F = small_fluctuation(vectors(X, S)[unit] * a[:, None], weights, count, *tags)
        else:
            F = fluctuation(wide, weights, count, *tags)
        first = np.arange(0, count, p)
        of_units = np.concatenate([first, np.arange(count, unit.size, self.teacher.weight.size)])
        return (
            np.add.reduceat(curvature * (slope * a)[:count], first),
            np.add.reduceat(np.add.reduceat(slopes * np.outer(slope[:count], slope), first), of_units, axis=1),
            np.add.reduceat(output * w[:count], first),
            np.add.reduceat(np.add.reduceat(F * np.outer(slope[:count], slope[:count]), first), first, axis=1),
        )


class TwoSlopes(NamedTuple):
    """Averages of student and teacher units g(x) = s x + r x₊, each given as (s, r)."""

    student: tuple[float, float]
    teacher: tuple[float, float]

    def _units(self, n: int, K: int) -> tuple[FloatArray, FloatArray]:
        """Return s and r of all units, shape (n,)."""
        straight, bent = np.array([self.student] * K + [self.teacher] * (n - K)).T
        return np.ascontiguousarray(straight), np.ascontiguousarray(bent)

    def squared_output(self, C: FloatArray, c: FloatArray, K: int) -> float:
        """Return E[Δ²], as :func:`tsmech.theory.fields.gaussian.squared_output`."""
        return float(_square(C, c, *self._units(c.size, K))[0])

    def mean_square(self, X: FloatArray, S: FloatArray, C: FloatArray, c: FloatArray, K: int) -> float:
        """Return E[Δ²], never negative, of units with the coordinates X = (U, L) and S."""
        units = self._units(c.size, K)
        square, near = _square(C, c, *units)
        return max(0.0, float(relu_square(vectors(X, S), c, *units, K) if near else square))

    def moving(self, X: FloatArray, S: FloatArray, C: FloatArray, c: FloatArray, K: int) -> Averages:
        """Return the averages of the ODEs, of units with the coordinates X = (U, L) and S."""
        units, W = self._units(c.size, K), vectors(X, S)
        F = relu_fluctuation(W, c, *units, K, GATHERED if _square(C, c, *units)[1] else 0.0)
        return (*relu_drift_averages(W, c, *units, K), F)


@kernel
def _square(C: FloatArray, c: FloatArray, straight: FloatArray, bent: FloatArray) -> tuple[float, bool]:
    """Return E[Δ²] of units g(x) = s x + r x₊ by moments, and whether it is so small that these cancel."""
    total, size = 0.0, 0.0
    for i in range(c.size):
        right = straight[i] + bent[i]
        size += abs(c[i]) * math.sqrt(0.5 * max(0.0, C[i, i]) * (straight[i] ** 2 + right**2))
        for j in range(i + 1):
            even = straight[i] * straight[j] + 0.5 * (straight[i] * bent[j] + bent[i] * straight[j])
            both = even * C[i, j] + bent[i] * bent[j] * product(RELU, RELU, C[i, i], C[j, j], C[i, j])
            total += c[i] * c[j] * both * (1.0 if i == j else 2.0)
    return total, total < NEAR_RELU * size * size


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
