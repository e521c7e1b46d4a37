"""Least squares and least norm by one QR decomposition, during which Python hears Ctrl-C.

SciPy's ``gels`` holds the interpreter's lock; its ``geqrf`` and ``ormqr``, which do the same work, do not.  What is
solved with the triangle alone takes no time beside them.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def least_squares(tall: Array, right: Array, overwrite: bool = False) -> tuple[Array, Array]:
    r"""Return the x of least :math:`|A x - b|`, and the diagonal of the triangle.

    Parameters
    ----------
    tall : ndarray, shape (m, n), m >= n
        A.
    right : ndarray, shape (m, k)
        b.
    overwrite : bool
        Whether A may be lost, where it lies column by column: then it is not copied.

    Returns
    -------
    solution : ndarray, shape (n, k)
    pivots : ndarray, shape (n,)
        A zero says that the columns are linearly dependent, and there is no solution then.
    """
    from scipy.linalg.lapack import dtrtrs

    reflections, scales = _factors(tall, overwrite)
    turned = _turned(reflections, scales, right, "T")
    return np.asarray(dtrtrs(reflections[: tall.shape[1]], turned[: tall.shape[1]])[0]), np.diagonal(reflections)


def least_norm(tall: Array, right: Array, overwrite: bool = False) -> tuple[Array, Array]:
    r"""Return the x of least norm with :math:`A^T x = b`, and the diagonal of the triangle.

    Parameters and results are those of :func:`least_squares`, ``right`` of shape (n, k) and the solution (m, k).
    """
    from scipy.linalg.lapack import dtrtrs

    reflections, scales = _factors(tall, overwrite)
    padded = np.zeros((tall.shape[0], right.shape[1]), order="F")
    padded[: tall.shape[1]] = dtrtrs(reflections[: tall.shape[1]], right, trans=1)[0]
    return _turned(reflections, scales, padded, "N"), np.diagonal(reflections)


def _factors(tall: Array, overwrite: bool) -> tuple[Array, Array]:
    """Return the triangle and below it the reflections, and their scales."""
    from scipy.linalg.lapack import dgeqrf, dgeqrf_lwork

    room, _ = dgeqrf_lwork(*tall.shape)
    reflections, scales, _, _ = dgeqrf(tall, lwork=int(room), overwrite_a=overwrite)
    return reflections, scales


def _turned(reflections: Array, scales: Array, columns: Array, way: str) -> Array:
    """Return Q or Qᵀ (``way`` N or T) times columns."""
    from scipy.linalg.lapack import dormqr

    _, work, _ = dormqr("L", way, reflections, scales, columns, lwork=-1)
    return np.asarray(dormqr("L", way, reflections, scales, columns, lwork=int(work[0]))[0])
