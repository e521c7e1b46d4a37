r"""Training a two-layer student on P = alpha N stored, noisy examples for many epochs.

Student, teacher and steps are those of :mod:`tsmech.sims.online_sgd`.  An epoch is P examples, P/b steps.
Their order is

- ``without`` replacement: a new random permutation every epoch; a batch may begin in one epoch and end in the next;
- ``with`` replacement: each example drawn independently;
- ``full``: gradient descent on the whole training set, one step an epoch, worth N steps of a single example,

.. math::

    w_k \to w_k - \eta \sqrt N\, \langle v_k g'(\lambda_k)\, \Delta\, x \rangle - \kappa\, w_k, \qquad
    v_k \to v_k - \eta_v \langle g(\lambda_k)\, \Delta \rangle - \kappa\, v_k ,

so that a rate means the same whatever N is.  The state at an epoch is the one after ⌊epoch P/b⌋ steps, and is recorded
with its own epoch.  The derivation is in ``theory/sample_reuse.md``.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from tsmech.errors import InputError
from tsmech.kernels.rule import Rule
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
from tsmech.sims.streams import QUANTUM
from tsmech.sims.two_layer.network import into_strips
from tsmech.sims.two_layer.starts import check_dimension
from tsmech.sims.two_layer.stored import (
    IN_SEQUENCE,
    WITH_REPLACEMENT,
    WITHOUT_REPLACEMENT,
    draw_training_set,
    make_stored,
    train_on_stored,
)
from tsmech.sims.two_layer.units import specialise

ORDERS = {"without": WITHOUT_REPLACEMENT, "with": WITH_REPLACEMENT, "full": IN_SEQUENCE}

ITEM = np.dtype(np.float32).itemsize
"""Bytes of a stored input: see :func:`train`."""


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


def too_large(examples: int, dimension: int) -> str | None:
    """Return in one line that a training set does not fit into the memory that is available, or None if it does."""
    needed = examples * (dimension * ITEM + 16)
    short = memory.shortage(needed, f"the training set of {examples:.6g} x {dimension:.6g} numbers", 0)
    return f"{short}: lower alpha or dimension" if short else None


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
    order : {"without", "with", "full"}
        See above; with "full" a step has all examples and the rule's batch must be 1.
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
    if order not in ORDERS:
        raise InputError(f"order = {order!r}: must be one of {', '.join(ORDERS)}")
    if examples < 1:
        raise InputError(f"examples = {examples!r}: must be at least 1")
    if order == "full":
        if rule.batch != 1:
            raise InputError(
                f'batch = {rule.batch!r}: must be 1 with order = "full", which takes all examples in a step'
            )
        rule = rule.scaled(N)._replace(batch=examples)
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
    network = make_trajectory(problem, seen, reached, step, recorded, recorded_v)
    record = np.searchsorted(problem.record_at * problem.rule.batch / N, network.alpha)
    diverged_at = network.diverged_at
    return Training(
        network.alpha * N / examples,
        network,
        stored.error[record],
        None if diverged_at is None else diverged_at * N / examples,
    )


def _even(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return rows with one of zeros added where their number is odd: products are taken two rows at a time."""
    return np.vstack([rows, np.zeros((len(rows) % 2, rows.shape[1]))])
