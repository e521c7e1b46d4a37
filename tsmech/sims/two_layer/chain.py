r"""The reduced answer of online learning: the overlaps of a network as a Markov chain of their own.

The student's weights are kept as coordinates along the teacher (M of them) and along what the student has outside it
(K of them), whatever the dimension N.  A block of examples has coordinates in that space, which are normal numbers,
and a rest outside it of which only the scalar products matter: the triangular factor of a Wishart matrix (Bartlett
1933).  See ``theory/online_sgd.md``, section 8.
"""

import math
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tsmech.kernels.jit import inlined_kernel, kernel
from tsmech.sims.streams import GAUSSIAN, QUANTUM, fill, fill_lengths
from tsmech.sims.two_layer.blocks import BLOCK, Matrix, Numbers, add_pushes, copy_rows
from tsmech.sims.two_layer.rule import Problem, ask_teacher, follow
from tsmech.sims.two_layer.units import inlined

_NORMALS_AT_A_TIME = 8192


@inlined_kernel
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


@inlined_kernel
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


@inlined_kernel
def draw_inputs(block: int, normals: Numbers, lengths: Matrix, known: int, inputs: Matrix) -> None:
    """Make the coordinates of a block: normal numbers in the known directions, then a row of Bartlett's factor."""
    new = lengths.shape[1]
    for i in range(inputs.shape[0]):
        for j in range(known + min(i, new)):
            inputs[i, j] = normals[block, i, j]
        if i < new:
            inputs[i, known + i] = lengths[block, i]


@inlined_kernel
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


class Chain(NamedTuple):
    """Arrays and generators of the chain.

    Where a batch is spread over several blocks, ``weights`` stay as they are and ``ahead``, which may leave their span,
    becomes what they will be after the step; else both are one array.
    """

    weights: Matrix
    """The student's coordinates, shape (K, width)."""
    ahead: Matrix
    low: Matrix
    """See :func:`add_small_pushes`, shape (K, M)."""
    scratch: Matrix
    known: int
    """Directions in which the coordinates of an example are normal numbers."""
    normals: Numbers
    """For so many blocks, shape (blocks, BLOCK, width)."""
    degrees: NDArray[np.int64]
    """Degrees of freedom of the lengths, shape (blocks · new,)."""
    lengths: Matrix
    """Shape (blocks, new)."""
    begun: NDArray[np.int64]
    """How many of these blocks have begun, -1 before the first, shape (1,)."""
    inputs: Matrix
    """Shape (BLOCK, width)."""
    fields: Matrix
    along: Matrix
    gram: Matrix
    buffer: Numbers
    """Holds the normal numbers; single precision if there are lanes."""
    lanes: NDArray[np.uint32]
    """See :func:`tsmech.sims.streams.fill`."""
    rng: Generator
    noise_rng: Generator
    recorded: Matrix
    """The student's coordinates at each record, shape (n, K, M + K)."""


def make_chain(
    start: Matrix, problem: Problem, lanes: NDArray[np.uint32], precision: type, rng: Generator, noise_rng: Generator
) -> Chain:
    """Return the chain of a student whose coordinates, shape (K, M + K), are those at the start."""
    K, n = start.shape
    M = n - K
    spread = problem.rule.batch > BLOCK
    known = n + min(K, problem.N - n) if spread else n
    new = min(BLOCK, problem.N - known)
    width = -(-(known + new) // 4) * 4  # whole vectors
    weights = np.zeros((K, width))
    weights[:, :n] = start
    widest = 4 * math.ceil((M + 2 * K + BLOCK) / 4)
    buffer = np.empty(max(_NORMALS_AT_A_TIME, QUANTUM * math.ceil(BLOCK * widest / QUANTUM)), dtype=precision)
    blocks = buffer.size // (BLOCK * width)
    return Chain(
        weights,
        weights.copy() if spread else weights,
        np.zeros((K, M)),
        np.empty((K, M)),
        known,
        buffer[: blocks * BLOCK * width].reshape(blocks, BLOCK, width),
        np.tile(problem.N - known - np.arange(new), blocks),
        np.empty((blocks, new)),
        np.full(1, -1),
        np.zeros((BLOCK, width)),
        np.empty((K, BLOCK)),
        np.empty((M, BLOCK)),
        np.zeros((BLOCK, BLOCK)),
        buffer,
        lanes,
        rng,
        noise_rng,
        np.empty((problem.record_at.size, K, n)),
    )


@inlined
def _next_block(problem: Any, chain: Any, progress: Any, count: Any, pushes: Any, labels: Any) -> None:
    rule, (K, M) = problem.rule, chain.low.shape
    spread = rule.batch > BLOCK
    if chain.begun[0] >= 0:
        add_small_pushes(chain.ahead, chain.low, chain.scratch, progress[2], pushes, chain.inputs)
        triangularise(chain.ahead, M + K if spread else M)
        if spread and progress[1] == 0:
            triangularise(chain.ahead, M)
            copy_rows(chain.ahead, chain.weights)
    if chain.begun[0] < 0 or chain.begun[0] == chain.lengths.shape[0]:
        fill(GAUSSIAN, chain.lanes, chain.rng, chain.buffer)
        fill_lengths(chain.degrees, chain.rng, chain.lengths.reshape(-1))
        chain.begun[0] = 0
    draw_inputs(chain.begun[0], chain.normals, chain.lengths, chain.known, chain.inputs)
    multiply_inputs(chain.weights, chain.inputs, chain.fields, chain.along, chain.gram)
    chain.begun[0] += 1
    ask_teacher(rule, problem.factor, problem.A, chain.along, count, chain.noise_rng, labels)


@inlined
def _record(problem: Any, chain: Any, v: Any, shrink: Any, pushes: Any, row: Any) -> None:
    record_chain(chain.ahead, shrink, pushes, chain.inputs, chain.low.shape[1], chain.recorded[row])


@inlined
def _squares(problem: Any, chain: Any, shrink: Any, pushes: Any, out: Any) -> None:
    moved = chain.ahead.copy()
    add_pushes(moved, shrink, 1.0, pushes, chain.inputs)
    for k in range(out.size):
        out[k] = np.sum(moved[k] * moved[k])


@kernel
def follow_chain(problem: Problem, chain: Chain, v: Matrix, recorded_v: Matrix) -> tuple[int, int]:
    """Run the chain and record it: see :func:`tsmech.sims.two_layer.rule.follow`."""
    result: tuple[int, int] = follow(problem, chain, v, recorded_v, _next_block, _record, _squares)
    return result
