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
from tsmech.kernels.steps import completed_steps
from tsmech.sims.streams import LAWS, QUANTUM, no_lanes, seed_lanes
from tsmech.sims.two_layer.blocks import BLOCK, Matrix
from tsmech.sims.two_layer.chain import follow_chain
from tsmech.sims.two_layer.network import ROWS, follow_network, into_strips
from tsmech.sims.two_layer.rule import LARGEST_FIELD, Rule, Task
from tsmech.sims.two_layer.starts import check_dimension, coordinates, semidefinite_factor
from tsmech.sims.two_layer.units import Activation, compile_unit, specialise

Stream = Literal["fast", "numpy"]

_NORMALS_AT_A_TIME = 8192


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
    """The alpha at which the run was stopped because a field, an overlap or a second-layer weight exceeded all
    bounds."""
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
    *,
    dimension: int,
    student_activation: Activation,
    teacher_activation: Activation,
    schedule: ArrayLike,
    alphas: ArrayLike,
    rng: Generator,
    noise_rng: Generator | None = None,
    second_layer_rate: float = 0.0,
    noise: float = 0.0,
    weight_decay: float = 0.0,
    batch: int = 1,
    stream: Stream = "fast",
) -> Trajectory:
    r"""Return a trajectory of the overlaps, exact in law at every N ≥ K + M, at a cost independent of N.

    Parameters
    ----------
    Q, R, T : array_like, shapes (K, K), (K, M) and (M, M)
        Overlaps at the start.
    v, A : array_like, shapes (K,) and (M,)
        Second layers of student and teacher, any normalisation included.
    dimension : int
        N ≥ K + M.
    student_activation, teacher_activation : str or pair of functions
        A name, or (g, g'), which is compiled anew in every process.
    schedule : array_like, shape (n, 4)
        Learning rate η(alpha), see :mod:`tsmech.kernels.schedules`.
    alphas : array_like, shape (n,)
        Increasing times of the records.
    rng : Generator
        For the examples.
    noise_rng : Generator, optional
        For the label noise; by default spawned from ``rng``.
    second_layer_rate : float
        η_v; 0 leaves v as it is.
    noise : float
        σ, the standard deviation of the label noise.
    weight_decay : float
        κ.
    batch : int
        Examples in a step.
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
    K, M = start.student.shape[0], start.teacher.shape[0]
    second_layer = read_second_layer(v, K)
    task = make_task(
        start.teacher,
        A,
        (student_activation, teacher_activation),
        schedule,
        (second_layer_rate, noise, weight_decay),
        (K, dimension, batch),
        alphas,
    )
    lanes, precision = make_lanes(stream, rng)
    records = task.record_at.size
    student, recorded_v = np.empty((records, K, M + K)), np.empty((records, K))
    widest = 4 * math.ceil((M + 2 * K + BLOCK) / 4)
    numbers = max(_NORMALS_AT_A_TIME, QUANTUM * math.ceil(BLOCK * widest / QUANTUM))
    reached, step = specialise(follow_chain, task.rule.student, task.rule.teacher)(
        *task,
        start.student,
        second_layer,
        rng,
        noise_rng or rng.spawn(1)[0],
        lanes,
        np.empty(numbers, dtype=precision),
        student,
        recorded_v,
    )
    return make_trajectory(task, alphas, reached, step, student, recorded_v)


def run_direct(
    W: ArrayLike,
    B: ArrayLike,
    v: ArrayLike,
    A: ArrayLike,
    *,
    student_activation: Activation,
    teacher_activation: Activation,
    schedule: ArrayLike,
    alphas: ArrayLike,
    rng: Generator,
    noise_rng: Generator | None = None,
    inputs: Literal["gaussian", "binary", "uniform"] | NDArray[Any] = "gaussian",
    second_layer_rate: float = 0.0,
    noise: float = 0.0,
    weight_decay: float = 0.0,
    batch: int = 1,
    stream: Stream = "fast",
) -> Trajectory:
    r"""Return a trajectory of the network itself.

    Parameters
    ----------
    W, B : array_like, shapes (K, N) and (M, N)
        First layers of student, at the start, and teacher.
    inputs : {"gaussian", "binary", "uniform"} or ndarray, shape (rows, N)
        Independent components of mean 0 and variance 1, normal, ±1 or uniform; or rows to be drawn with replacement.
    stream : {"fast", "numpy"}
        With "fast", inputs are held in single precision.
    v, A, student_activation, teacher_activation, schedule, alphas, rng, noise_rng, second_layer_rate, noise,
    weight_decay, batch
        As in :func:`run_reduced`.

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
    task = make_task(
        np.ascontiguousarray(upper.T) / math.sqrt(N),
        A,
        (student_activation, teacher_activation),
        schedule,
        (second_layer_rate, noise, weight_decay),
        (K, N, batch),
        alphas,
    )
    law, data = _law(inputs, N)
    lanes, precision = make_lanes(stream, rng)
    padding = np.zeros(((K + M) % 2, N))
    weights = into_strips(np.concatenate([first / math.sqrt(N), orthonormal.T, padding]))
    records = task.record_at.size
    along, rest, recorded_v = np.empty((records, K, M)), np.empty((records, K, K)), np.empty((records, K))
    error = np.empty(records)
    reached, step = specialise(follow_network, task.rule.student, task.rule.teacher)(
        *task,
        weights,
        second_layer,
        law,
        data,
        rng,
        noise_rng or rng.spawn(1)[0],
        lanes,
        np.zeros((weights.shape[0], BLOCK, weights.shape[2]), dtype=precision),
        along,
        rest,
        recorded_v,
        error,
    )
    student = np.full((records, K, M + K), np.inf)
    for i in range(reached):
        if np.all(np.isfinite(rest[i])):
            student[i, :, :M], student[i, :, M:] = along[i], semidefinite_factor(rest[i])
    return make_trajectory(task, alphas, reached, step, student, recorded_v, error if law == ROWS else None)


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


