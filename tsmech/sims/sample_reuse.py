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
from tsmech.kernels.schedules import constant
from tsmech.machine import memory
from tsmech.sims.online_sgd import (
    Stream,
    Trajectory,
    make_lanes,
    make_task,
    make_trajectory,
    read_second_layer,
)
from tsmech.sims.streams import QUANTUM
from tsmech.sims.two_layer.network import into_strips
from tsmech.sims.two_layer.starts import check_dimension, semidefinite_factor
from tsmech.sims.two_layer.stored import (
    IN_SEQUENCE,
    WITH_REPLACEMENT,
    WITHOUT_REPLACEMENT,
    draw_training_set,
    train_on_stored,
)
from tsmech.sims.two_layer.units import Activation, specialise

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
    """The epoch at which the run was stopped because a field, an overlap or a second-layer weight exceeded all
    bounds."""


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
    *,
    examples: int,
    order: str,
    student_activation: Activation,
    teacher_activation: Activation,
    learning_rate: float,
    epochs: ArrayLike,
    rng: Generator,
    noise_rng: Generator | None = None,
    order_rng: Generator | None = None,
    second_layer_rate: float = 0.0,
    noise: float = 0.0,
    weight_decay: float = 0.0,
    batch: int = 1,
    stream: Stream = "fast",
) -> Training:
    r"""Draw a training set, train a network on it, and return what became of the network.

    Parameters
    ----------
    W, B : array_like, shapes (K, N) and (M, N)
        First layers of student, at the start, and teacher.
    v, A : array_like, shapes (K,) and (M,)
        Second layers, any normalisation included.
    examples : int
        P.
    order : {"without", "with", "full"}
        See above; with "full" a step has all examples and ``batch`` must be 1.
    student_activation, teacher_activation : str or pair of functions
        A name, or (g, g'), which is compiled anew in every process.
    learning_rate, second_layer_rate : float
        η and η_v; with η_v = 0 the second layer stays as it is.
    epochs : array_like, shape (n,)
        Increasing times of the records.
    rng, noise_rng, order_rng : Generator
        For the inputs, the label noise and the order of the examples; the last two by default spawned from the first.
    noise : float
        σ, the standard deviation of the label noise, which an example keeps.
    weight_decay : float
        κ.
    batch : int
        Examples in a step.
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
    if order == "full" and batch != 1:
        raise InputError(f'batch = {batch!r}: must be 1 with order = "full", which takes all examples in a step')
    check_dimension(N, K, M)
    reason = too_large(examples, N)
    if reason:
        raise InputError(reason)
    second_layer = read_second_layer(v, K)
    worth, size = (N, examples) if order == "full" else (1, batch)
    orthonormal, upper = np.linalg.qr(teacher.T)
    seen = np.asarray(epochs, dtype=np.float64) * examples / N
    task = make_task(
        np.ascontiguousarray(upper.T) / math.sqrt(N),
        A,
        (student_activation, teacher_activation),
        constant(worth * learning_rate),
        (worth * second_layer_rate, noise, worth * weight_decay),
        (K, N, size),
        seen,
    )
    noise_rng, order_rng = noise_rng or rng.spawn(1)[0], order_rng or rng.spawn(1)[0]
    lanes, precision = make_lanes(stream, rng)
    weights = into_strips(_even(first / math.sqrt(N)))
    basis = into_strips(_even(orthonormal.T))
    data = np.zeros((examples, weights.shape[0] * weights.shape[2]), dtype=precision)
    labels = np.empty(examples)
    buffer = np.empty(QUANTUM * math.ceil(N / QUANTUM) if lanes.size else N, dtype=precision)
    units = task.rule.student, task.rule.teacher
    specialise(draw_training_set, *units)(
        task.rule, task.factor, task.A, basis, rng, noise_rng, lanes, buffer, data, labels
    )
    records = task.record_at.size
    along, rest, recorded_v = np.empty((records, K, M)), np.empty((records, K, K)), np.empty((records, K))
    error = np.empty(records)
    reached, step = specialise(train_on_stored, *units)(
        task.rule,
        task.schedule,
        task.record_at,
        weights,
        basis,
        second_layer,
        ORDERS[order],
        data,
        labels,
        order_rng,
        np.arange(examples),
        along,
        rest,
        recorded_v,
        error,
    )
    student = np.full((records, K, M + K), np.inf)
    for i in range(reached):
        if np.all(np.isfinite(rest[i])):
            student[i, :, :M], student[i, :, M:] = along[i], semidefinite_factor(rest[i])
    network = make_trajectory(task, seen, reached, step, student, recorded_v)
    record = np.searchsorted(task.record_at * size / N, network.alpha)
    ended = network.diverged_at
    return Training(
        network.alpha * N / examples, network, error[record], None if ended is None else ended * N / examples
    )


def _even(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return rows with one of zeros added where their number is odd: products are taken two rows at a time."""
    return np.vstack([rows, np.zeros((len(rows) % 2, rows.shape[1]))])
