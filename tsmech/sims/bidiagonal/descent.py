"""Learning curves of a student with isotropic inputs, drawn from sufficient statistics without its N weights.

Early, descent has seen a few directions alone.  The inputs along them are a matrix of four diagonals with independent
entries and the weights are a polynomial of it, at a cost that does not depend on N.  Late, the inputs are a
bidiagonal matrix, and all times follow from its resolvent at the nodes of a contour, at a cost proportional to N.
Equation numbers are those of theory/gradient_flow.md.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tsmech.kernels.steps import decay
from tsmech.sims.bidiagonal.resolvent import forms

Array = NDArray[np.float64]

UNLIKELY = 1e-9
"""Probability that the inputs have a larger eigenvalue than the polynomials reach."""
NEGLIGIBLE = 1e-16
"""Coefficients of the polynomials below this share of the largest are left out."""

TERMS, BLOCK = 64, 2**16
"""Sizes of blocks: polynomials (early), nodes times times (late)."""


@dataclass(frozen=True)
class Problem:
    """One student: N, P, the length ``|b|`` of the seen teacher, σ_e, √v₀, λN/P and the step."""

    inputs: int
    examples: int
    teacher: float
    noise: float
    start: float
    shift: float
    step: float


def follow(problem: Problem, times: Array, rng: Generator) -> tuple[Array, Array, Array]:
    """Draw one training set and start; return ``|w - b|²``, ``|w|²`` and ``|residual|²`` at each time, shape (T,)."""
    terms = _polynomials(problem, times)
    with np.errstate(over="ignore", invalid="ignore"):  # a step that is too long overflows; the caller checks
        return _late(problem, times, rng) if terms is None else _early(problem, *terms, rng)


def _polynomials(problem: Problem, times: Array) -> tuple[Array, Array, float] | None:
    """Return the Chebyshev coefficients of decay and gain, shape (T, m + 1), and the upper end of their interval.

    None where they do not pay (t = inf, or descent so long that 3m is half the dimension) or would grow (long steps).
    """
    from scipy.fft import dct

    N, P = problem.inputs, problem.examples
    longest, high = times.max(initial=0.0), _largest_eigenvalue(N, P)
    if not times.size or np.isinf(longest) or problem.step * (high + problem.shift) > 2:
        return None
    count = 24 + math.ceil(6.5 * math.sqrt(high * longest))
    if count > min(N, P):
        return None
    points = high * np.cos(np.pi * (np.arange(count) + 0.5) / (2 * count)) ** 2
    left, gone = decay(times, points + problem.shift, problem.step)
    coefficients = dct(np.stack([left, gone / (points + problem.shift)]), axis=-1) / count
    coefficients[..., 0] /= 2
    size = abs(coefficients).max(axis=1)
    degree = int(np.flatnonzero((size > NEGLIGIBLE * size.max(axis=1, keepdims=True)).any(axis=0))[-1])
    if 6 * degree + 10 > min(N, P):
        return None
    return coefficients[0, :, : degree + 1], coefficients[1, :, : degree + 1], high


def _largest_eigenvalue(N: int, P: int) -> float:
    """Return a bound that the largest eigenvalue of XᵀX/P exceeds in one training set of 10⁹ (eq. 43)."""
    spread = math.sqrt(N / P) + math.sqrt(-2.0 * math.log(UNLIKELY) / P)
    return (1.0 + spread) ** 2


def _early(
    problem: Problem, decay_terms: Array, gain_terms: Array, high: float, rng: Generator
) -> tuple[Array, Array, Array]:
    """Return |w - b|², |w|² and |residual|² at each time, from what descent has seen of the inputs (eqs. 41 and 42)."""
    N, P = problem.inputs, problem.examples
    _, start_stream, example_stream, noise_stream = rng.spawn(4)
    degree = decay_terms.shape[1] - 1
    columns = 3 * degree + 4
    diagonals = _draw_diagonals(N, P, columns, example_stream)
    teacher = np.zeros(columns)
    teacher[0] = problem.teacher
    labels = _fields(diagonals, teacher)
    labels[2] += problem.noise * math.sqrt(noise_stream.chisquare(P))

    begin = np.zeros((2, columns))
    begin[0, 0] = problem.start * start_stream.standard_normal()
    begin[0, 1] = problem.start * math.sqrt(start_stream.chisquare(N - 1))
    begin[1] = _gradient(diagonals, labels) * (N / P)
    weights = np.zeros((len(decay_terms), columns))
    series = _chebyshev(diagonals, begin, N / P / high)
    for first in range(0, degree + 1, TERMS):
        last = min(first + TERMS, degree + 1)
        terms = np.stack(list(itertools.islice(series, last - first)))
        weights += decay_terms[:, first:last] @ terms[:, 0] + gain_terms[:, first:last] @ terms[:, 1]
    residuals = labels - _fields(diagonals, weights)
    return ((weights - teacher) ** 2).sum(axis=1), (weights**2).sum(axis=1), (residuals**2).sum(axis=1)


def _chebyshev(diagonals: Array, begin: Array, scale: float) -> Iterator[Array]:
    """Yield the Chebyshev polynomials of 2 X̂ᵀX̂ · scale - 1 on vectors of shape (2, columns), by their recurrence."""
    last, term = np.zeros_like(begin), begin
    yield term
    factor = 1.0
    while True:
        image = _gradient(diagonals, _fields(diagonals, term)) * (2 * scale) - term
        last, term = term, factor * image - last
        yield term
        factor = 2.0


def _draw_diagonals(N: int, P: int, columns: int, rng: Generator) -> Array:
    """Return the first columns of the inputs X/√N in eq. 42, shape (4, columns), each from its top entry down."""
    at = np.arange(columns)
    drawn = rng.standard_normal((4, columns))
    drawn[0, :2] = drawn[1, 0] = 0.0
    drawn[0, 2:] = np.sqrt(rng.chisquare(N - at[2:]))
    drawn[3] = np.sqrt(rng.chisquare(P - 1 - at))
    return drawn / math.sqrt(N)


def _fields(diagonals: Array, weights: Array) -> Array:
    """Return X w/√N, shape (..., columns + 3): two entries that are always zero, then one for each example."""
    columns = diagonals.shape[1]
    fields = np.zeros((*weights.shape[:-1], columns + 3))
    for k in range(4):
        fields[..., k : k + columns] += diagonals[k] * weights
    return fields


def _gradient(diagonals: Array, fields: Array) -> Array:
    """Return Xᵀf/√N, shape (..., columns), of what :func:`_fields` returns."""
    columns = diagonals.shape[1]
    found: Array = diagonals[0] * fields[..., :columns]
    for k in range(1, 4):
        found += diagonals[k] * fields[..., k : k + columns]
    return found


def _late(problem: Problem, times: Array, rng: Generator) -> tuple[Array, Array, Array]:
    """Return |w - b|², |w|² and |residual|² at each time, by the resolvent of the bidiagonal inputs (eqs. 8, 37-40)."""
    N, P = problem.inputs, problem.examples
    teacher_stream, start_stream, example_stream, noise_stream = rng.spawn(4)
    reached = min(N, P)
    # The directions without examples are two axes more: one along the teacher, and all others together.
    diagonal, beside = _draw_bidiagonal(N, P, example_stream)
    b = np.append(teacher_stream.standard_normal(reached), [0.0, 0.0])
    w0 = np.append(start_stream.standard_normal(reached), [0.0, 0.0])
    noise = problem.noise * math.sqrt(N / P) * noise_stream.standard_normal(reached)
    if reached < N:
        b[-2], w0[-2] = math.sqrt(teacher_stream.chisquare(N - reached)), start_stream.standard_normal()
    if reached + 1 < N:
        w0[-1] = math.sqrt(start_stream.chisquare(N - reached - 1))
    b *= problem.teacher / np.linalg.norm(b)
    w0 *= problem.start
    added = problem.noise**2 * noise_stream.chisquare(P - reached) if reached < P else 0.0

    learnt = diagonal * noise
    learnt[1:] += beside * noise[:-1]
    vectors = [b[:-2], learnt] + [w0[:-2]] * (problem.start > 0)
    resolved = forms(diagonal, beside, np.array(vectors))
    nodes, rates = resolved.nodes, resolved.nodes + problem.shift
    root = np.sqrt(nodes)
    sums = np.empty((3, times.size))
    block = max(1, BLOCK // rates.size)
    for i in range(0, times.size, block):
        at = times[i : i + block]
        d, gone = decay(at, rates, problem.step)
        frozen = decay(at, np.array([problem.shift]), problem.step)[0] * w0[-2:]
        c, gain = (problem.shift + nodes * d) / rates, gone / rates
        kept = [d] * (problem.start > 0)
        sums[0, i : i + block] = resolved.square([-c, gain, *kept]) + ((frozen - b[-2:]) ** 2).sum(axis=1)
        sums[1, i : i + block] = resolved.square([nodes * gain, gain, *kept]) + (frozen**2).sum(axis=1)
        kept = [-root * d] * (problem.start > 0)
        sums[2, i : i + block] = resolved.square([root * c, c / root, *kept]) * (P / N) + added
    return sums[0], sums[1], sums[2]


def _draw_bidiagonal(N: int, P: int, rng: Generator) -> tuple[Array, Array]:
    """Return the two diagonals of a bidiagonal matrix that has the singular values of X/√P (eq. 38)."""
    small, large = min(N, P), max(N, P)
    diagonal = np.sqrt(rng.chisquare(large - np.arange(small)) / P)
    beside = np.sqrt(rng.chisquare(small - 1 - np.arange(small - 1)) / P)
    return diagonal, beside