def make_task(
    factor: Matrix,
    A: ArrayLike,
    activations: tuple[Activation, Activation],
    schedule: ArrayLike,
    rates: tuple[float, float, float],
    sizes: tuple[int, int, int],
    alphas: ArrayLike,
) -> Task:
    """Return a checked task for the kernels."""
    (K, N, batch), M = sizes, factor.shape[0]
    check_dimension(N, K, M)
    teacher_second_layer = np.array(A, dtype=np.float64)
    if teacher_second_layer.shape != (M,):
        raise InputError(f"A has shape {teacher_second_layer.shape}: must be ({M},), one weight for each teacher unit")
    stretches = np.array(schedule, dtype=np.float64)
    if stretches.ndim != 2 or stretches.shape[0] < 1 or stretches.shape[1] != 4 or not np.all(np.isfinite(stretches)):
        raise InputError(f"schedule has shape {stretches.shape}: must be (n, 4), finite, see tsmech.kernels.schedules")
    for name, value in zip(("second_layer_rate", "noise", "weight_decay"), rates, strict=True):
        if not 0.0 <= value < math.inf:
            raise InputError(f"{name} = {value!r}: must be finite and not negative")
    if batch < 1:
        raise InputError(f"batch = {batch!r}: must be at least 1")
    times = np.asarray(alphas, dtype=np.float64)
    if (
        times.ndim != 1
        or times.size == 0
        or not np.all(np.isfinite(times))
        or times[0] < 0.0
        or np.any(np.diff(times) < 0.0)
    ):
        raise InputError("alphas: must be one or more finite times, not negative and not decreasing")
    student, teacher = (compile_unit(activation) for activation in activations)
    second_layer_rate, noise, weight_decay = map(float, rates)
    rule = Rule(student, teacher, second_layer_rate, noise, weight_decay, int(batch), int(N))
    return Task(rule, factor, teacher_second_layer, stretches, np.unique(steps_at(times, N, batch)))


def make_trajectory(
    task: Task,
    alphas: ArrayLike,
    reached: int,
    step: int,
    student: Matrix,
    v: Matrix,
    error: NDArray[np.float64] | None = None,
) -> Trajectory:
    """Return the records in the order of alphas, up to where the run diverged."""
    ended = reached < task.record_at.size
    size = np.sum(student[:reached] ** 2, axis=(1, 2))
    in_bounds = size <= LARGEST_FIELD**2
    if not np.all(in_bounds):
        reached = int(np.argmin(in_bounds))
        ended, step = True, int(task.record_at[reached])
    steps = steps_at(alphas, task.rule.N, task.rule.batch)
    record = np.searchsorted(task.record_at, steps)
    record = record[record < reached]
    K, M = v.shape[1], task.A.size
    teacher = np.hstack([task.factor, np.zeros((M, K))])
    times = np.append(steps[: record.size], step) * task.rule.batch / task.rule.N
    diverged_at = float(times[-1]) if ended else None
    errors = None if error is None else error[record]
    return Trajectory(times[:-1], student[record], teacher, v[record], diverged_at, errors)
