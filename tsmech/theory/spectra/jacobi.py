"""Singular values by one-sided Jacobi rotations: each with its own relative accuracy, however far apart they are."""

import ctypes
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import ConvergenceError

JOBS = b"FNNRNN"
"""What LAPACK's gejsv is asked for: rows and columns of any scale, values alone, restricted range, no transposing."""


def singular_values(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the singular values of a matrix of at least as many rows as columns, descending.

    Raises
    ------
    ConvergenceError
        Where LAPACK finds none.

    Notes
    -----
    SciPy's own wrapper holds the interpreter's lock meanwhile, which is minutes for thousands of columns; the routine
    is called without it, so that Python hears Ctrl-C.

    References
    ----------
    Z. Drmač & K. Veselić, SIAM J. Matrix Anal. Appl. 29, 1322 (2008).
    """
    a = np.array(matrix, dtype=float, order="F")
    m, n = a.shape
    found, none, info = np.empty(n), np.empty(1), ctypes.c_int(0)
    work = np.empty(max(2 * m + n, 6 * n + 2 * n * n, 7))
    whole = np.empty(max(3, m + 3 * n), dtype=np.intc)
    jobs = [ctypes.c_char(JOBS[i : i + 1]) for i in range(len(JOBS))]
    sizes = {number: ctypes.c_int(number) for number in (1, m, n, work.size)}
    given = [
        *jobs,
        sizes[m],
        sizes[n],
        a,
        sizes[m],
        found,
        none,
        sizes[1],
        none,
        sizes[1],
        work,
        sizes[work.size],
        whole,
    ]
    _gejsv()(*(_place(one) for one in (*given, info)))
    if info.value != 0:
        raise ConvergenceError(f"no singular values of a {m} x {n} matrix: LAPACK's gejsv says {info.value}")
    return np.sort(found * (work[0] / work[1]))[::-1]


def _place(value: Any) -> int:
    """Return where a number or an array lies in memory."""
    return int(value.ctypes.data) if isinstance(value, np.ndarray) else ctypes.addressof(value)


@functools.cache
def _gejsv() -> Callable[..., None]:
    from numba.extending import get_cython_function_address

    address = get_cython_function_address("scipy.linalg.cython_lapack", "dgejsv")
    return ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 19)(address)
