r"""Training a two-layer student on P = alpha N stored, noisy examples for many epochs.

Student, teacher and steps are those of :mod:`tsmech.sims.online_sgd`.  An epoch is P examples, P/b steps.
Their order is

- ``without`` replacement: a new random permutation every epoch; a batch may begin in one epoch and end in the next;
- ``with`` replacement: each example drawn independently;
- ``full``: gradient descent on the whole training set, one step an epoch;
- ``sampled``: a batch of a share of all examples, drawn anew without replacement for each step.

The last two take large steps, each worth N steps of a single example,

.. math::

    w_k \to w_k - \eta \sqrt N\, \langle v_k g'(\lambda_k)\, \Delta\, x \rangle - \kappa\, w_k, \qquad
    v_k \to v_k - \eta_v \langle g(\lambda_k)\, \Delta \rangle - \kappa\, v_k ,

so that a rate means the same whatever N is.  The state at an epoch is the one after ⌊epoch P/b⌋ steps, and is recorded
with its own epoch.  :func:`train` stores the inputs, :func:`run_reduced` reveals them only along the directions that
large steps ask for: the same law at every N and P.  The derivation is in ``theory/sample_reuse.md``.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from tsmech.errors import InputError
from tsmech.kernels.activations import functions
from tsmech.kernels.jit import kernel
from tsmech.kernels.rule import Rule
from tsmech.kernels.steps import examples_of
from tsmech.machine import memory
from tsmech.sims.online_sgd import (
    Stream,
    Trajectory,
    from_records,
    make_lanes,
    make_problem,
    make_trajectory,
    read_second_layer,
)
from tsmech.sims.revelation import RevealedMatrix
from tsmech.sims.streams import QUANTUM
from tsmech.sims.two_layer.network import into_strips
from tsmech.sims.two_layer.room import too_large
from tsmech.sims.two_layer.rule import Problem
from tsmech.sims.two_layer.starts import check_dimension, coordinates
from tsmech.sims.two_layer.stored import (
    ANEW,
    IN_SEQUENCE,
    WITH_REPLACEMENT,
    WITHOUT_REPLACEMENT,
    draw_training_set,
    make_stored,
    train_on_stored,
)
from tsmech.sims.two_layer.units import respond, specialise

ORDERS = {"without": WITHOUT_REPLACEMENT, "with": WITH_REPLACEMENT, "full": IN_SEQUENCE, "sampled": ANEW}
LARGE_STEPS = ("full", "sampled")
"""Orders of which a step is worth N."""


class Training(NamedTuple):
    """What a training recorded, at n times."""

    epoch: NDArray[np.float64]
    """Shape (n,): exactly the times of the states."""
    network: Trajectory
    """The overlaps; its ``alpha`` is the number of examples seen, repetitions too, over N."""
    train_error: NDArray[np.float64]
    """½ mean (student - label)² over the training set, shape (n,)."""
    diverged_at: float | None
    """The epoch at which the run was stopped, because a Q_kk or v_k² exceeded the bound of
    :mod:`tsmech.kernels.divergence`; None where it was not."""


def train(
    W: ArrayLike,
    B: ArrayLike,
    v: ArrayLike,
    A: ArrayLike,
    rule: Rule,
    epochs: ArrayLike,
    *,
    examples: int,
    order: str,
    share: float = 1.0,
    rng: Generator,
    noise_rng: Generator | None = None,
    order_rng: Generator | None = None,
    stream: Stream = "fast",
) -> Training:
    r"""Draw a training set, train a network on it, and return what became of the network.

    Parameters
    ----------
    W, B : array_like, shapes (K, N) and (M, N)
        First layers of student, at the start, and teacher.
    v, A : array_like, shapes (K,) and (M,)
        Second layers, any normalisation included.
    rule : Rule
        The label noise is that of the stored examples, which keep it.  A pair of functions as activation is compiled
        anew in every process.
    epochs : array_like, shape (n,)
        Increasing times of the records.
    examples : int
        P.
    order : {"without", "with", "full", "sampled"}
        See above; with large steps the rule's batch must be 1.
    share : float
        The share b of the examples that a step has with "sampled": ⌈b P⌉ of them.
    rng, noise_rng, order_rng : Generator
        For the inputs, the label noise and the order of the examples; the last two by default spawned from the first.
    stream : {"fast", "numpy"}
        Where the inputs come from, as in :func:`tsmech.sims.online_sgd.run_direct`; with "fast" they are stored
        in single precision.

    Returns
    -------
    Training

    Raises
    ------
    InputError
        If a value is out of range, or the training set does not fit into memory.

    Notes
    -----
    The training set takes 4 bytes a number.  Its inputs *are* the single-precision numbers: labels and fields are
    calculated from them in double precision, so nothing is lost that a wider format would keep but the last digits of
    a step.  About 0.6 ns per example and input component for K = 4, and half an epoch's time for every record.
    """
    first, teacher = np.array(W, dtype=np.float64, ndmin=2), np.array(B, dtype=np.float64, ndmin=2)
    (K, N), M = first.shape, teacher.shape[0]
    if teacher.shape[1] != N:
        raise InputError(f"B has rows of {teacher.shape[1]} components, W of {N}: they must be equally long")
    rule = _of_steps(rule, order, examples, N, share)
    check_dimension(N, K, M)
    reason = too_large(examples, N)
    if reason:
        raise InputError(reason)
    second_layer = read_second_layer(v, K)
    orthonormal, upper = np.linalg.qr(teacher.T)
    seen, student = np.asarray(epochs, dtype=np.float64) * examples / N, first / math.sqrt(N)
    problem = make_problem(student, np.ascontiguousarray(upper.T) / math.sqrt(N), second_layer, A, rule, N, seen)
    noise_rng, order_rng = noise_rng or rng.spawn(1)[0], order_rng or rng.spawn(1)[0]
    lanes, precision = make_lanes(stream, rng)
    weights, basis = into_strips(_even(student)), into_strips(_even(orthonormal.T))
    data = np.zeros((examples, weights.shape[0] * weights.shape[2]), dtype=precision)
    labels = np.empty(examples)
    buffer = np.empty(QUANTUM * math.ceil(N / QUANTUM) if lanes.size else N, dtype=precision)
    specialise(draw_training_set, problem.rule)(problem, basis, rng, noise_rng, lanes, buffer, data, labels)
    stored = make_stored(weights, basis, problem, K, ORDERS[order], data, labels, order_rng)
    recorded_v = np.empty((problem.record_at.size, K))
    reached, step = specialise(train_on_stored, problem.rule)(problem, stored, second_layer, recorded_v)
    recorded = from_records(stored.along, stored.rest, reached)
    return _training(problem, seen, reached, step, recorded, recorded_v, stored.error, examples)


def run_reduced(
    Q: ArrayLike,
    R: ArrayLike,
    T: ArrayLike,
    v: ArrayLike,
    A: ArrayLike,
    rule: Rule,
    epochs: ArrayLike,
    *,
    examples: int,
    dimension: int,
    order: str,
    share: float = 1.0,
    rng: Generator,
    noise_rng: Generator | None = None,
    order_rng: Generator | None = None,
) -> Training:
    r"""Train a network in large steps on examples whose inputs are revealed only where training asks for them.

    The law is that of :func:`train` at every N and P.

    Parameters
    ----------
    Q, R, T : array_like, shapes (K, K), (K, M) and (M, M)
        Overlaps at the start.
    v, A, rule, epochs, examples, share
        As in :func:`train`.
    dimension : int
        N.
    order : {"full", "sampled"}
    rng, noise_rng, order_rng : Generator
        For the matrix of inputs, the label noise and the batches; the last two by default spawned from the first.

    Returns
    -------
    Training

    Raises
    ------
    InputError
        If a value is out of range, or memory is short: see :func:`too_many_directions`.

    Notes
    -----
    A step of K units in n directions costs about 14 K P n operations, and memory is P numbers for each of the
    directions, at most 2 K of them a step and N + min(N, P) in all.

    References
    ----------
    Y. M. Lu, arXiv:2101.07464; ``theory/sample_reuse.md``, section 5.
    """
    if order not in LARGE_STEPS:
        raise InputError(f"order = {order!r}: must be one of {', '.join(LARGE_STEPS)}, whose steps are large")
    (start, factor), P, N = coordinates(Q, R, T), examples, dimension
    rule, seen = _of_steps(rule, order, P, N, share), np.asarray(epochs, dtype=np.float64) * P / N
    second = read_second_layer(v, len(start))
    problem = make_problem(start, factor, second, A, rule, N, seen)
    (K, known), M = start.shape, len(factor)
    steps, batch, record_at = int(problem.record_at[-1]), rule.batch, problem.record_at
    if reason := too_many_directions(P, N, K, M, steps):
        raise InputError(reason)
    noise_rng, order_rng = noise_rng or rng.spawn(1)[0], order_rng or rng.spawn(1)[0]
    matrix = RevealedMatrix(P, N, known, K * steps, rng)
    labels = rule.noise * noise_rng.standard_normal(P)
    for part, fields in matrix.fields(np.eye(M, known)):
        labels[part] += problem.A @ functions(rule.teacher)[0](factor @ fields)
    rate, decay = float(rule.schedule[0, 1]) / (N * batch), 1.0 - rule.weight_decay / N
    second_rate = rule.second_layer_rate / (N * batch)
    weights, recorded = start, 0
    along, rest = np.empty((record_at.size, K, M)), np.empty((record_at.size, K, K))
    recorded_v, errors = np.empty((record_at.size, K)), np.empty(record_at.size)
    chosen = np.full(P, batch == P)
    squared, pulled, pull = 0.0, np.zeros(K), specialise(_pull, problem.rule)

    def answer(part: slice, fields: NDArray[np.float64]) -> NDArray[np.float64]:
        nonlocal squared
        pulls = np.empty(fields.shape)
        squared += pull(problem.rule.student, fields, second, labels[part], chosen[part], pulls, pulled)
        return pulls

    for step in range(steps + 1):
        squared = 0.0
        pulled[:] = 0.0
        if not max(np.sum(weights**2, axis=1).max(), np.max(second**2)) <= problem.bound:
            break
        if batch < P:
            chosen[:] = False
            chosen[order_rng.choice(P, batch, replace=False, shuffle=False)] = True
        before = weights
        if step < steps:
            product = matrix.product(weights, answer)
            weights = -rate * product
            weights[:, : before.shape[1]] += decay * before
        else:
            for part, fields in matrix.fields(weights):
                answer(part, fields)
        if step == record_at[recorded]:
            along[recorded], rest[recorded] = before[:, :M], before[:, M:] @ before[:, M:].T
            recorded_v[recorded], errors[recorded] = second, 0.5 * squared / P
            recorded += 1
        if second_rate > 0.0:
            second = decay * second - second_rate * pulled
    student = from_records(along, rest, recorded)
    return _training(problem, seen, recorded, step, student, recorded_v, errors, P)


@kernel
def _pull(  # type: ignore[no-untyped-def]
    unit, fields, second, labels, chosen, pulls, pulled
):
    """Fill ``pulls`` with v_k g'(λ_k) Δ, where examples are chosen and else with 0, and return the sum of all Δ².

    The sum of g(λ_k) Δ over the chosen is added to ``pulled``.
    """
    K, count = fields.shape
    deltas, outputs = -labels, np.empty((K, count))
    for k in range(K):
        v, x, g, slope = second[k], fields[k], outputs[k], pulls[k]
        for i in range(count):
            g[i], slope[i] = respond(unit, x[i])
            deltas[i] += v * g[i]
    squared = 0.0
    for i in range(count):
        squared += deltas[i] * deltas[i]
        if not chosen[i]:
            deltas[i] = 0.0
    for k in range(K):
        v, g, slope, total = second[k], outputs[k], pulls[k], 0.0
        for i in range(count):
            total += g[i] * deltas[i]
            slope[i] *= v * deltas[i]
        pulled[k] += total
    return squared


def too_many_directions(examples: int, dimension: int, units: int, teacher_units: int, steps: int) -> str | None:
    """Return in one line that so many large steps of K units do not fit into the memory that is available, or None."""
    needed = RevealedMatrix.bytes(examples, dimension, units + teacher_units, units * steps)
    short = memory.shortage(needed, f"the inputs of {examples:.6g} examples along the directions of {steps} steps", 0)
    return f"{short}: lower alpha, dimension or duration" if short else None


def _of_steps(rule: Rule, order: str, examples: int, dimension: int, share: float) -> Rule:
    """Return the rule of an order's steps, which may be large."""
    if order not in ORDERS:
        raise InputError(f"order = {order!r}: must be one of {', '.join(ORDERS)}")
    if examples < 1:
        raise InputError(f"examples = {examples!r}: must be at least 1")
    if not 0.0 < share <= 1.0 or (share < 1.0 and order != "sampled"):
        raise InputError(f"share = {share!r}: must be 1, or with order = 'sampled' above 0 and at most 1")
    if order not in LARGE_STEPS:
        return rule
    if rule.batch != 1:
        raise InputError(f"batch = {rule.batch!r}: must be 1 with order = {order!r}")
    return rule.scaled(dimension)._replace(batch=examples_of(share, examples))


def _training(
    problem: Problem,
    seen: NDArray[np.float64],
    reached: int,
    step: int,
    student: NDArray[np.float64],
    v: NDArray[np.float64],
    error: NDArray[np.float64],
    examples: int,
) -> Training:
    """Return the records at their epochs, up to where the run diverged."""
    network = make_trajectory(problem, seen, reached, step, student, v)
    record = np.searchsorted(problem.record_at * problem.rule.batch / problem.N, network.alpha)
    diverged_at = network.diverged_at
    return Training(
        network.alpha * problem.N / examples,
        network,
        error[record],
        None if diverged_at is None else diverged_at * problem.N / examples,
    )


def _even(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return rows with one of zeros added where their number is odd: products are taken two rows at a time."""
    return np.vstack([rows, np.zeros((len(rows) % 2, rows.shape[1]))])
