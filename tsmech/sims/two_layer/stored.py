r"""The kernel of training for many epochs: a network, a stored training set, and the order of its examples.

Training is that of :mod:`tsmech.sims.two_layer.network`, a block of examples at a time with the rule of
:mod:`tsmech.sims.two_layer.rule`; only the examples are not drawn but looked up, with their labels.  See
``theory/sample_reuse.md``, section 7.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tsmech.kernels.jit import kernel
from tsmech.sims.streams import GAUSSIAN, fill
from tsmech.sims.two_layer.blocks import BLOCK, Matrix, Numbers, add_gram, add_products, add_pushes, copy_rows
from tsmech.sims.two_layer.network import narrow, record_network, squares_of_network
from tsmech.sims.two_layer.rule import Problem, ask_teacher, follow
from tsmech.sims.two_layer.units import inlined, respond

WITHOUT_REPLACEMENT, WITH_REPLACEMENT, IN_SEQUENCE, ANEW = range(4)
"""The order of the examples: a new permutation every epoch, independent draws, the stored sequence, or for each step a
batch drawn from all of them without replacement."""

Indices = NDArray[np.int64]


@kernel
def draw_below(count: int, rng: Generator) -> int:
    """Return a whole number from 0 to count - 1, each with equal probability to count/2⁵³; nothing is allocated."""
    return int(rng.random() * count)


@kernel
def shuffle(sequence: Indices, rng: Generator) -> None:
    """Permute a sequence at random (Fisher and Yates)."""
    for last in range(sequence.size - 1, 0, -1):
        other = draw_below(last + 1, rng)
        sequence[last], sequence[other] = sequence[other], sequence[last]


@kernel
def choose_examples(order: int, rng: Generator, sequence: Indices, position: int, chosen: Indices, batch: int) -> int:
    """Choose the next examples.

    Parameters
    ----------
    order : int
        WITHOUT_REPLACEMENT, WITH_REPLACEMENT, IN_SEQUENCE or ANEW.
    rng : Generator
    sequence : ndarray, shape (P,)
        A permutation of the examples, shuffled when an epoch begins if drawn without replacement, and one by one when
        they are drawn anew.
    position : int
        How many examples of the sequence the epoch has had, or the step if they are drawn anew for each.
    chosen : ndarray, shape (n,)
        Filled with the indices of the examples.
    batch : int
        Examples in a step.

    Returns
    -------
    int
        The position after them.
    """
    for i in range(chosen.size):
        if order == WITH_REPLACEMENT:
            chosen[i] = draw_below(sequence.size, rng)
        else:
            if position == sequence.size or (order == ANEW and position == batch):
                position = 0
            if order == ANEW:
                other = position + draw_below(sequence.size - position, rng)
                sequence[position], sequence[other] = sequence[other], sequence[position]
            if position == 0 and order == WITHOUT_REPLACEMENT:
                shuffle(sequence, rng)
            chosen[i] = sequence[position]
            position += 1
    return position


@kernel
def gather_rows(data: Numbers, chosen: Indices, begin: int, strip: Numbers) -> None:
    """Copy the chosen rows of the data, from column ``begin`` on, into the rows of a strip."""
    for i in range(chosen.size):
        row, out = data[chosen[i], begin : begin + strip.shape[1]], strip[i]
        for c in range(out.size):
            out[c] = row[c]


@kernel
def multiply_examples(weights: Numbers, data: Numbers, chosen: Indices, inputs: Numbers, fields: Matrix) -> None:
    """Fill in the products of all rows of weights, in strips, with chosen examples, which are copied to ``inputs``."""
    fields[:] = 0.0
    for s in range(weights.shape[0]):
        gather_rows(data, chosen, s * weights.shape[2], inputs[s])
        add_products(weights[s], inputs[s], fields)


@kernel
def draw_training_set(
    problem: Problem,
    basis: Numbers,
    rng: Generator,
    noise_rng: Generator,
    lanes: NDArray[np.uint32],
    buffer: Numbers,
    data: Numbers,
    labels: Matrix,
) -> None:
    """Draw the inputs, and ask the teacher for their labels.

    Parameters
    ----------
    problem : Problem
    basis : ndarray, shape (strips, M or M + 1, columns)
        Orthonormal rows that span the teacher's, in the strips of :func:`tsmech.sims.two_layer.network.into_strips`.
    rng, noise_rng : Generator
    lanes, buffer
        See :func:`tsmech.sims.streams.fill`; the buffer takes N numbers or more.
    data : ndarray, shape (P, strips · columns)
        Zeros, of which the first N columns are filled.
    labels : ndarray, shape (P,)
    """
    for i in range(labels.size):
        fill(GAUSSIAN, lanes, rng, buffer)
        row = data[i]
        for c in range(problem.N):
            row[c] = buffer[c]
    inputs = np.zeros((basis.shape[0], BLOCK, basis.shape[2]), dtype=data.dtype)
    fields, chosen = np.empty((basis.shape[1], BLOCK)), np.arange(BLOCK)
    block = np.empty(BLOCK)
    for first in range(0, labels.size, BLOCK):
        count = min(BLOCK, labels.size - first)
        multiply_examples(basis, data, chosen[:count], inputs, fields)
        ask_teacher(problem.rule, problem.factor, problem.A, fields, count, noise_rng, block)
        for i in range(count):
            labels[first + i] = block[i]
            chosen[i] += BLOCK


class Stored(NamedTuple):
    """Arrays and generators of a network that learns from a stored training set.

    Weights and inputs are in strips; steps take no memory, a record a copy of the student's weights.
    """

    weights: Numbers
    """The student's vectors over √N, and zeros to make their number even: shape (strips, K or K + 1, columns)."""
    ahead: Numbers
    """What they become after the step, where a batch is spread over several blocks; else ``weights``."""
    moved: Numbers
    """Room for weights."""
    basis: Numbers
    """See :func:`draw_training_set`."""
    data: Numbers
    labels: Matrix
    order: int
    """WITHOUT_REPLACEMENT, WITH_REPLACEMENT, IN_SEQUENCE or ANEW."""
    sequence: Indices
    """See :func:`choose_examples`."""
    taken: Indices
    """The position of :func:`choose_examples`, shape (1,)."""
    chosen: Indices
    """The examples of a block, shape (BLOCK,)."""
    inputs: Numbers
    """Shape (strips, BLOCK, columns), in the precision of the data."""
    read: Numbers
    """Room for inputs."""
    narrowed: Numbers
    """The pushes in the precision of the data, shape (K, BLOCK)."""
    fields: Matrix
    gram: Matrix
    rng: Generator
    along: Matrix
    """Records of :func:`tsmech.sims.two_layer.network.record_network`, shape (n, K, M)."""
    rest: Matrix
    """Shape (n, K, K)."""
    error: Matrix
    """The training error, shape (n,)."""


