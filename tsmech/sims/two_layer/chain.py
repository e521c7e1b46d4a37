r"""The reduced answer of online learning: the overlaps of a network as a Markov chain of their own.

The student's weights are kept as coordinates along the teacher (M of them) and along what the student has outside it
(K of them), whatever the dimension N.  A block of examples has coordinates in that space, which are normal numbers,
and a rest outside it of which only the scalar products matter: the triangular factor of a Wishart matrix (Bartlett
1933).  See ``theory/online_sgd.md``, section 8.
"""

import math

import numba
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tsmech.kernels.jit import kernel
from tsmech.sims.streams import GAUSSIAN, fill, fill_lengths
from tsmech.sims.two_layer.blocks import BLOCK, Matrix, Numbers, add_pushes, copy_rows, merged
from tsmech.sims.two_layer.rule import Rule, ask_teacher, learn


@merged
def triangularise(matrix: Matrix, fixed: int) -> None:
    """Reflect the columns from ``fixed`` on until row k ends at column fixed + k (Householder, from the right).

    The rows' scalar products stay as they are, to rounding.
    """
    rows, columns = matrix.shape
    for k in range(min(rows, columns - fixed)):
        pivot = fixed + k
        beyond, end = np.uintp(pivot + 1), np.uintp(columns)  # unsigned: an index that cannot count from the end
        tail = 0.0
        for j in range(beyond, end):
            tail += matrix[k, j] * matrix[k, j]
        if tail > 0.0:
            length = -math.copysign(math.sqrt(tail + matrix[k, pivot] * matrix[k, pivot]), matrix[k, pivot])
            head = matrix[k, pivot] - length
            for i in range(k + 1, rows):
                along = matrix[i, pivot] * head
                for j in range(beyond, end):
                    along += matrix[i, j] * matrix[k, j]
                along /= length * head
                matrix[i, pivot] += along * head
                for j in range(beyond, end):
                    matrix[i, j] += along * matrix[k, j]
            matrix[k, pivot] = length
            for j in range(beyond, end):
                matrix[k, j] = 0.0


@numba.njit(forceinline=True)
def _exact_sum(a: float, b: float) -> tuple[float, float]:
    """Return the rounded sum and what rounding took from it (Knuth); compiled without leave to reorder."""
    total = a + b
    of_b = total - a
    return total, (a - (total - of_b)) + (b - of_b)


@merged
def add_small_pushes(
    weights: Matrix, low: Matrix, scratch: Matrix, shrink: float, pushes: Matrix, inputs: Matrix
) -> None:
    """Let the weights make a block's steps, in the first columns without losing those below their last digit.

    Along the teacher the weights stay of order 1 while the steps of a student that has nearly learnt it vanish;
    what rounding takes away is kept in ``low``, shape (K, M), until it amounts to something.  ``scratch`` is like it.
    """
    K, M = low.shape
    copy_rows(weights, scratch)
    add_pushes(weights, shrink, 1.0, pushes, inputs)
    add_pushes(low, shrink, 1.0, pushes, inputs)
    for k in range(K):
        for m in range(M):
            weights[k, m], low[k, m] = _exact_sum(shrink * scratch[k, m], low[k, m])


@kernel
def record_chain(weights: Matrix, shrink: float, pushes: Matrix, inputs: Matrix, M: int, out: Matrix) -> None:
    """Put into ``out`` the coordinates after the pushes so far, without changing the weights."""
    moved = weights.copy()
    add_pushes(moved, shrink, 1.0, pushes, inputs)
    triangularise(moved, M)
    copy_rows(moved, out)


@merged
def draw_inputs(block: int, normals: Numbers, lengths: Matrix, known: int, inputs: Matrix) -> None:
    """Make the coordinates of a block: normal numbers in the known directions, then a row of Bartlett's factor."""
    new = lengths.shape[1]
    for i in range(inputs.shape[0]):
        for j in range(known + min(i, new)):
            inputs[i, j] = normals[block, i, j]
        if i < new:
            inputs[i, known + i] = lengths[block, i]


