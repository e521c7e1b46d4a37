r"""The kernel of training for many epochs: a network, a stored training set, and the order of its examples.

Training is that of :mod:`tsmech.sims.two_layer.network`, a block of examples at a time with the rule of
:mod:`tsmech.sims.two_layer.rule`; only the examples are not drawn but looked up, with their labels.  See
``theory/sample_reuse.md``, section 5.
"""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tsmech.kernels.jit import kernel
from tsmech.sims.streams import GAUSSIAN, fill
from tsmech.sims.two_layer.blocks import BLOCK, Matrix, Numbers, add_gram, add_products, add_pushes, copy_rows
from tsmech.sims.two_layer.network import narrow, record_network
from tsmech.sims.two_layer.rule import Rule, ask_teacher, learn
from tsmech.sims.two_layer.units import inlined, respond

WITHOUT_REPLACEMENT, WITH_REPLACEMENT, IN_SEQUENCE = range(3)
"""The order of the examples: a new permutation every epoch, independent draws, or the stored sequence."""

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
def choose_examples(order: int, rng: Generator, sequence: Indices, position: int, chosen: Indices) -> int:
    """Choose the next examples.

    Parameters
    ----------
    order : int
        WITHOUT_REPLACEMENT, WITH_REPLACEMENT or IN_SEQUENCE.
    rng : Generator
    sequence : ndarray, shape (P,)
        A permutation of the examples, shuffled when an epoch begins if drawn without replacement.
    position : int
        How many examples of the sequence the epoch has had.
    chosen : ndarray, shape (n,)
        Filled with the indices of the examples.

    Returns
    -------
    int
        The position after them.
    """
    for i in range(chosen.size):
        if order == WITH_REPLACEMENT:
            chosen[i] = draw_below(sequence.size, rng)
        else:
            if position == sequence.size:
                position = 0
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
    rule: Rule,
    factor: Matrix,
    A: Matrix,
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
    rule, factor, A
        See :class:`tsmech.sims.two_layer.rule.Task`.
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
        for c in range(rule.N):
            row[c] = buffer[c]
    inputs = np.zeros((basis.shape[0], BLOCK, basis.shape[2]), dtype=data.dtype)
    fields, chosen = np.empty((basis.shape[1], BLOCK)), np.arange(BLOCK)
    block = np.empty(BLOCK)
    for first in range(0, labels.size, BLOCK):
        count = min(BLOCK, labels.size - first)
        multiply_examples(basis, data, chosen[:count], inputs, fields)
        ask_teacher(rule, factor, A, fields, count, noise_rng, block)
        for i in range(count):
            labels[first + i] = block[i]
            chosen[i] += BLOCK


@inlined
def training_error(rule, v, weights, data, labels, chosen, inputs, fields):  # type: ignore[no-untyped-def]
    r"""Return the training error :math:`\frac1{2P} \sum_\mu (\phi(x_\mu) - y_\mu)^2`; the last three are scratch."""
    total = 0.0
    for first in range(0, labels.size, BLOCK):
        count = min(BLOCK, labels.size - first)
        for i in range(count):
            chosen[i] = first + i
        multiply_examples(weights, data, chosen[:count], inputs, fields)
        for i in range(count):
            residual = -labels[first + i]
            for k in range(v.size):
                residual += v[k] * respond(rule.student, fields[k, i])[0]
            total += residual * residual
    return 0.5 * total / labels.size


@kernel
def train_on_stored(
    rule: Rule,
    schedule: Matrix,
    record_at: Indices,
    weights: Matrix,
    basis: Matrix,
    v: Matrix,
    order: int,
    data: Numbers,
    labels: Matrix,
    rng: Generator,
    sequence: Indices,
    recorded_along: Matrix,
    recorded_rest: Matrix,
    recorded_v: Matrix,
    recorded_error: Matrix,
) -> tuple[int, int]:
    """Train the network and record it; return how many records were made and at which step it ended.

    Parameters
    ----------
    rule, schedule, record_at
        See :class:`tsmech.sims.two_layer.rule.Task`.
    weights : ndarray, shape (strips, K or K + 1, columns)
        The student's vectors over √N in strips, changed in place, and zeros to make their number even.
    basis, data, labels
        See :func:`draw_training_set`.
    v : ndarray, shape (K,)
        The second layer, changed in place.
    order, rng, sequence
        See :func:`choose_examples`.
    recorded_along, recorded_rest : ndarray, shapes (n, K, M) and (n, K, K)
        See :func:`tsmech.sims.two_layer.network.record_network`.
    recorded_v, recorded_error : ndarray, shapes (n, K) and (n,)
        The second layer and the training error.

    Notes
    -----
    Steps take no memory, a record only a copy of the student's weights.  A record reads the
    whole training set once.
    """
    K, N, batch = v.size, rule.N, rule.batch
    strips, _, width = weights.shape
    spread = batch > BLOCK
    ahead = weights.copy() if spread else weights
    moved = np.zeros_like(weights)
    inputs = np.zeros((strips, BLOCK, width), dtype=data.dtype)
    read = np.zeros_like(inputs)
    fields, gram, block_labels = np.zeros((weights.shape[1], BLOCK)), np.zeros((BLOCK, BLOCK)), np.zeros(BLOCK)
    pushes, narrowed, none = np.zeros((K, BLOCK)), np.zeros((K, BLOCK), data.dtype), np.zeros((K, BLOCK), data.dtype)
    pulls, values, answers = np.zeros(K), np.empty(K), np.zeros_like(fields)
    chosen, examined = np.zeros(BLOCK, dtype=np.int64), np.zeros(BLOCK, dtype=np.int64)
    decay = 1.0 - rule.weight_decay / N
    scale = 0.0
    progress = 0, 0, 1.0
    sequence_position = recorded = count = position = 0
    while True:
        if progress[0] == record_at[recorded]:
            for s in range(strips):
                copy_rows(ahead[s], moved[s])
                add_pushes(moved[s, :K], progress[2], scale, narrowed, inputs[s])
            record_network(moved, basis, 1.0, 0.0, none, inputs, recorded_along[recorded], recorded_rest[recorded])
            recorded_v[recorded] = v
            recorded_error[recorded] = training_error(rule, v, moved, data, labels, examined, read, answers)
            recorded += 1
            if recorded == record_at.size:
                return recorded, progress[0]
        if position == count:
            for s in range(strips):
                add_pushes(ahead[s, :K], progress[2], scale, narrowed, inputs[s])
                if spread and progress[1] == 0:
                    copy_rows(ahead[s], weights[s])
            progress = progress[0], progress[1], decay if spread and progress[1] == 0 else 1.0
            count = min(BLOCK, batch - progress[1]) if spread else BLOCK // batch * batch
            sequence_position = choose_examples(order, rng, sequence, sequence_position, chosen[:count])
            multiply_examples(weights, data, chosen[:count], inputs, fields)
            if not spread:
                gram[:] = 0.0
                for s in range(strips):
                    add_gram(inputs[s], gram)
            for i in range(count):
                block_labels[i] = labels[chosen[i]]
            pushes[:] = 0.0
            position = 0
        position, progress, bounded = learn(
            rule,
            schedule,
            v,
            fields,
            block_labels,
            gram,
            position,
            count,
            progress,
            record_at[recorded],
            pushes,
            pulls,
            values,
        )
        if not bounded:
            return recorded, progress[0]
        scale = narrow(pushes, narrowed)
