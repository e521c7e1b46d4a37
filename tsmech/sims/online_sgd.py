r"""One-pass SGD of a two-layer student with a two-layer teacher: by its overlaps alone, or every weight of it.

The student is :math:`\phi(x) = \sum_k v_k g(\lambda_k)` with :math:`\lambda_k = w_k \cdot x/\sqrt N`, the label
:math:`y = \sum_m A_m \tilde g(\nu_m) + \sigma \xi` with :math:`\nu_m = b_m \cdot x/\sqrt N`,
and :math:`\Delta = \phi(x) - y`.  A step

.. math::

    w_k \to w_k - \frac{\eta}{\sqrt N} \langle v_k g'(\lambda_k)\, \Delta\, x \rangle - \frac{\kappa}{N} w_k, \qquad
    v_k \to v_k - \frac{\eta_v}{N} \langle g(\lambda_k)\, \Delta \rangle - \frac{\kappa}{N} v_k

averages over a batch of b new examples; all gradients see the parameters before the step, and v_k decays only where
it is trained.  Time is alpha, examples over N: a step advances it by b/N, and η is that of the schedule at the step's
beginning.  The state at an alpha is the one after ⌊alpha N/b⌋ steps, in both simulations, and is recorded with its own
alpha, a multiple of b/N.

:func:`run_reduced` and :func:`run_direct` have the same law for Gaussian inputs.  The derivation is in
``theory/online_sgd.md``, section 8.
"""

import math
from typing import Any, Literal, NamedTuple, cast

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from tsmech.errors import InputError
from tsmech.kernels.divergence import bound
from tsmech.kernels.rule import Rule
from tsmech.kernels.steps import completed_steps
from tsmech.sims.streams import LAWS, no_lanes, seed_lanes
from tsmech.sims.two_layer.blocks import Matrix
from tsmech.sims.two_layer.chain import follow_chain, make_chain
from tsmech.sims.two_layer.network import ROWS, follow_network, follow_rows, make_network
from tsmech.sims.two_layer.rule import Problem
from tsmech.sims.two_layer.starts import check_dimension, coordinates, semidefinite_factor
from tsmech.sims.two_layer.units import compile_unit, specialise

Stream = Literal["fast", "numpy"]


class Trajectory(NamedTuple):
    """What a simulation recorded, at n times.

    The coordinates are those of the vectors over √N in an orthonormal basis, another one at each time, whose first M
    directions span the teacher.  Overlaps follow from them; where a student is so close to the teacher that overlaps
    agree to rounding, differences such as w_k - b_m should be taken of coordinates.
    """

    alpha: NDArray[np.float64]
    """Shape (n,): exactly the times of the states, multiples of batch/N."""
    student: NDArray[np.float64]
    """Shape (n, K, M + K)."""
    teacher: NDArray[np.float64]
    """Shape (M, M + K), of which the last K columns are zero."""
    v: NDArray[np.float64]
    """Shape (n, K)."""
    diverged_at: float | None
    """The alpha at which the run was stopped, because a Q_kk or v_k² exceeded the bound of
    :mod:`tsmech.kernels.divergence`; None where it was not."""
    error: NDArray[np.float64] | None = None
    """½ mean (student - teacher)² over the rows of a matrix of inputs, without label noise, shape (n,); None where
    inputs are no rows, and the error follows from the overlaps."""

    @property
    def Q(self) -> NDArray[np.float64]:
        """Student-student overlaps, shape (n, K, K)."""
        return self.student @ self.student.transpose(0, 2, 1)

    @property
    def R(self) -> NDArray[np.float64]:
        """Student-teacher overlaps, shape (n, K, M)."""
        return self.student @ self.teacher.T

    @property
    def T(self) -> NDArray[np.float64]:
        """Teacher-teacher overlaps, shape (M, M)."""
        return self.teacher @ self.teacher.T

    @property
    def distance(self) -> NDArray[np.float64]:
        """Squared distances of students and teachers over N, shape (n, K, M), without cancellation."""
        difference = self.student[:, :, None, :] - self.teacher
        return cast(NDArray[np.float64], np.sum(difference**2, axis=-1))


def steps_at(alphas: ArrayLike, dimension: int, batch: int = 1) -> NDArray[np.int64]:
    """Return how many steps are done at an alpha: alpha N/batch, rounded down unless it is whole to rounding."""
    return completed_steps(alphas, batch / dimension).astype(np.int64)