@merged
def multiply_inputs(weights: Matrix, inputs: Matrix, fields: Matrix, along: Matrix, gram: Matrix) -> None:
    """Fill in the fields of a block, its coordinates along the teacher, and its scalar products x_i·x_j for i < j."""
    K, M = fields.shape[0], along.shape[0]
    block, width = inputs.shape
    full = -(-(M + K) // 4) * 4  # whole vectors: beyond M + K the weights are zero
    for k in range(K):
        for i in range(block):
            field = 0.0
            for j in range(full):
                field += weights[k, j] * inputs[i, j]
            fields[k, i] = field
    for j in range(block):
        for m in range(M):
            along[m, j] = inputs[j, m]
        for i in range(j):
            product = 0.0
            for c in range(min(width, (M + K + i + 4) // 4 * 4)):
                product += inputs[i, c] * inputs[j, c]
            gram[i, j] = product


@kernel
def follow_chain(
    rule: Rule,
    factor: Matrix,
    A: Matrix,
    schedule: Matrix,
    record_at: NDArray[np.int64],
    start: Matrix,
    v: Matrix,
    rng: Generator,
    noise_rng: Generator,
    lanes: NDArray[np.uint32],
    buffer: Numbers,
    recorded_coordinates: Matrix,
    recorded_v: Matrix,
) -> tuple[int, int]:
    """Run the chain and record it; return how many records were made and at which step it ended.

    Parameters
    ----------
    rule, factor, A, schedule, record_at
        See :class:`tsmech.sims.two_layer.rule.Task`.
    start : ndarray, shape (K, M + K)
        The student's coordinates.
    v : ndarray, shape (K,)
        The second layer, changed in place.
    rng, noise_rng : Generator
    lanes : ndarray
        See :func:`tsmech.sims.streams.fill`.
    buffer : ndarray, shape (n,)
        To be filled with normal numbers; single precision if there are lanes.
    recorded_coordinates, recorded_v : ndarray, shapes (n, K, M + K) and (n, K)

    Notes
    -----
    A batch of at most BLOCK examples is a step inside a block.  A larger one is spread over several blocks: the weights
    stay as they are, and ``ahead``, which may leave their span, becomes what they will be after the step.
    """
    K, M, N, batch = v.size, A.size, rule.N, rule.batch
    n = M + K
    spread = batch > BLOCK
    known = n + min(K, N - n) if spread else n
    new = min(BLOCK, N - known)
    width = -(-(known + new) // 4) * 4  # whole vectors
    weights = np.zeros((K, width))
    copy_rows(start, weights[:, :n])
    ahead = weights.copy() if spread else weights
    low, scratch = np.zeros((K, M)), np.empty((K, M))

    blocks = buffer.size // (BLOCK * width)
    normals = buffer[: blocks * BLOCK * width].reshape(blocks, BLOCK, width)
    degrees, lengths = np.empty(blocks * new, dtype=np.int64), np.empty((blocks, new))
    for i in range(degrees.size):
        degrees[i] = N - known - i % new
    inputs = np.zeros((BLOCK, width))
    fields, along, labels = np.empty((K, BLOCK)), np.empty((M, BLOCK)), np.empty(BLOCK)
    gram = np.zeros((BLOCK, BLOCK))
    pushes = np.zeros((K, BLOCK))
    pulls, values = np.zeros(K), np.empty(K)

    decay = 1.0 - rule.weight_decay / N
    progress = 0, 0, 1.0
    recorded = 0
    block = blocks
    if record_at[0] == 0:
        record_chain(weights, 1.0, pushes, inputs, M, recorded_coordinates[0])
        recorded_v[0] = v
        recorded = 1
    while recorded < record_at.size:
        if block == blocks:
            fill(GAUSSIAN, lanes, rng, buffer)
            fill_lengths(degrees, rng, lengths.reshape(-1))
            block = 0
        draw_inputs(block, normals, lengths, known, inputs)
        multiply_inputs(weights, inputs, fields, along, gram)
        block += 1
        count = min(BLOCK, batch - progress[1]) if spread else BLOCK // batch * batch
        progress = progress[0], progress[1], decay if spread and progress[1] == 0 else 1.0
        pushes[:] = 0.0
        ask_teacher(rule, factor, A, along, count, noise_rng, labels)
        position = 0
        while position < count:
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
            if progress[0] == record_at[recorded]:
                record_chain(ahead, progress[2], pushes, inputs, M, recorded_coordinates[recorded])
                recorded_v[recorded] = v
                recorded += 1
                if recorded == record_at.size:
                    return recorded, progress[0]
        add_small_pushes(ahead, low, scratch, progress[2], pushes, inputs)
        triangularise(ahead, n if spread else M)
        if spread and progress[1] == 0:
            triangularise(ahead, M)
            copy_rows(ahead, weights)
    return recorded, progress[0]
