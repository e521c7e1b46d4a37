r"""The velocity of the overlaps in online SGD, in coordinates in which the approach to the teacher is resolved.

The state is (U by rows, S by rows up to its diagonal, v), with T = L Lᵀ, R = U Lᵀ and Q = U Uᵀ + S as in
:func:`tsmech.theory.overlaps.coordinates`.  Near the teacher ε_g is of second order in U and linear in S → 0, so that
relative errors of U and S are no obstacle; in Q and R it would be a difference of large numbers.
``theory/online_sgd.md``, section 2.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsmech.kernels.activations import LINEAR, RELU
from tsmech.kernels.jit import deferred_kernel
from tsmech.kernels.schedules import learning_rate
from tsmech.theory.fields.deviations import is_near, mean_square, small_fluctuation, two_slopes, vectors
from tsmech.theory.fields.fluctuations import fluctuation
from tsmech.theory.fields.gaussian import drift_averages
from tsmech.theory.fields.mixtures import Mixture, TwoSlopes
from tsmech.theory.fields.quadrature import NEGLIGIBLE, Quadrature
from tsmech.theory.fields.wedges import relu_drift_averages
from tsmech.theory.overlaps import Exact

FloatArray = NDArray[np.float64]
Velocity = Callable[[float, FloatArray], FloatArray]


@deferred_kernel
def unpack(
    state: FloatArray, basis: FloatArray, T: FloatArray, A: FloatArray, K: int
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return X = (U, L), shape (n, r), S, shape (K, K), c = (v, −A) and the covariance C of all fields."""
    M, r = basis.shape
    n, at = K + M, K * r
    X, S, c, C = np.empty((n, r)), np.empty((K, K)), np.empty(n), np.empty((n, n))
    for i in range(n):
        for a in range(r):
            X[i, a] = state[i * r + a] if i < K else basis[i - K, a]
        c[i] = state[state.size - K + i] if i < K else -A[i - K]
    for k in range(K):
        for m in range(k + 1):
            S[k, m] = S[m, k] = state[at]
            at += 1
    for i in range(n):
        for j in range(i + 1):
            if j < K:
                total = S[i, j] if i < K else 0.0
                for a in range(r):
                    total += X[i, a] * X[j, a]
            else:
                total = T[i - K, j - K]
            C[i, j] = C[j, i] = total
    return X, S, c, C


@deferred_kernel
def largest(state: FloatArray, K: int, r: int) -> float:
    """Return the largest of all Q_kk and v_k², infinity where the state is not finite."""
    result = 0.0
    for value in state:
        if not np.isfinite(value):
            return np.inf
    at = K * r - 1
    for k in range(K):
        at += k + 1
        square = state[at]
        for a in range(r):
            square += state[k * r + a] * state[k * r + a]
        v = state[state.size - K + k]
        result = max(result, square, v * v)
    return result


@deferred_kernel
def _assemble(
    X: FloatArray,
    S: FloatArray,
    c: FloatArray,
    curvature: FloatArray,
    slopes: FloatArray,
    output: FloatArray,
    F: FloatArray,
    eta: float,
    eta_v: float,
    variance: float,
    kappa: float,
) -> FloatArray:
    """Return d(U, S, v)/dalpha from the averages of ``drift_averages`` and ``fluctuation``, equations (9) and (10)."""
    K, (n, r) = S.shape[0], X.shape
    half = K * (K + 1) // 2
    rate = np.empty(K * r + half + K)
    pull = np.empty((K, K))  # v_k E[g'_k Δ x], x the part of field l that the teacher's fields do not hold
    for k in range(K):
        for a in range(r):
            total = curvature[k] * X[k, a]
            for j in range(n):
                total += c[j] * slopes[k, j] * X[j, a]
            rate[k * r + a] = -eta * c[k] * total - kappa * X[k, a]
        for m in range(K):
            total = curvature[k] * S[k, m]
            for j in range(K):
                total += c[j] * slopes[k, j] * S[j, m]
            pull[k, m] = c[k] * total
    at = K * r
    for k in range(K):
        for m in range(k + 1):
            kick = eta * eta * c[k] * c[m] * (F[k, m] + variance * slopes[k, m])
            rate[at] = kick - eta * (pull[k, m] + pull[m, k]) - 2.0 * kappa * S[k, m]
            at += 1
    for k in range(K):
        rate[at + k] = -eta_v * output[k] - kappa * c[k] if eta_v > 0.0 else 0.0
    return rate


