r"""Online SGD of two-layer networks for N → ∞: the exact ODEs of the overlaps.

A student φ(x) = Σ_k v_k g(w_k·x/√N) learns from a teacher with weights b_m and second layer A, by fresh Gaussian
mini-batches of B examples,

.. math:: w_k \leftarrow w_k - \frac{\eta}{\sqrt N} v_k \overline{g'(\lambda_k) \Delta\, x} - \frac{\kappa}{N} w_k,
    \qquad v_k \leftarrow v_k - \frac{\eta_v}{N} \overline{g(\lambda_k) \Delta} - \frac{\kappa}{N} v_k ,

Δ = φ(x) − y, in the time alpha = examples / N, for N → ∞ with K, M, B, η, η_v and κ fixed.  The state is that of
:func:`tsmech.theory.overlaps.coordinates`, (U, S, v): in it the error is resolved to rounding where the student
reaches the teacher.  Derivation and conversions to other papers' conventions: ``theory/online_sgd.md``.

References
----------
.. [1] D. Saad and S. A. Solla, Phys. Rev. E 52 (1995) 4225: erf, first layer.
.. [2] P. Riegler and M. Biehl, J. Phys. A 28 (1995) L507: both layers.
.. [3] S. Goldt, M. S. Advani, A. M. Saxe, F. Krzakala and L. Zdeborová, arXiv:1906.08632: label noise, K > M.
"""

import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsmech.errors import ConvergenceError, InputError
from tsmech.kernels.divergence import bound
from tsmech.kernels.rule import Rule
from tsmech.theory.online_sgd.flow import Flow, largest
from tsmech.theory.online_sgd.limits import (
    asymptotic_error,
    critical_learning_rate,
    linear_recursion,
    symmetric_plateau,
)
from tsmech.theory.overlaps import (
    averages,
    check_shapes,
    coordinates,
    generalization_error,
    specialization,
)

if TYPE_CHECKING:
    from scipy.integrate import OdeSolver

__all__ = [
    "Trajectory",
    "asymptotic_error",
    "critical_learning_rate",
    "generalization_error",
    "integrate",
    "linear_recursion",
    "specialization",
    "symmetric_plateau",
    "velocity",
]

FloatArray = NDArray[np.float64]

SUDDEN = 1e-3
"""A run has diverged, too, when a Q_kk or v_k² grows so fast that it would reach its bound within so much of alpha.

Activations that grow faster than their argument make the overlaps infinite within a finite time, which no step of a
solver reaches: the growth only becomes faster from there on.
"""

LARGE = 100
"""From this many equations on, an explicit method is tried first: a Jacobian costs as many evaluations."""

COARSEST, FINER, GROWN = 1e-6, 1e-3, 1e6
"""Tolerances as given hold down to this part of E[φ²]; from there to so much below, and as long as it grows no more."""

WATCHED, STEPS = 1e-4, 8
"""Below this part of E[φ²] each step of the solver is looked at, above it each eighth."""

RESOLVED = 1e-26
"""Below this part of E[φ²] the mean square of Δ is that of the rounding of U, and the noiseless state is at rest.

So it is below the rounding of S, where parts of units outside the teacher's space stay and cancel in Δ.
"""

ROUNDING = 1e-15
"""Errors of U and v, and those of S over the student's distance from its teacher, that no tolerance undercuts."""

LEAST = 3e-14
"""The least relative tolerance that LSODA accepts."""

MAX_STEPS = 1_000_000
"""Steps of the solver between two changes of the schedule, after which it is taken to be stuck."""


class Trajectory(NamedTuple):
    """The overlaps along a run, at the n times that it reached; diverged_at is None, or the alpha where it stopped."""

    alpha: FloatArray
    """Examples / N, shape (n,)."""
    Q: FloatArray
    """w·w/N, shape (n, K, K)."""
    R: FloatArray
    """w·b/N, shape (n, K, M)."""
    v: FloatArray
    """Second layer, shape (n, K)."""
    generalization_error: FloatArray
    """Half the mean squared error against the noiseless teacher, shape (n,)."""
    diverged_at: float | None


def _flow(overlaps: tuple[ArrayLike, ...], rule: Rule) -> tuple[Flow, FloatArray]:
    """Check the overlaps and layers Q, R, T, v, A; return what stays fixed and the state at the start."""
    Q, R, T, v, A = arrays = [np.asarray(a, dtype=np.float64, order="C") for a in overlaps]
    check_shapes(Q, R, T, v, A)
    if Q.ndim > 2 or R.ndim > 2 or v.ndim > 1:
        raise InputError(f"Q, R, v must be those of one network, but have shapes {Q.shape}, {R.shape}, {v.shape}")
    for name, array in zip("QRTvA", arrays, strict=True):
        if not np.isfinite(array).all():
            raise InputError(f"{name} must be finite, but is {array.tolist()}")
    basis, U, S = coordinates(Q, R, T)
    state = np.concatenate([U.ravel(), S[np.tril_indices(len(Q))], v])
    rates = rule.second_layer_rate / rule.batch, rule.noise**2, rule.weight_decay / rule.batch
    flow = Flow(basis, T, A, len(Q), averages(rule.student, rule.teacher), *rates, bound(Q, T, v, A))
    return flow, state


