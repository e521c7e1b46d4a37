"""Metropolis' method for binary weights: chains of sweeps over all weights in turn, at one temperature."""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tsmech.kernels.jit import kernel

Array = NDArray[np.float64]
Whole = NDArray[np.int32]


def run_chain(
    oriented: Whole, start: Whole, temperature: float, counts: tuple[int, int], rng: Generator
) -> tuple[Array, Array, Array]:
    """Run a chain of sweeps over all weights in turn.

    Returns
    -------
    cosines, errors : ndarray, shape (n,)
        After each sweep of the record.
    halves : ndarray, shape (2, N)
        Mean weights over the first and the second half of the record.
    """
    before, recorded = counts
    w = start.copy()
    doubled = np.ascontiguousarray(2 * oriented.T)
    fields = (oriented @ w).astype(np.int32)
    cosines, errors, sums = np.empty(recorded), np.empty(recorded), np.zeros((2, w.size))
    chances = acceptance(np.inf if temperature == 0.0 else 1.0 / temperature, oriented.shape[0])
    sweep(w, fields, doubled, chances, before, rng, cosines[:0], errors[:0], sums[0])
    middle = recorded // 2
    for k, part in enumerate((slice(None, middle), slice(middle, None))):
        sweep(w, fields, doubled, chances, cosines[part].size, rng, cosines[part], errors[part], sums[k])
    return cosines, errors, sums / np.array([[middle], [recorded - middle]])


def acceptance(beta: float, examples: int) -> Array:
    """Return with which probability a step is taken that adds 0, 1, ..., P errors, at an inverse temperature."""
    added = np.arange(examples + 1.0)
    return np.where(added > 0.0, np.exp(-beta * np.maximum(added, 1.0)), 1.0)


@kernel
def sweep(
    w: Whole,
    fields: Whole,
    doubled: Whole,
    chances: Array,
    count: int,
    rng: Generator,
    cosines: Array,
    errors: Array,
    total: Array,
) -> None:
    """Make so many sweeps of Metropolis' method; record them where there is room.

    Parameters
    ----------
    w : ndarray of int32, shape (N,)
        The student, ±1; changed.
    fields : ndarray of int32, shape (P,)
        Its fields on the examples times their labels; changed.
    doubled : ndarray of int32, shape (N, P)
        Twice the examples.
    chances : ndarray, shape (P + 1,)
        With which probability a step is taken that adds so many errors.
    count : int
    rng : Generator
        Gives a number for each step that adds errors.
    cosines, errors : ndarray, shape (count,) or (0,)
    total : ndarray, shape (N,)
        To which the recorded students are added.
    """
    N, P = doubled.shape
    wrong = 0
    for mu in range(P):
        wrong += 1 if fields[mu] < 0 else 0
    for step in range(count):
        wrong = visit(w, fields, doubled, chances, wrong, rng)
        if cosines.size > 0:
            overlap = 0
            for i in range(N):
                overlap += w[i]
                total[i] += w[i]
            cosines[step], errors[step] = overlap / N, wrong


@kernel
def visit(w: Whole, fields: Whole, doubled: Whole, chances: Array, wrong: int, rng: Generator) -> int:
    """Propose to turn each weight once; return the number of errors after it.  Arguments are those of :func:`sweep`."""
    N, P = doubled.shape
    for i in range(N):
        row = doubled[i]
        after = _wrong_below(fields, row) if w[i] > 0 else _wrong_above(fields, row)
        if after > wrong and rng.random() >= chances[after - wrong]:
            continue
        for mu in range(P):
            fields[mu] -= w[i] * row[mu]
        w[i] = -w[i]
        wrong = after
    return wrong


@kernel
def _wrong_below(fields, row):  # type: ignore[no-untyped-def]
    """Return how many of the fields less a row are negative: sums of 32 bits make it vector instructions."""
    count = np.int32(0)
    for mu in range(fields.size):
        count = np.int32(count - (np.int32(fields[mu] - row[mu]) >> np.int32(31)))
    return count


@kernel
def _wrong_above(fields, row):  # type: ignore[no-untyped-def]
    """Return how many of the fields plus a row are negative."""
    count = np.int32(0)
    for mu in range(fields.size):
        count = np.int32(count - (np.int32(fields[mu] + row[mu]) >> np.int32(31)))
    return count
