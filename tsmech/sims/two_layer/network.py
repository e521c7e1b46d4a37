r"""The direct answer of online learning: every weight and every example of the network.

The weights outgrow the processor's first cache, and at N of a few thousand its second one, so that reading them for
every example would take longer than calculating with them.  They are read once a block instead: in one pass, a strip
of columns at a time, the last block's steps are written, the next block's inputs are drawn, and their fields and scalar
products are added up.  In between, :func:`tsmech.sims.two_layer.rule.learn` takes one example after the other: the
result is that of one-pass SGD.  See ``theory/online_sgd.md``, section 8.

No more than BLOCK examples exist at a time.  The memory is that of K + M + BLOCK/2 vectors of N numbers in double
precision, of K more if a batch is larger than BLOCK, and as much again where the inputs are rows of a matrix, whose
error is an average over all of them.
"""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tsmech.kernels.jit import kernel
from tsmech.sims.streams import QUANTUM, fill
from tsmech.sims.two_layer.blocks import BLOCK, Matrix, Numbers, add_gram, add_products, add_pushes, copy_rows
from tsmech.sims.two_layer.rule import Rule, ask_teacher, learn
from tsmech.sims.two_layer.units import inlined, respond

ROWS = 3
"""A law besides those of :mod:`tsmech.sims.streams`: rows of a given matrix, drawn with replacement."""

_STRIP = 2048