def velocity(
    Q: ArrayLike,
    R: ArrayLike,
    T: ArrayLike,
    v: ArrayLike,
    A: ArrayLike,
    rule: Rule,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    r"""Return the right-hand side of the ODEs, dQ/dα, dR/dα and dv/dα, at alpha = 0.

    .. math::
        B \dot R_{km} &= -\eta v_k E[g'_k \Delta \rho_m] - \kappa R_{km}, \\
        B \dot Q_{kl} &= -\eta (v_k E[g'_k \Delta \lambda_l] + v_l E[g'_l \Delta \lambda_k])
            + \tfrac{\eta^2}{B} v_k v_l E[g'_k g'_l (\Delta^2 + \sigma^2)] - 2 \kappa Q_{kl}, \\
        B \dot v_k &= -\eta_v E[g_k \Delta] - \kappa v_k \ \text{ if } \eta_v > 0, \text{ else } 0.

    Parameters and errors are those of :func:`integrate`.

    Returns
    -------
    tuple of ndarray
        Changes per unit of alpha, of the shapes of Q, R and v.

    References
    ----------
    Equations (3)-(5) of ``theory/online_sgd.md``.
    """
    rule = rule.checked()
    flow, state = _flow((Q, R, T, v, A), rule)
    flow.verify(state)
    states = np.stack([state, flow.velocity(rule.schedule / [1.0, rule.batch, 1.0, 1.0])(0.0, state)])
    (U, dU), (_, dS), (_, dv) = flow.parts(states)
    return dU @ U.T + U @ dU.T + dS, dU @ flow.basis.T, dv


def integrate(
    Q: ArrayLike,
    R: ArrayLike,
    T: ArrayLike,
    v: ArrayLike,
    A: ArrayLike,
    rule: Rule,
    alphas: ArrayLike,
    *,
    rtol: float = 1e-8,
    atol: float = 1e-12,
) -> Trajectory:
    r"""Follow the overlaps of online SGD from alpha = 0, by the ODEs of :func:`velocity`.

    Parameters
    ----------
    Q, R, T : array_like
        Overlaps at the start, shapes (K, K), (K, M), (M, M).
    v, A : array_like
        Second layers of student and teacher, shapes (K,) and (M,), a normalisation such as 1/√K included.
    rule : Rule
        Its batch B stays fixed as N → ∞.
    alphas : array_like, shape (n,)
        Times to report, increasing, in units of N examples; each is met exactly.
    rtol, atol : float
        Tolerances of the solver for each of U, S and v, which become finer where ε_g falls below 1e-6 of E[φ²].

    Returns
    -------
    Trajectory
        At the times asked for; where the run diverges, at those before.

    Raises
    ------
    InputError
        If a parameter is out of range, the overlaps are those of no network, or alphas do not increase.
    ConvergenceError
        If the solver cannot go on although the run does not diverge, or two rules for the averages of an activation
        of one's own do not agree.

    Notes
    -----
    LSODA, or for more than 100 equations DOP853 until that has cost as much as fifty Jacobians, which is what LSODA
    needs in all.  An evaluation costs O(K² (K+M)²).  ε_g is never negative.  Of a pair (g, g') it is followed down to
    1e-11 of E[φ²], which no rule sees, and a run without noise and weight decay rests there.  Built-in activations
    follow it with its own relative accuracy down to 1e-26 of E[φ²]: about √rtol, and 1e-15 over the square root of that
    part, the rounding of U.  (Where units keep parts outside the teacher's space that cancel in Δ, as several linear
    ones do, the floor is the rounding of S, 1e-15.)  There a run without noise and weight decay is at rest and ends,
    however long it is.

    References
    ----------
    Sections 1 and 2 of ``theory/online_sgd.md``.
    """
    times = np.atleast_1d(np.asarray(alphas, dtype=np.float64))
    if (
        times.ndim > 1
        or times.size == 0
        or not (times[0] >= 0.0 and times[-1] < np.inf and (np.diff(times) > 0.0).all())
    ):
        raise InputError(f"alphas must be finite, increasing and >= 0, but are {times.tolist()}")
    rule = rule.checked()
    flow, state = _flow((Q, R, T, v, A), rule)
    rows = rule.schedule * [1.0, 1.0 / rule.batch, 1.0, 1.0]
    with warnings.catch_warnings(), np.errstate(over="ignore", invalid="ignore"):  # a state that is no number is seen
        warnings.filterwarnings("ignore", message="lsoda", category=UserWarning)  # a failure is an error below
        states, diverged_at = _solve(flow, rows, state, times, rtol, atol)
    error = np.array([0.5 * flow.squared_output(state) for state in states])
    U, S, v = flow.parts(states)
    Q = U @ U.swapaxes(1, 2) + S
    return Trajectory(times[: error.size], Q, U @ flow.basis.T, v, error, diverged_at)


def _solve(
    flow: Flow, schedule: FloatArray, state: FloatArray, times: FloatArray, rtol: float, atol: float
) -> tuple[FloatArray, float | None]:
    """Return the states at the times, or at those before the run diverges, and when it diverged."""
    shape = flow.K, flow.basis.shape[1]
    limit = flow.bound
    states = np.empty((times.size, state.size))
    done = int(times[0] == 0.0)
    states[:done] = state
    size = largest(state, *shape)
    flow.verify(state)
    ends = np.minimum(np.append(schedule[1:, 0], np.inf), times[-1])
    for row in range(len(schedule)):
        if schedule[row, 0] >= times[-1]:
            break
        for solver in _steps(flow, schedule[row : row + 1], state, ends[row], rtol, atol):
            state, reached = solver.y, ends[row] if solver.status == "finished" else solver.t
            diverged = not largest(state, *shape) <= limit
            if diverged:
                reached = _crossing(solver, lambda y: largest(y, *shape), limit)
            growth, size = largest(state, *shape) - size, largest(state, *shape)
            if not diverged and growth * SUDDEN > limit * (solver.t - solver.t_old):
                diverged, reached = True, solver.t_old
            if times[done] <= reached:
                due = int(np.searchsorted(times, reached, side="right"))
                states[done:due] = solver.dense_output()(times[done:due]).T
                done = due
            if diverged:
                return states[:done], reached
            flow.verify(state)
        due = int(np.searchsorted(times, ends[row], side="right"))  # beyond the last step nothing moves
        states[done:due] = state
        done = due
    return states, None


def _steps(
    flow: Flow, schedule: FloatArray, state: FloatArray, end: float, rtol: float, atol: float
) -> Iterator["OdeSolver"]:
    """Yield the solver after each of its steps from the schedule's start to end, or to where the state is at rest.

    What is small of E[Δ²] is followed with its own relative accuracy: where its part of E[φ²] has fallen below what
    the tolerances resolve, the solver starts anew with finer ones, see :func:`_tolerances`.
    """
    from scipy.integrate import DOP853, LSODA

    velocity, method = flow.velocity(schedule), LSODA if state.size <= LARGE else DOP853
    size = flow.size(state)
    time, evaluations = float(schedule[0, 0]), 0
    part = flow.squared_output(state) / size if size > 0.0 else 0.0
    resolved = RESOLVED
    solver, finest, retried = None, 1.0, False
    for step in range(MAX_STEPS):
        if flow.rests and part < resolved:
            return
        if method is DOP853 and evaluations > 50 * state.size:
            method, solver = LSODA, None
        if solver is None:
            size = flow.size(state)
            resolved = max(RESOLVED, flow.unseen)
            resolved += ROUNDING * flow.outside(state) / size if size > 0.0 else 0.0
            finest = FINER * max(min(part, COARSEST), resolved) if retried or part <= COARSEST else 1.0
            finest = max(finest, flow.unseen)
            solver = method(velocity, time, state, end, **_tolerances(flow, state, finest, rtol, atol))
        solver.step()
        if solver.status == "failed":
            break
        if size > 0.0 and (part < WATCHED or step % STEPS == 0):
            reached = flow.squared_output(solver.y) / size
            if reached < min(COARSEST, finest) and not retried:  # a step into what its tolerances do not resolve
                solver, retried = None, True
                continue
            part = reached
        yield solver
        if solver.status == "finished":
            return
        time, state, evaluations, retried = solver.t, solver.y, solver.nfev, False
        if part > GROWN * finest or part < min(COARSEST, finest):
            solver = None
    raise ConvergenceError(
        f"the ODE solver cannot go on from alpha = {time:.6g} (rtol {rtol:.1g}, atol {atol:.1g}): "
        "lower the learning rate if the overlaps grow there, otherwise end the run before"
    )


def _tolerances(flow: Flow, state: FloatArray, finest: float, rtol: float, atol: float) -> dict[str, FloatArray]:
    """Return rtol and atol that resolve E[Δ²] down to a part ``finest`` of E[φ²].

    E[Δ²] is of second order in errors of U and v, which are rounded to 1e-16, and of first order in errors of S.
    """
    if finest == 1.0:
        return {"rtol": np.full(state.size, rtol), "atol": np.full(state.size, atol)}
    first, last = flow.K * flow.basis.shape[1], state.size - flow.K
    distance = finest**0.5
    absolute = np.full(state.size, max(rtol * distance, ROUNDING))
    absolute[first:last] *= distance
    relative = np.full(state.size, rtol * distance)
    relative[first:last] = np.minimum(rtol, rtol**0.5 * finest / np.maximum(abs(state[first:last]), finest))
    return {"rtol": np.maximum(relative, LEAST), "atol": absolute}


def _crossing(solver: "OdeSolver", size: Callable[[FloatArray], float], limit: float) -> float:
    """Return the time in the last step at which the size passes the limit; its start if it ends beyond numbers."""
    from scipy.optimize import brentq

    if not size(solver.y) < np.inf:
        return float(solver.t_old)
    y = solver.dense_output()
    if not size(y(solver.t)) > limit:  # the interpolant is not the step itself
        return float(solver.t)
    return float(brentq(lambda t: np.log(size(y(t)) / limit), solver.t_old, solver.t))