def run_reduced(
    Q: ArrayLike,
    R: ArrayLike,
    T: ArrayLike,
    v: ArrayLike,
    A: ArrayLike,
    rule: Rule,
    alphas: ArrayLike,
    *,
    dimension: int,
    rng: Generator,
    noise_rng: Generator | None = None,
    stream: Stream = "fast",
) -> Trajectory:
    r"""Return a trajectory of the overlaps, exact in law at every N ≥ K + M, at a cost independent of N.

    Parameters
    ----------
    Q, R, T : array_like, shapes (K, K), (K, M) and (M, M)
        Overlaps at the start.
    v, A : array_like, shapes (K,) and (M,)
        Second layers of student and teacher, any normalisation included.
    rule : Rule
        A pair of functions as activation is compiled anew in every process.
    alphas : array_like, shape (n,)
        Increasing times of the records.
    dimension : int
        N ≥ K + M.
    rng : Generator
        For the examples.
    noise_rng : Generator, optional
        For the label noise; by default spawned from ``rng``.
    stream : {"fast", "numpy"}
        Whether normal numbers come from :func:`tsmech.sims.streams.fill`'s lanes or, ten times as slowly, from
        ``rng`` itself.

    Returns
    -------
    Trajectory

    Raises
    ------
    InputError
        If a value is out of range, or no vectors have the overlaps.

    Notes
    -----
    About 0.13 µs an example for K = 4, M = 2, and 0.35 µs for K = M = 10; O(K(K + M)) + O(K³)/24 for large ones.
    """
    start = coordinates(Q, R, T)
    second_layer = read_second_layer(v, len(start.student))
    problem = make_problem(start.student, start.teacher, second_layer, A, rule, dimension, alphas)
    lanes, precision = make_lanes(stream, rng)
    chain = make_chain(start.student, problem, lanes, precision, rng, noise_rng or rng.spawn(1)[0])
    recorded_v = np.empty((problem.record_at.size, second_layer.size))
    reached, step = specialise(follow_chain, problem.rule)(problem, chain, second_layer, recorded_v)
    return make_trajectory(problem, alphas, reached, step, chain.recorded, recorded_v)


def run_direct(
    W: ArrayLike,
    B: ArrayLike,
    v: ArrayLike,
    A: ArrayLike,
    rule: Rule,
    alphas: ArrayLike,
    *,
    rng: Generator,
    noise_rng: Generator | None = None,
    inputs: Literal["gaussian", "binary", "uniform"] | NDArray[Any] = "gaussian",
    stream: Stream = "fast",
) -> Trajectory:
    r"""Return a trajectory of the network itself.

    Parameters
    ----------
    W, B : array_like, shapes (K, N) and (M, N)
        First layers of student, at the start, and teacher.
    v, A, rule, alphas, rng, noise_rng
        As in :func:`run_reduced`.
    inputs : {"gaussian", "binary", "uniform"} or ndarray, shape (rows, N)
        Independent components of mean 0 and variance 1, normal, ±1 or uniform; or rows to be drawn with replacement.
    stream : {"fast", "numpy"}
        With "fast", inputs are held in single precision.

    Returns
    -------
    Trajectory

    Raises
    ------
    InputError
        If a value is out of range, or a matrix of inputs has another width than W or is not finite.

    Notes
    -----
    About 1 ns per example and input component for K = 4, M = 2, while the weights fit into the second cache.  With
    rows as inputs each record reads all of them once, for the error; no more than a block of them is held at a time.
    """
    first, teacher = np.array(W, dtype=np.float64, ndmin=2), np.array(B, dtype=np.float64, ndmin=2)
    (K, N), M = first.shape, teacher.shape[0]
    if teacher.shape[1] != N:
        raise InputError(f"B has rows of {teacher.shape[1]} components, W of {N}: they must be equally long")
    second_layer = read_second_layer(v, K)
    check_dimension(N, K, M)
    orthonormal, upper = np.linalg.qr(teacher.T)
    student = first / math.sqrt(N)
    problem = make_problem(student, np.ascontiguousarray(upper.T) / math.sqrt(N), second_layer, A, rule, N, alphas)
    law, data = _law(inputs, N)
    lanes, precision = make_lanes(stream, rng)
    noise_rng = noise_rng or rng.spawn(1)[0]
    network = make_network(student, orthonormal.T, problem, law, data, lanes, precision, rng, noise_rng)
    recorded_v = np.empty((problem.record_at.size, K))
    train = follow_rows if law == ROWS else follow_network
    reached, step = specialise(train, problem.rule)(problem, network, second_layer, recorded_v)
    recorded = from_records(network.along, network.rest, reached)
    error = network.error if law == ROWS else None
    return make_trajectory(problem, alphas, reached, step, recorded, recorded_v, error)