def into_strips(rows: Matrix) -> Numbers:
    """Return rows of N numbers as strips of columns, shape (strips, rows, columns), padded with zeros."""
    N = rows.shape[1]
    count = -(-N // _STRIP)
    columns = -(-N // (count * 16)) * 16
    strips = np.zeros((count, rows.shape[0], columns))
    for s in range(count):
        part = rows[:, s * columns : (s + 1) * columns]
        strips[s, :, : part.shape[1]] = part
    return strips


@kernel
def draw_strip(
    law: int,
    data: Matrix,
    chosen: NDArray[np.int64],
    rng: Generator,
    lanes: NDArray[np.uint32],
    begin: int,
    end: int,
    strip: Numbers,
) -> None:
    """Draw the columns begin ... end - 1 of as many examples as there are chosen rows, and zeros beyond ``end``."""
    if law == ROWS:
        for i in range(chosen.size):
            row = data[chosen[i], begin:end]
            for c in range(row.size):
                strip[i, c] = row[c]
    else:
        needed = -(-chosen.size * strip.shape[1] // QUANTUM) * QUANTUM
        fill(law, lanes, rng, strip.reshape(-1)[:needed])
        strip[:, end - begin :] = 0.0


@kernel
def narrow(pushes: Matrix, out: Numbers) -> float:
    """Put the pushes, over the largest of them, into another precision, and return the largest."""
    largest = 0.0
    for k in range(pushes.shape[0]):
        for i in range(BLOCK):
            largest = max(largest, abs(pushes[k, i]))
    for k in range(pushes.shape[0]):
        for i in range(BLOCK):
            out[k, i] = pushes[k, i] / largest if largest > 0.0 else 0.0
    return largest


@kernel
def record_network(
    student: Matrix,
    basis: Matrix,
    shrink: float,
    scale: float,
    pushes: Numbers,
    inputs: Numbers,
    along: Matrix,
    rest: Matrix,
) -> None:
    """Record the student after the pushes so far.

    ``along`` receives its coordinates along the teacher's orthonormal rows and ``rest``, from what is left
    when these are taken away (differences of weights, not of products), the scalar products of that.
    """
    K, M = along.shape
    along[:] = 0.0
    rest[:] = 0.0
    for outside in (False, True):
        for s in range(student.shape[0]):
            moved = student[s, :K].copy()
            add_pushes(moved, shrink, scale, pushes, inputs[s])
            for k in range(K):
                if outside:
                    for m in range(M):
                        moved[k] -= along[k, m] * basis[s, m]
                    for j in range(k + 1):
                        rest[k, j] += np.sum(moved[k] * moved[j])
                        rest[j, k] = rest[k, j]
                else:
                    for m in range(M):
                        along[k, m] += np.sum(moved[k] * basis[s, m])


@inlined
def error_over_rows(rule, factor, A, v, weights, data, rng, lanes, read, fields, labels):  # type: ignore[no-untyped-def]
    r"""Return the error :math:`\frac12 \overline{(\phi(x) - y(x))^2}` over all rows of the data, without label noise.

    They are read as they are learnt, a block at a time and in the precision of ``read``; the last three are scratch.
    """
    quiet = Rule(rule.student, rule.teacher, rule.second_layer_rate, 0.0, rule.weight_decay, rule.batch, rule.N)
    K, width = v.size, weights.shape[2]
    total = 0.0
    for first in range(0, data.shape[0], BLOCK):
        rows = np.arange(first, min(first + BLOCK, data.shape[0]))
        fields[:] = 0.0
        for s in range(weights.shape[0]):
            draw_strip(ROWS, data, rows, rng, lanes, s * width, min(rule.N, (s + 1) * width), read[s])
            add_products(weights[s], read[s], fields)
        ask_teacher(quiet, factor, A, fields[K:], rows.size, rng, labels)
        for i in range(rows.size):
            difference = -labels[i]
            for k in range(K):
                difference += v[k] * respond(rule.student, fields[k, i])[0]
            total += difference * difference
    return 0.5 * total / data.shape[0]


@kernel
def follow_network(
    rule: Rule,
    factor: Matrix,
    A: Matrix,
    schedule: Matrix,
    record_at: NDArray[np.int64],
    weights: Matrix,
    v: Matrix,
    law: int,
    data: Matrix,
    rng: Generator,
    noise_rng: Generator,
    lanes: NDArray[np.uint32],
    inputs: Numbers,
    recorded_along: Matrix,
    recorded_rest: Matrix,
    recorded_v: Matrix,
    recorded_error: Matrix,
) -> tuple[int, int]:
    """Train the network and record it; return how many records were made and at which step it ended.

    Parameters
    ----------
    rule, factor, A, schedule, record_at
        See :class:`tsmech.sims.two_layer.rule.Task`.
    weights : ndarray, shape (strips, K + M or one more, columns)
        In the strips of :func:`into_strips`: the student's vectors over √N, changed in place, M orthonormal rows that
        span the teacher's, and zeros to make their number even.
    v : ndarray, shape (K,)
        The second layer, changed in place.
    law : int
        GAUSSIAN, BINARY, UNIFORM or ROWS.
    data : ndarray, shape (rows, N)
        For ROWS.
    rng, noise_rng : Generator
    lanes : ndarray
        See :func:`tsmech.sims.streams.fill`.
    inputs : ndarray, shape (strips, BLOCK, columns)
        Zeros, single precision if there are lanes.
    recorded_along, recorded_rest, recorded_v : ndarray, shapes (n, K, M), (n, K, K) and (n, K)
        See :func:`record_network`.
    recorded_error : ndarray, shape (n,)
        For ROWS filled with the errors over all of them.

    Notes
    -----
    Weights and fields are in double precision.  With single-precision inputs the products of inputs with each other
    and with the pushes are single, too: a relative error of 1e-7 in a step, not in the weights, so that a student
    without noise still converges to rounding.  Batches larger than BLOCK are treated as in the reduced chain.
    """
    K, M, N, batch = v.size, A.size, rule.N, rule.batch
    spread = batch > BLOCK
    ahead = weights[:, :K].copy() if spread else weights
    basis = weights[:, K : K + M]
    width = weights.shape[2]
    fields, gram, labels = np.zeros((weights.shape[1], BLOCK)), np.zeros((BLOCK, BLOCK)), np.empty(BLOCK)
    pushes, narrowed = np.zeros((K, BLOCK)), np.zeros((K, BLOCK), dtype=inputs.dtype)
    pulls, values = np.zeros(K), np.empty(K)
    decay = 1.0 - rule.weight_decay / N
    scale = 0.0
    moved, read = np.zeros_like(weights[:0]), np.zeros_like(inputs[:0])
    if law == ROWS:
        moved, read = np.zeros_like(weights), np.zeros_like(inputs)
    read_fields, answers = np.zeros_like(fields), np.zeros(BLOCK)
    progress = 0, 0, 1.0
    recorded = count = position = 0
    while True:
        if progress[0] == record_at[recorded]:
            record_network(
                ahead, basis, progress[2], scale, narrowed, inputs, recorded_along[recorded], recorded_rest[recorded]
            )
            recorded_v[recorded] = v
            if law == ROWS:
                for s in range(weights.shape[0]):
                    copy_rows(weights[s], moved[s])
                    copy_rows(ahead[s, :K], moved[s, :K])
                    add_pushes(moved[s, :K], progress[2], scale, narrowed, inputs[s])
                recorded_error[recorded] = error_over_rows(
                    rule, factor, A, v, moved, data, rng, lanes, read, read_fields, answers
                )
            recorded += 1
            if recorded == record_at.size:
                return recorded, progress[0]
        if position == count:
            count = min(BLOCK, batch - progress[1]) if spread else BLOCK // batch * batch
            chosen = np.zeros(count, dtype=np.int64)
            if law == ROWS:
                for i in range(count):
                    chosen[i] = rng.integers(0, data.shape[0])
            fields[:] = 0.0
            gram[:] = 0.0
            for s in range(weights.shape[0]):
                add_pushes(ahead[s, :K], progress[2], scale, narrowed, inputs[s])
                if spread and progress[1] == 0:
                    copy_rows(ahead[s], weights[s, :K])
                draw_strip(law, data, chosen, rng, lanes, s * width, min(N, (s + 1) * width), inputs[s])
                add_products(weights[s], inputs[s], fields)
                add_gram(inputs[s], gram)
            ask_teacher(rule, factor, A, fields[K:], count, noise_rng, labels)
            pushes[:] = 0.0
            progress = progress[0], progress[1], decay if spread and progress[1] == 0 else 1.0
            position = 0
        position, progress, bounded = learn(
            rule,
            schedule,
            v,
            fields,
            labels,
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
