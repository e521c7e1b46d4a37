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

from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tsmech.kernels.jit import inlined_kernel, kernel
from tsmech.kernels.rule import Rule
from tsmech.sims.streams import QUANTUM, fill
from tsmech.sims.two_layer.blocks import BLOCK, Matrix, Numbers, add_gram, add_products, add_pushes, copy_rows
from tsmech.sims.two_layer.rule import Problem, ask_teacher, follow
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


@inlined_kernel
def draw_strip(
    law: int, count: int, rng: Generator, lanes: NDArray[np.uint32], begin: int, end: int, strip: Numbers
) -> None:
    """Draw the columns begin ... end - 1 of so many examples, and zeros beyond ``end``."""
    needed = -(-count * strip.shape[1] // QUANTUM) * QUANTUM
    fill(law, lanes, rng, strip.reshape(-1)[:needed])
    for i in range(strip.shape[0]):
        for c in range(end - begin, strip.shape[1]):
            strip[i, c] = 0.0


@kernel
def read_strip(data: Matrix, rows: NDArray[np.int64], begin: int, end: int, strip: Numbers) -> None:
    """Copy the columns begin ... end - 1 of rows of the data."""
    for i in range(rows.size):
        row, out = data[rows[i]], strip[i]
        for c in range(end - begin):
            out[c] = row[begin + c]


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
    moved = np.empty((K, student.shape[2]), dtype=student.dtype)
    for outside in (False, True):
        for s in range(student.shape[0]):
            copy_rows(student[s], moved)
            add_pushes(moved, shrink, scale, pushes, inputs[s])
            for k in range(K):  # loops: products of whole rows would take seconds to compile, with their words of error
                for m in range(M):
                    total = 0.0
                    for c in range(moved.shape[1]):
                        if outside:
                            moved[k, c] -= along[k, m] * basis[s, m, c]
                        else:
                            total += moved[k, c] * basis[s, m, c]
                    along[k, m] += total
                for j in range(k + 1 if outside else 0):
                    total = 0.0
                    for c in range(moved.shape[1]):
                        total += moved[k, c] * moved[j, c]
                    rest[k, j] += total
                    rest[j, k] = rest[k, j]


@inlined
def error_over_rows(problem: Any, network: Any, v: Any) -> Any:
    r"""Return the error :math:`\frac12 \overline{(\phi(x) - y(x))^2}` over all rows of the data, without label noise.

    The weights are the ``moved`` ones.  Rows are read as they are learnt, a block at a time, in the inputs' precision.
    """
    K, width, rule, data = v.size, network.moved.shape[2], problem.rule, network.data
    quiet = Rule(rule.student, rule.teacher, rule.schedule, rule.second_layer_rate, 0.0, rule.weight_decay, rule.batch)
    fields, labels = np.zeros_like(network.fields), np.zeros(BLOCK)
    total = 0.0
    for first in range(0, data.shape[0], BLOCK):
        rows = np.arange(first, min(first + BLOCK, data.shape[0]))
        fields[:] = 0.0
        for s in range(network.moved.shape[0]):
            end = min(problem.N, (s + 1) * width)
            read_strip(data, rows, s * width, end, network.read[s])
            add_products(network.moved[s], network.read[s], fields)
        ask_teacher(quiet, problem.factor, problem.A, fields[K:], rows.size, network.rng, labels)
        for i in range(rows.size):
            difference = -labels[i]
            for k in range(K):
                difference += v[k] * respond(rule.student, fields[k, i])[0]
            total += difference * difference
    return 0.5 * total / data.shape[0]


class Network(NamedTuple):
    """Arrays and generators of a network that learns from fresh examples.

    Weights and inputs are in the strips of :func:`into_strips`.  Weights and fields are in double precision.  With
    single-precision inputs the products of inputs with each other and with the pushes are single, too: a relative error
    of 1e-7 in a step, not in the weights, so that a student without noise still converges to rounding.
    """

    weights: Numbers
    """The student's vectors over √N, M orthonormal rows that span the teacher's, and zeros to make their number even:
    shape (strips, K + M or one more, columns)."""
    ahead: Numbers
    """What the student's become after the step, where a batch is spread over several blocks; else ``weights``."""
    law: int
    """GAUSSIAN, BINARY, UNIFORM or ROWS."""
    data: Matrix
    """For ROWS, shape (rows, N)."""
    chosen: NDArray[np.int64]
    """For ROWS those of a block, shape (BLOCK,)."""
    inputs: Numbers
    """Shape (strips, BLOCK, columns), single precision if there are lanes."""
    narrowed: Numbers
    """The pushes in the precision of the inputs, shape (K, BLOCK)."""
    fields: Matrix
    gram: Matrix
    moved: Numbers
    """For ROWS room for weights, else empty."""
    read: Numbers
    """For ROWS room for inputs, else empty."""
    lanes: NDArray[np.uint32]
    """See :func:`tsmech.sims.streams.fill`."""
    rng: Generator
    noise_rng: Generator
    along: Matrix
    """Records of :func:`record_network`, shape (n, K, M)."""
    rest: Matrix
    """Shape (n, K, K)."""
    error: Matrix
    """For ROWS the error over all of them, shape (n,)."""


def make_network(
    student: Matrix,
    basis: Matrix,
    problem: Problem,
    law: int,
    data: Matrix,
    lanes: NDArray[np.uint32],
    precision: type,
    rng: Generator,
    noise_rng: Generator,
) -> Network:
    """Return the network of a student, shape (K, N) and over √N, and M orthonormal rows that span the teacher's."""
    (K, N), M, records = student.shape, len(basis), problem.record_at.size
    weights = into_strips(np.concatenate([student, basis, np.zeros(((K + M) % 2, N))]))
    inputs: Numbers = np.zeros((weights.shape[0], BLOCK, weights.shape[2]), dtype=precision)
    rows = law == ROWS
    return Network(
        weights,
        weights[:, :K].copy() if problem.rule.batch > BLOCK else weights,
        law,
        data,
        np.zeros(BLOCK, dtype=np.int64),
        inputs,
        np.zeros((K, BLOCK), dtype=precision),
        np.zeros((weights.shape[1], BLOCK)),
        np.zeros((BLOCK, BLOCK)),
        np.zeros_like(weights if rows else weights[:0]),
        np.zeros_like(inputs if rows else inputs[:0]),
        lanes,
        rng,
        noise_rng,
        np.empty((records, K, M)),
        np.empty((records, K, K)),
        np.empty(records),
    )


@inlined
def _next_block(problem: Any, network: Any, progress: Any, count: Any, pushes: Any, labels: Any) -> None:
    scale = narrow(pushes, network.narrowed)
    network.fields[:] = 0.0
    network.gram[:] = 0.0
    for s in range(network.weights.shape[0]):
        _write_steps(problem, network, progress, scale, s)
        begin = s * network.weights.shape[2]
        end = min(problem.N, begin + network.weights.shape[2])
        draw_strip(network.law, count, network.rng, network.lanes, begin, end, network.inputs[s])
        _multiply(network, s)
    _ask(problem, network, count, labels)


@inlined
def _next_rows(problem: Any, network: Any, progress: Any, count: Any, pushes: Any, labels: Any) -> None:
    scale, chosen = narrow(pushes, network.narrowed), network.chosen[:count]
    for i in range(count):
        chosen[i] = network.rng.integers(0, network.data.shape[0])
    network.fields[:] = 0.0
    network.gram[:] = 0.0
    for s in range(network.weights.shape[0]):
        _write_steps(problem, network, progress, scale, s)
        begin = s * network.weights.shape[2]
        end = min(problem.N, begin + network.weights.shape[2])
        read_strip(network.data, chosen, begin, end, network.inputs[s])
        _multiply(network, s)
    _ask(problem, network, count, labels)


@inlined
def _write_steps(problem: Any, network: Any, progress: Any, scale: Any, s: Any) -> None:
    """Let the weights of a strip make the steps of the block before."""
    add_pushes(network.ahead[s, : network.narrowed.shape[0]], progress[2], scale, network.narrowed, network.inputs[s])
    if problem.rule.batch > BLOCK and progress[1] == 0:
        copy_rows(network.ahead[s], network.weights[s, : network.narrowed.shape[0]])


@inlined
def _multiply(network: Any, s: Any) -> None:
    add_products(network.weights[s], network.inputs[s], network.fields)
    add_gram(network.inputs[s], network.gram)


@inlined
def _ask(problem: Any, network: Any, count: Any, labels: Any) -> None:
    along = network.fields[network.narrowed.shape[0] :]
    ask_teacher(problem.rule, problem.factor, problem.A, along, count, network.noise_rng, labels)


@inlined
def _record(problem: Any, network: Any, v: Any, shrink: Any, pushes: Any, row: Any) -> None:
    scale, narrowed, inputs = narrow(pushes, network.narrowed), network.narrowed, network.inputs
    basis = network.weights[:, v.size : v.size + problem.A.size]
    record_network(network.ahead, basis, shrink, scale, narrowed, inputs, network.along[row], network.rest[row])


@inlined
def _record_rows(problem: Any, network: Any, v: Any, shrink: Any, pushes: Any, row: Any) -> None:
    _record(problem, network, v, shrink, pushes, row)
    scale = narrow(pushes, network.narrowed)
    for s in range(network.weights.shape[0]):
        copy_rows(network.weights[s], network.moved[s])
        copy_rows(network.ahead[s, : v.size], network.moved[s, : v.size])
        add_pushes(network.moved[s, : v.size], shrink, scale, network.narrowed, network.inputs[s])
    network.error[row] = error_over_rows(problem, network, v)


@inlined
def squares_of_network(problem: Any, network: Any, shrink: Any, pushes: Any, out: Any) -> None:
    """Fill in Q_kk after the pushes."""
    scale = narrow(pushes, network.narrowed)
    out[:] = 0.0
    for s in range(network.ahead.shape[0]):
        moved = network.ahead[s, : out.size].copy()
        add_pushes(moved, shrink, scale, network.narrowed, network.inputs[s])
        for k in range(out.size):
            for c in range(moved.shape[1]):
                out[k] += moved[k, c] * moved[k, c]


@kernel
def follow_network(problem: Problem, network: Network, v: Matrix, recorded_v: Matrix) -> tuple[int, int]:
    """Train the network and record it: see :func:`tsmech.sims.two_layer.rule.follow`."""
    result: tuple[int, int] = follow(problem, network, v, recorded_v, _next_block, _record, squares_of_network)
    return result


@kernel
def follow_rows(problem: Problem, network: Network, v: Matrix, recorded_v: Matrix) -> tuple[int, int]:
    """Train a network whose inputs are rows of a matrix: a kernel of its own, which few compile."""
    result: tuple[int, int] = follow(problem, network, v, recorded_v, _next_rows, _record_rows, squares_of_network)
    return result
