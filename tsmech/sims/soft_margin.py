r"""The support vector machine without intercept for every penalty: hinge loss to a duality gap, by an interior point.

Coordinate descent and SMO need of the order of 1/λ steps where some examples cannot be separated; here a step is a
linear system, and some twenty are enough for every λ.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import ConvergenceError

Array = NDArray[np.float64]

GAP = 1e-10
"""Largest duality gap of a solution, as a share of the loss."""
ROUNDING = 1e-15
"""Error of a field, as a share of the sum of its terms' absolute values."""
MOST = 200
"""Steps after which a solution is given up."""
SHORTER = 0.995
"""Share of the way to the boundary that a step goes at most."""


class SoftMargin(NamedTuple):
    """The weights of least hinge loss, and how well they are known."""

    weights: Array
    """Shape (N,)."""
    forces: Array
    """a_μ of w = Σ a_μ y_μ x_μ / 2λ, between 0 and 1, shape (P,)."""
    loss: float
    """Of the weights."""
    gap: float
    """No weights have less than the loss minus the gap."""
    iterations: int


def minimise_hinge(oriented: Array, penalty: float) -> SoftMargin:
    r"""Minimise :math:`\sum_\mu (1 - y_\mu\, w \cdot x_\mu)_+ + \lambda |w|^2`.

    With forces a the dual is

    .. math:: \max_{0 \le a \le 1} \; \sum_\mu a_\mu - \frac{1}{4 \lambda} \Bigl| \sum_\mu a_\mu y_\mu x_\mu \Bigr|^2,
        \qquad w = \frac{1}{2\lambda} \sum_\mu a_\mu y_\mu x_\mu ,

    and with s, t ≥ 0 for its bounds, :math:`y\, w \cdot x - 1 = s - t`, a s = 0 and (1 - a) t = 0 at the solution.
    Newton's method follows a s = (1 - a) t = m for m → 0 with a predictor and a corrector [1]_.

    Parameters
    ----------
    oriented : ndarray, shape (P, N)
        The examples, each times its label.
    penalty : float
        λ > 0.

    Raises
    ------
    ConvergenceError
        If the duality gap stays above :data:`GAP` of the loss, or exceeds it by more than rounding of the fields.

    Notes
    -----
    O(P N min(P, N)) a step, 10 to 40 steps.  Strong convexity: the weights are within √(gap/λ) of the best.

    References
    ----------
    .. [1] S. Mehrotra, On the implementation of a primal-dual interior point method, SIAM J. Optim. 2, 575 (1992).
    """
    from scipy.linalg import qr

    P, N = oriented.shape
    if P >= N:
        return _interior_point(np.ascontiguousarray(oriented), penalty)
    basis, triangle = qr(oriented.T, mode="economic")  # the weights are combinations of the examples
    found = _interior_point(np.ascontiguousarray(triangle.T), penalty)
    return found._replace(weights=basis @ found.weights)


class _State(NamedTuple):
    """Weights, forces, and the multipliers of a >= 0 and a <= 1; or a step of them."""

    w: Array
    a: Array
    s: Array
    t: Array

    def moved(self, step: "_State", reach: float) -> "_State":
        return _State(*(value + reach * change for value, change in zip(self, step, strict=True)))

    def products(self) -> float:
        """Return a·s + (1 - a)·t, which is the duality gap where weights and multipliers belong to the forces."""
        return float(self.a @ self.s + (1.0 - self.a) @ self.t)

    def reach(self, step: "_State") -> float:
        """Return how much of a step keeps 0 <= a <= 1 and s, t >= 0, at most 1/SHORTER."""
        values = np.concatenate([self.a, 1.0 - self.a, self.s, self.t])
        changes = np.concatenate([step.a, -step.a, step.s, step.t])
        falling = changes < 0.0
        return float(np.min(-values[falling] / changes[falling], initial=1.0 / SHORTER))


def _interior_point(Z: Array, penalty: float) -> SoftMargin:
    from scipy.linalg import LinAlgError

    P, N = Z.shape
    state = _State(np.zeros(N), np.full(P, 0.5), np.ones(P), np.ones(P))
    for iteration in range(MOST):
        apart = state.w - state.a @ Z / (2.0 * penalty)
        gap = state.products() + penalty * float(apart @ apart)
        if gap <= GAP * (float(state.a.sum()) - penalty * float(state.w @ state.w)):
            return _certified(Z, state, penalty, iteration)
        try:
            newton = _Newton(Z, state, penalty)
        except LinAlgError:
            break
        mean = state.products() / (2 * P)
        step = newton.step(-state.a * state.s, (state.a - 1.0) * state.t)
        ahead = state.moved(step, min(1.0, state.reach(step))).products() / (2 * P)
        aim = mean * (ahead / mean) ** 3
        step = newton.step(aim - state.a * state.s - step.a * step.s, aim - (1.0 - state.a) * state.t + step.a * step.t)
        state = state.moved(step, min(1.0, SHORTER * state.reach(step)))
    raise ConvergenceError(f"the hinge loss of {P} examples was not minimised: the duality gap is {gap:.2g}")


class _Newton:
    """The linear system of a state: 2λ dw - Zᵀ da and Z dw - ds + dt take away what is left of the conditions."""

    def __init__(self, Z: Array, state: _State, penalty: float) -> None:
        from scipy.linalg import cho_factor

        self.Z, self.state = Z, state
        self.elastic = 1.0 / np.maximum(state.s / state.a + state.t / (1.0 - state.a), 1e-300)
        matrix = (Z.T * self.elastic) @ Z
        matrix[np.diag_indices(Z.shape[1])] += 2.0 * penalty
        self.factor = cho_factor(matrix)
        self.force = state.a @ Z - 2.0 * penalty * state.w
        self.short = 1.0 + state.s - state.t - Z @ state.w

    def step(self, lower: Array, upper: Array) -> _State:
        """Return the step that changes a s by ``lower`` and (1 - a) t by ``upper``, to first order."""
        from scipy.linalg import cho_solve

        _, a, s, t = self.state
        pressure = self.elastic * (self.short + lower / a - upper / (1.0 - a))
        dw = cho_solve(self.factor, self.force + pressure @ self.Z)
        da = pressure - self.elastic * (self.Z @ dw)
        return _State(dw, da, (lower - s * da) / a, (upper + t * da) / (1.0 - a))


def _certified(Z: Array, state: _State, penalty: float, iterations: int) -> SoftMargin:
    """Return the solution with its loss and gap, computed from weights and forces alone, or refuse it."""
    w, a = state.w, state.a
    combined = a @ Z
    loss = float(np.maximum(1.0 - Z @ w, 0.0).sum()) + penalty * float(w @ w)
    gap = loss - float(a.sum()) + float(combined @ combined) / (4.0 * penalty)
    if gap > 2.0 * GAP * loss + ROUNDING * float((np.abs(Z) @ np.abs(w)).sum()):
        raise ConvergenceError(f"the hinge loss of {len(Z)} examples is {loss:.6g}, or up to {gap:.1g} less")
    return SoftMargin(w, a, loss, max(gap, 0.0), iterations)