def make_stored(
    weights: Numbers,
    basis: Numbers,
    problem: Problem,
    K: int,
    order: int,
    data: Numbers,
    labels: Matrix,
    rng: Generator,
) -> Stored:
    """Return a network of K hidden units and its training set, as :class:`Stored` describes them."""
    strips, rows, width = weights.shape
    inputs = np.zeros((strips, BLOCK, width), dtype=data.dtype)
    records, M = problem.record_at.size, problem.A.size
    return Stored(
        weights,
        weights.copy() if problem.rule.batch > BLOCK else weights,
        np.zeros_like(weights),
        basis,
        data,
        labels,
        order,
        np.arange(labels.size),
        np.zeros(1, dtype=np.int64),
        np.zeros(BLOCK, dtype=np.int64),
        inputs,
        np.zeros_like(inputs),
        np.zeros((K, BLOCK), dtype=data.dtype),
        np.zeros((rows, BLOCK)),
        np.zeros((BLOCK, BLOCK)),
        rng,
        np.empty((records, K, M)),
        np.empty((records, K, K)),
        np.empty(records),
    )


@inlined
def training_error(problem: Any, stored: Any, v: Any) -> Any:
    r"""Return the training error :math:`\frac1{2P} \sum_\mu (\phi(x_\mu) - y_\mu)^2` of the ``moved`` weights."""
    total = 0.0
    examined, fields = np.zeros(BLOCK, dtype=np.int64), np.zeros_like(stored.fields)
    for first in range(0, stored.labels.size, BLOCK):
        count = min(BLOCK, stored.labels.size - first)
        for i in range(count):
            examined[i] = first + i
        multiply_examples(stored.moved, stored.data, examined[:count], stored.read, fields)
        for i in range(count):
            residual = -stored.labels[first + i]
            for k in range(v.size):
                residual += v[k] * respond(problem.rule.student, fields[k, i])[0]
            total += residual * residual
    return 0.5 * total / stored.labels.size


@inlined
def _next_block(problem: Any, stored: Any, progress: Any, count: Any, pushes: Any, labels: Any) -> None:
    weights, ahead, inputs, K = stored.weights, stored.ahead, stored.inputs, pushes.shape[0]
    spread = problem.rule.batch > BLOCK
    scale = narrow(pushes, stored.narrowed)
    for s in range(weights.shape[0]):
        add_pushes(ahead[s, :K], progress[2], scale, stored.narrowed, inputs[s])
        if spread and progress[1] == 0:
            copy_rows(ahead[s], weights[s])
    chosen = stored.chosen[:count]
    batch = problem.rule.batch
    stored.taken[0] = choose_examples(stored.order, stored.rng, stored.sequence, stored.taken[0], chosen, batch)
    multiply_examples(weights, stored.data, chosen, inputs, stored.fields)
    if not spread:
        stored.gram[:] = 0.0
        for s in range(weights.shape[0]):
            add_gram(inputs[s], stored.gram)
    for i in range(count):
        labels[i] = stored.labels[chosen[i]]


@inlined
def _record(problem: Any, stored: Any, v: Any, shrink: Any, pushes: Any, row: Any) -> None:
    scale, moved = narrow(pushes, stored.narrowed), stored.moved
    for s in range(moved.shape[0]):
        copy_rows(stored.ahead[s], moved[s])
        add_pushes(moved[s, : v.size], shrink, scale, stored.narrowed, stored.inputs[s])
    none = np.zeros_like(stored.narrowed)
    record_network(moved, stored.basis, 1.0, 0.0, none, stored.inputs, stored.along[row], stored.rest[row])
    stored.error[row] = training_error(problem, stored, v)


@kernel
def train_on_stored(problem: Problem, stored: Stored, v: Matrix, recorded_v: Matrix) -> tuple[int, int]:
    """Train the network and record it: see :func:`tsmech.sims.two_layer.rule.follow`."""
    result: tuple[int, int] = follow(problem, stored, v, recorded_v, _next_block, _record, squares_of_network)
    return result
