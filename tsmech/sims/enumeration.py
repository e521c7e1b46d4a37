r"""All 2^N binary weight vectors at once, or as many as it takes to find what is sought.

A weight vector is two halves.  The fields of all first and of all second halves are tables of 2^(N/2) rows or so, so
that the field of a whole is a sum of two numbers: no field is updated step by step, and none drifts.
"""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tsmech.kernels.jit import strict_kernel

Array = NDArray[np.float64]

LARGEST = 30
"""Largest N of an enumeration."""
GROUP = 128
"""Second halves that are left together."""


def signs(bits: int) -> NDArray[np.int8]:
    """Return all vectors of so many signs, shape (2^bits, bits)."""
    codes = np.arange(1 << bits)[:, None] >> np.arange(bits)
    return (1 - 2 * (codes & 1)).astype(np.int8)


def halves(oriented: Array) -> tuple[Array, Array]:
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