def _exact_averages(
    X: FloatArray, S: FloatArray, c: FloatArray, C: FloatArray, K: int, student: int, teacher: int
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return the averages of built-in activations that a velocity is made of.

    It is no kernel: one that holds all cases takes a minute to compile for one of them.
    """
    if student == RELU and teacher in (RELU, LINEAR):
        straight, bent = two_slopes(c.size, K, teacher)
        drift = relu_drift_averages(vectors(X, S), c, straight, bent, K)
    else:
        drift = drift_averages(C, c, K, student, teacher)
    if is_near(C, c, K, student, teacher):
        return (*drift, small_fluctuation(vectors(X, S), c, K, student, teacher))
    return (*drift, fluctuation(C, c, K, student, teacher))


def _exact_square(
    state: FloatArray, basis: FloatArray, T: FloatArray, A: FloatArray, K: int, student: int, teacher: int
) -> float:
    """Return E[Δ²] of built-in activations."""
    X, S, c, C = unpack(state, basis, T, A, K)
    return mean_square(X, S, C, c, K, student, teacher)


class Flow(NamedTuple):
    """What stays fixed during a run, and the velocity that follows from it; all rates are divided by the batch size."""

    basis: FloatArray
    T: FloatArray
    A: FloatArray
    K: int
    averages: Exact | TwoSlopes | Mixture | Quadrature
    second_layer_rate: float
    variance: float
    weight_decay: float
    bound: float
    """Largest Q_kk or v_k² of a run that has not diverged: see :mod:`tsmech.kernels.divergence`."""

    def velocity(self, schedule: FloatArray) -> Velocity:
        """Return d(U, S, v)/dalpha as a function of alpha and the state, the learning rate following the schedule."""
        basis, T, A, K, averages, eta_v, variance, kappa, _ = self

        def velocity(alpha: float, state: FloatArray) -> FloatArray:
            X, S, c, C = unpack(state, basis, T, A, K)
            if isinstance(averages, Exact):
                found = _exact_averages(X, S, c, C, K, *averages)
            else:
                found = averages.moving(X, S, C, c, K)
            return _assemble(X, S, c, *found, learning_rate(schedule, alpha), eta_v, variance, kappa)

        return velocity

    def verify(self, state: FloatArray) -> None:
        """Raise ConvergenceError where the averages of activations of one's own are not known to their accuracy."""
        if isinstance(self.averages, Quadrature):
            _, _, c, C = unpack(state, self.basis, self.T, self.A, self.K)
            self.averages.verify(C, c, self.K)

    def squared_output(self, state: FloatArray) -> float:
        """Return E[Δ²], which is twice the error, never negative."""
        if isinstance(self.averages, Exact):
            return float(_exact_square(state, self.basis, self.T, self.A, self.K, *self.averages))
        X, S, c, C = unpack(state, self.basis, self.T, self.A, self.K)
        return self.averages.mean_square(X, S, C, c, self.K)

    def size(self, state: FloatArray) -> float:
        """Return what E[Δ²] would be of independent units whose outputs add up."""
        _, _, c, C = unpack(state, self.basis, self.T, self.A, self.K)
        return float(self.averages.squared_output(np.diag(np.diag(C)), abs(c), self.K))

    def outside(self, state: FloatArray) -> float:
        """Return Σ_k v_k² S_kk, of which E[Δ²] has the rounding."""
        _, S, v = self.parts(state[None])
        return float(v[0] ** 2 @ np.diag(S[0]))

    @property
    def unseen(self) -> float:
        """What part of E[φ²] the averages do not see, where rules take them."""
        return NEGLIGIBLE if isinstance(self.averages, Quadrature) else 0.0

    @property
    def rests(self) -> bool:
        """Whether nothing moves where E[Δ²] is zero: neither label noise nor weight decay."""
        return self.variance == 0.0 and self.weight_decay == 0.0

    def parts(self, states: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return U, shape (n, K, r), S, shape (n, K, K), and v, shape (n, K), of states of shape (n, size)."""
        K, r = self.K, self.basis.shape[1]
        rows, columns = np.tril_indices(K)
        S = np.empty((len(states), K, K))
        S[:, rows, columns] = S[:, columns, rows] = states[:, K * r : -K]
        return states[:, : K * r].reshape(len(states), K, r), S, states[:, -K:]
