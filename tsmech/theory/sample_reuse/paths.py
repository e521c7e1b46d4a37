r"""The paths of examples along training in large steps, sampled: how many numbers stand for all examples at N → ∞.

**The process.** Weights are given by their coordinates ω, shape (K, n), along orthonormal directions of input space:
the first M span the teacher's weights, the next K the student's at the start, and each direction in which the pulls of
training have something new adds one.  A path has along each direction the coordinate V_i, and an example's fields are
:math:`\lambda = \omega V`.  With the pulls :math:`f_k = v_k\, g'(\lambda_k)\, \Delta` a step is

.. math::
    \omega_i \to (1 - \kappa)\, \omega_i - \eta\, \langle f V_i \rangle ,

and what f has across all earlier pulls, :math:`|r|\, \hat u` with :math:`\langle \hat u^2 \rangle = 1`, adds

.. math::
    V_{n+1} = u + \hat u / \sqrt\alpha , \qquad \omega_{n+1} = - \eta\, |r| / \sqrt\alpha ,

u normal and independent of all that came before: the example's own part in the direction in which it has pulled.  Then
Q = ω ωᵀ, R = ω Lᵀ.  Derivation and equation numbers: ``theory/sample_reuse.md``, section 6.

**Sampling.** Paths come from scrambled Sobol numbers, and each new u is made orthogonal, in the sample, to all normal
numbers and all û before it: for a linear unit all averages are then exact.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tsmech.kernels.activations import functions
from tsmech.kernels.divergence import bound
from tsmech.kernels.products import add_combinations, add_products
from tsmech.kernels.rule import Rule
from tsmech.theory.overlaps import covariance

Array = NDArray[np.float64]

SOBOL = 64
"""Dimensions for which Sobol numbers are taken; for later ones they are no better than pseudo-random ones."""
AT_ONCE = 8
"""Directions for which normal numbers are made orthogonal to all others at a time."""


class Training(NamedTuple):
    """What is to be learnt and how."""

    start: Array
    """Coordinates of the student's weights, shape (K, M + K)."""
    teacher: Array
    """Coordinates of the teacher's weights along the first M directions, shape (M, M)."""
    v: Array
    A: Array
    rule: Rule
    alpha: float
    share: float
    bound: float

    @classmethod
    def of(cls, Q: Array, R: Array, T: Array, v: Array, A: Array, rule: Rule, alpha: float, share: float) -> "Training":
        """Return the problem in coordinates: the triangular factor of the overlaps of teacher and student."""
        M, rule = len(T), rule.checked()
        order = np.r_[len(Q) : len(Q) + M, : len(Q)]
        joint = covariance(Q, R, T)[np.ix_(order, order)]
        values, vectors = np.linalg.eigh(joint)
        factor = np.asarray(np.linalg.qr((vectors * np.sqrt(np.maximum(values, 0.0))).T, mode="r")).T
        return cls(factor[M:], factor[:M, :M], v, A, rule, alpha, share, bound(Q, T, v, A))


class Records:
    """What one set of paths has recorded, step after step."""

    def __init__(self) -> None:
        self.Q: list[Array] = []
        self.R: list[Array] = []
        self.v: list[Array] = []
        self.train_error: list[float] = []
        self.diverged_at: float | None = None


