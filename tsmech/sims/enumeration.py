r"""All 2^N binary weight vectors at once, or as many as it takes to find what is sought.

A weight vector is two halves.  The fields of all first and of all second halves are tables of 2^(N/2) rows or so, so
that the field of a whole is a sum of two numbers: no field is updated step by step, and none drifts.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tsmech.kernels.jit import kernel, strict_kernel

Array = NDArray[np.float64]

LARGEST = 30
"""Largest N of an enumeration."""
GROUP = 128
"""Second halves that are left together."""
ABREAST = 256
"""Second halves whose errors are counted together."""


def signs(bits: int) -> NDArray[np.int8]:
    """Return all vectors of so many signs, shape (2^bits, bits)."""
    codes = np.arange(1 << bits)[:, None] >> np.arange(bits)
    return (1 - 2 * (codes & 1)).astype(np.int8)


def halves(oriented: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the fields of all first and all second halves, shapes (2^(N - N//2), P) and (2^(N//2), P)."""
    N = oriented.shape[1]
    cut = N - N // 2
    return signs(cut) @ oriented[:, :cut].T, signs(N // 2) @ oriented[:, cut:].T


def exists(oriented: Array, least: float, rng: Generator) -> bool:
    """Return whether some weights w of ±1 have all fields y w·x of at least so much.

    Parameters
    ----------
    oriented : ndarray, shape (P, N)
        The examples, each times its label; N at most :data:`LARGEST`.
    least : float
    rng : Generator
        Orders the search, so that a solution is found early.

    Notes
    -----
    Second halves come in groups; a group is left where even its largest field of some example is too small, a vector at
    the first example that it fails.  About half a second at N = 30 where there is no solution.
    """
    first, second = halves(oriented)
    size = min(GROUP, len(second))
    top = second.reshape(-1, size, second.shape[1]).max(axis=1)
    return bool(_exists(rng.permutation(first), second, top, size, least))


@strict_kernel
def _exists(first: Array, second: Array, top: Array, size: int, least: float) -> bool:
    for i in range(first.shape[0]):
        for group in range(top.shape[0]):
            if not _all_at_least(first[i], top[group], least):
                continue
            for j in range(group * size, (group + 1) * size):
                if _all_at_least(first[i], second[j], least):
                    return True
    return False


@strict_kernel
def _all_at_least(one: Array, other: Array, least: float) -> bool:
    for mu in range(one.size):  # noqa: SIM110  (Numba knows no all() of a generator)
        if one[mu] + other[mu] < least:
            return False
    return True


class Census(NamedTuple):
    """All weights, by their errors and their overlap with the teacher (1, ..., 1), and their Gibbs means."""

    counts: NDArray[np.int64]
    """Weights with E errors and m components +1, shape (P + 1, N + 1)."""
    means: Array
    """Mean of each component under the Gibbs law, shape (N,)."""


def census(oriented: NDArray[np.int32], temperature: float) -> Census:
    """Count all weights, and average them with the weight exp(-errors/T).

    Parameters
    ----------
    oriented : ndarray of int32, shape (P, N)
        The examples, each times its label, in units in which sums are exact; N at most :data:`LARGEST`.
    temperature : float
        T >= 0; at 0 weights without error count alone.

    Notes
    -----
    O(2^N P): about 4 s at N = 30, P = 36, of one AVX-512 core.
    """
    P, N = oriented.shape
    cut = N - N // 2
    first, second = (table.astype(np.int32) for table in halves(oriented))
    energies = np.arange(P + 1.0)
    factors = np.exp(-energies / temperature) if temperature > 0.0 else (energies == 0.0) * 1.0
    counts = np.zeros((P + 1, N + 1), dtype=np.int64)
    of_first, of_second = np.zeros(len(first)), np.zeros(len(second))
    left, right = signs(cut), signs(N // 2)
    plus = [(half == 1).sum(axis=1).astype(np.int64) for half in (left, right)]
    _count(first, np.ascontiguousarray(second.T), plus[0], plus[1], factors, counts, of_first, of_second)
    total = of_first.sum()
    return Census(counts, np.concatenate([of_first @ left, of_second @ right]) / total)


@kernel
def _count(first, second, plus_first, plus_second, factors, counts, of_first, of_second):  # type: ignore[no-untyped-def]
    """Fill in the counts and the sums of the factors over all wholes with each half; ``second`` has shape (P, n).

    The example loop is outside that over a block of second halves, which then is vector instructions.
    """
    P, n = second.shape
    size = min(ABREAST, n)
    errors = np.empty(size, dtype=np.int32)
    for begin in range(0, n, size):
        for i in range(first.shape[0]):
            errors[:] = 0
            for mu in range(P):
                least = -first[i, mu]
                row = second[mu, begin : begin + size]
                for j in range(size):
                    errors[j] += np.int32(row[j] < least)
            total = 0.0
            for j in range(size):
                counts[errors[j], plus_first[i] + plus_second[begin + j]] += 1
                factor = factors[errors[j]]
                total += factor
                of_second[begin + j] += factor
            of_first[i] += total