def read_second_layer(v: ArrayLike, K: int) -> Matrix:
    """Return the second layer of K units as an array of one's own, or refuse it."""
    second_layer = np.array(v, dtype=np.float64)
    if second_layer.shape != (K,):
        raise InputError(f"v has shape {second_layer.shape}: must be ({K},), one weight for each student unit")
    return second_layer


def make_lanes(stream: str, rng: Generator) -> tuple[NDArray[np.uint32], type[np.floating[Any]]]:
    """Return the lanes of a stream, none for NumPy's own, and the precision of its numbers."""
    if stream not in ("fast", "numpy"):
        raise InputError(f'stream = {stream!r}: must be "fast" or "numpy"')
    return (seed_lanes(rng), np.float32) if stream == "fast" else (no_lanes(), np.float64)


def _law(inputs: str | NDArray[Any], N: int) -> tuple[int, Matrix]:
    if isinstance(inputs, str):
        if inputs not in LAWS:
            raise InputError(f"inputs = {inputs!r}: must be one of {', '.join(LAWS)}, or a matrix")
        return LAWS[inputs], np.empty((0, 0))
    data = np.ascontiguousarray(inputs, dtype=np.float64)
    if data.ndim != 2 or data.shape[0] == 0 or data.shape[1] != N:
        raise InputError(f"inputs: a matrix of shape {data.shape}: must have rows of {N} numbers, like W")
    if not np.all(np.isfinite(data)):
        raise InputError("inputs: the matrix has entries that are not finite")
    return ROWS, data


def make_problem(
    student: Matrix, factor: Matrix, v: Matrix, A: ArrayLike, rule: Rule, N: int, alphas: ArrayLike
) -> Problem:
    r"""Return a checked problem for the kernels.

    Parameters
    ----------
    student : ndarray
        Rows with the student's overlaps: :math:`Q = \mathrm{student}\ \mathrm{student}^\top`.
    factor : ndarray, shape (M, M)
        L with T = L Lᵀ.
    v, A : array_like, shapes (K,) and (M,)
    rule : Rule
    N : int
    alphas : array_like, shape (n,)
    """
    M, rule = factor.shape[0], rule.checked()
    check_dimension(N, len(student), M)
    teacher_second_layer = np.array(A, dtype=np.float64)
    if teacher_second_layer.shape != (M,):
        raise InputError(f"A has shape {teacher_second_layer.shape}: must be ({M},), one weight for each teacher unit")
    times = np.asarray(alphas, dtype=np.float64)
    if (
        times.ndim != 1
        or times.size == 0
        or not np.all(np.isfinite(times))
        or times[0] < 0.0
        or np.any(np.diff(times) < 0.0)
    ):
        raise InputError("alphas: must be one or more finite times, not negative and not decreasing")
    most = bound(student @ student.T, factor @ factor.T, v, teacher_second_layer)
    record_at = np.unique(steps_at(times, N, rule.batch))
    compiled = rule._replace(student=compile_unit(rule.student), teacher=compile_unit(rule.teacher))
    return Problem(compiled, int(N), factor, teacher_second_layer, record_at, most)


def from_records(along: Matrix, rest: Matrix, reached: int) -> Matrix:
    """Return coordinates from :func:`tsmech.sims.two_layer.network.record_network`, infinite where not a number."""
    student = np.full((*along.shape[:2], along.shape[2] + along.shape[1]), np.inf)
    for i in range(reached):
        if np.all(np.isfinite(rest[i])):
            student[i, :, : along.shape[2]], student[i, :, along.shape[2] :] = along[i], semidefinite_factor(rest[i])
    return student


def make_trajectory(
    problem: Problem,
    alphas: ArrayLike,
    reached: int,
    step: int,
    student: Matrix,
    v: Matrix,
    error: NDArray[np.float64] | None = None,
) -> Trajectory:
    """Return the records in the order of alphas, up to where the run diverged."""
    rule, N = problem.rule, problem.N
    ended = reached < problem.record_at.size
    squares = np.concatenate([np.sum(student[:reached] ** 2, axis=2), v[:reached] ** 2], axis=1)
    within = np.all(squares <= problem.bound, axis=1)
    if not np.all(within):
        reached = int(np.argmin(within))
        ended, step = True, int(problem.record_at[reached])
    steps = steps_at(alphas, N, rule.batch)
    record = np.searchsorted(problem.record_at, steps)
    record = record[record < reached]
    K, M = v.shape[1], problem.A.size
    teacher = np.hstack([problem.factor, np.zeros((M, K))])
    times = np.append(steps[: record.size], step) * rule.batch / N
    diverged_at = float(times[-1]) if ended else None
    errors = None if error is None else error[record]
    return Trajectory(times[:-1], student[record], teacher, v[record], diverged_at, errors)