class Paths:
    """Paths that are sampled together; rows are numbers of all paths."""

    def __init__(self, training: Training, paths: int, steps: int, rng: Generator) -> None:
        from scipy.stats import qmc

        self._training, self._paths, self._rng = training, paths, rng
        (K, self._first), M = training.start.shape, len(training.teacher)
        most = K * steps
        self._sobol = qmc.Sobol(min(1 + self._first + most, SOBOL), scramble=True, rng=rng)
        self._points = np.ascontiguousarray(self._sobol.random(paths).T)
        self._drawn, self._root = 0, 1.0 / math.sqrt(training.alpha)
        normal = _orthonormal(self._normal(1 + self._first))
        self._noise = normal[0]
        self._V, self._U = np.empty((self._first + most, paths)), np.empty((most, paths))
        self._V[: self._first], self._n, self._m = normal[1:], self._first, 0
        self._askew = np.zeros((most, most))  # averages of products of the û but for the ones, which is rounding
        self._fresh, self._fresh_since = np.empty((0, paths)), 0
        g = functions(training.rule.teacher)[0]
        self._labels = training.A @ g(training.teacher @ normal[1 : M + 1]) + training.rule.noise * self._noise

    def follow(self, at: NDArray[np.int64], tolerance: float) -> Records:
        """Return the state after each of the steps, up to the one at which it has diverged."""
        training, S = self._training, self._paths
        rule, L = training.rule, training.teacher
        rate, decay = float(rule.schedule[0, 1]), 1.0 - rule.weight_decay
        g, slope = functions(rule.student)
        omega, v = training.start, training.v
        rest = np.zeros((len(omega), S))  # what pulls have across the û, and too little of it for one more
        records = Records()
        for step in range(int(at[-1]) + 1):
            Q = omega @ omega.T
            if not max(np.diag(Q).max(), np.square(v).max()) <= training.bound:
                records.diverged_at = float(step)
                return records
            V = self._V[: self._n]
            fields = np.zeros_like(rest)
            add_combinations(np.ascontiguousarray(omega), V, fields)
            outputs = g(fields)
            delta = v @ outputs - self._labels
            if step in at:
                records.Q.append(Q)
                records.R.append(omega[:, : len(L)] @ L.T)
                records.v.append(v)
                records.train_error.append(0.5 * float(delta @ delta) / S)
            if step == at[-1]:
                break
            if training.share < 1.0:
                delta = delta * self._batch()
            pulls = slope(fields) * (v[:, None] * delta)
            if rule.second_layer_rate > 0.0:
                v = decay * v - rule.second_layer_rate * (outputs @ delta) / S
            least = tolerance * math.sqrt(np.max(np.sum(pulls**2, axis=1)) / S)
            along = self._averages(pulls, V)
            rest *= decay
            rest += pulls
            new = self._extend(rest, self._clear(rest), least)
            omega = np.hstack([decay * omega - rate * along, -rate * self._root * new])
        return records

    def _averages(self, rows: Array, others: Array) -> Array:
        """Return the averages of products of rows with others, shape (rows, others)."""
        products = np.zeros((len(rows), len(others)))
        add_products(rows, others, products)
        return products / self._paths

    def _clear(self, rows: Array) -> Array:
        """Take from rows what they have along all û, and return what rounding leaves there, shape (K, m)."""
        U, askew = self._U[: self._m], self._askew[: self._m, : self._m]
        share = self._averages(rows, U)
        add_combinations(share @ askew - share, U, rows)
        return self._averages(rows, U)

    def _extend(self, rest: Array, beyond: Array, least: float) -> Array:
        """Add directions for what pulls have across the earlier ones, and return its coordinates, shape (K, new).

        What is below ``least`` is kept; ``beyond`` are the averages of products with earlier û.
        """
        before, columns = self._m, []
        for k, row in enumerate(rest):
            length = math.sqrt(row @ row / self._paths)
            if length <= least:
                continue
            new, skew = row / length, beyond[k] / length
            for other in self._U[before : self._m]:  # what rounding has left
                new -= (other @ new / self._paths) * other
            self._U[self._m] = new / math.sqrt(new @ new / self._paths)
            self._askew[self._m, :before] = self._askew[:before, self._m] = skew
            columns.append(rest @ self._U[self._m] / self._paths)
            rest -= np.outer(columns[-1], self._U[self._m])
            beyond -= np.outer(columns[-1], skew)
            self._m += 1
        count = len(columns)
        if count:
            U = self._U[before : self._m]
            self._V[self._n : self._n + count] = self._next(count) + self._root * U
            self._n += count
        return np.array(columns).reshape(count, len(rest)).T

    def _next(self, count: int) -> Array:
        """Return normal numbers for the last ``count`` directions, orthogonal in the sample to all that came before."""
        if len(self._fresh) < count:
            self._prepare(max(count, AT_ONCE))
        fresh, self._fresh = self._fresh[:count], self._fresh[count:]
        U = self._U[self._fresh_since : self._m]
        return _orthonormal(fresh - self._averages(fresh, U) @ U)

    def _prepare(self, count: int) -> None:
        """Draw normal numbers for some directions, across all normal numbers and all û that there are.

        V is normal numbers and û over √alpha, so of V · z and û · z the former tells what z has along the normal ones.
        """
        rows = self._normal(count)
        V, U = self._V[: self._n], self._U[: self._n - self._first]
        along, share = self._averages(rows, V), self._averages(rows, U)
        along[:, self._first :] -= self._root * share
        add_combinations(-along, V, rows)
        add_combinations(self._root * along[:, self._first :], U, rows)
        rows -= np.outer(self._averages(rows, self._noise[None])[:, 0], self._noise)
        U = self._U[: self._m]
        add_combinations(-self._averages(rows, U), U, rows)
        self._fresh, self._fresh_since = _orthonormal(rows), self._m

    def _normal(self, count: int) -> Array:
        """Return rows of normal numbers of mean 0: quasi-random ones as long as there are."""
        from scipy.special import ndtri

        rows = np.empty((count, self._paths))
        for row in rows:
            if self._drawn < len(self._points):
                ndtri(self._points[self._drawn] + 2.0**-32, out=row)
            else:
                self._rng.standard_normal(out=row)
            self._drawn += 1
            row -= row.mean()
        return rows

    def _batch(self) -> Array:
        """Return 1/b for a share b of the paths, drawn at random, and 0 for the others."""
        chosen = np.zeros(self._paths)
        count = max(1, round(self._training.share * self._paths))
        chosen[self._rng.permutation(self._paths)[:count]] = self._paths / count
        return chosen


def _orthonormal(rows: Array) -> Array:
    """Return rows of which the products average to 0 and the squares to 1."""
    factor = np.linalg.cholesky(rows @ rows.T / rows.shape[1])
    return np.asarray(np.linalg.inv(factor) @ rows)
