r"""Where online learning starts: random networks, their overlaps without the networks, and networks of given overlaps.

With inputs of variance 1 the overlaps of K student and M teacher vectors of N components are
:math:`Q = W W^\top/N`, :math:`R = W B^\top/N` and :math:`T = B B^\top/N`.
"""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from tsmech.errors import InputError

Matrix = NDArray[np.float64]

_TOLERATED = 1e-10


class Coordinates(NamedTuple):
    """Student and teacher vectors over √N in an orthonormal basis whose first M directions span the teacher."""

    student: Matrix
    """[U V], shape (K, M + K), V lower-triangular."""
    teacher: Matrix
    """Lower-triangular L, shape (M, M)."""


def semidefinite_factor(matrix: Matrix) -> Matrix:
    """Return a lower-triangular F with F Fᵀ = matrix, symmetric and positive semi-definite, perhaps singular.

    Eigenvalues within rounding of zero, after the diagonal has been scaled to one, count as zero.
    """
    scale = np.sqrt(np.diag(matrix))
    safe = np.where(scale > 0.0, scale, 1.0)
    values, vectors = np.linalg.eigh(matrix / np.outer(safe, safe))
    values[values < len(scale) * np.finfo(float).eps] = 0.0
    upper = np.asarray(np.linalg.qr((vectors * np.sqrt(values)).T, mode="r"))
    return np.asarray(scale[:, None] * upper.T)


def coordinates(Q: ArrayLike, R: ArrayLike, T: ArrayLike) -> Coordinates:
    r"""Return coordinates of vectors with given overlaps.

    .. math:: Q = UU^\top + VV^\top, \qquad R = U L^\top, \qquad T = LL^\top

    Parameters
    ----------
    Q, R, T : array_like, shapes (K, K), (K, M) and (M, M)

    Raises
    ------
    InputError
        If the shapes do not fit, or the matrix of all overlaps is not symmetric and positive semi-definite.
    """
    student, mixed, teacher = (np.array(x, dtype=np.float64, ndmin=2) for x in (Q, R, T))
    K, M = mixed.shape
    if student.shape != (K, K) or teacher.shape != (M, M):
        raise InputError(
            f"overlaps: Q, R and T have shapes {student.shape}, {mixed.shape} and {teacher.shape}, "
            "not (K, K), (K, M) and (M, M)"
        )
    joint = np.block([[teacher, mixed.T], [mixed, student]])
    size = np.max(np.abs(joint))
    if not np.isfinite(size) or np.max(np.abs(joint - joint.T)) > _TOLERATED * size:
        raise InputError("overlaps: Q and T must be finite and symmetric")
    smallest = float(np.linalg.eigvalsh(joint)[0])
    if smallest < -_TOLERATED * size:
        raise InputError(
            f"overlaps: no vectors have them: the matrix of Q, R and T has the negative eigenvalue {smallest:.6g}"
        )
    factor = semidefinite_factor(joint)
    return Coordinates(factor[M:], factor[:M, :M])


def random_teacher(units: int, dimension: int, rng: Generator, *, orthonormal: bool = False) -> Matrix:
    """Return teacher vectors, shape (units, dimension): normal components, or orthogonal with T = 1 exactly."""
    if orthonormal:
        return np.asarray(np.sqrt(dimension) * _frame(units, dimension, rng))
    return np.asarray(rng.standard_normal((units, dimension)))


def random_student(units: int, dimension: int, scale: float, rng: Generator) -> Matrix:
    """Return student vectors with normal components of standard deviation ``scale``, shape (units, dimension)."""
    return scale * rng.standard_normal((units, dimension))


def random_overlaps(
    student_units: int,
    teacher_units: int,
    dimension: int,
    scale: float,
    *,
    teacher_rng: Generator,
    student_rng: Generator,
    orthonormal: bool = False,
) -> tuple[Matrix, Matrix, Matrix]:
    r"""Return Q, R and T of a random student and teacher, without the networks.

    In law they are those of :func:`random_student` and :func:`random_teacher`.  The overlaps of vectors with
    normal components are a Wishart matrix of N degrees of freedom over N, drawn as
    :math:`F F^\top/N` with Bartlett's triangular factor: normal numbers below the diagonal and the lengths of
    normal vectors of N, N - 1, ... components on it.  The cost does not depend on N.

    Parameters
    ----------
    student_units, teacher_units, dimension : int
        K, M and N ≥ K + M.
    scale : float
        Standard deviation of the student's components; Q is about its square.
    teacher_rng, student_rng : Generator
        The same teacher results with every student.
    orthonormal : bool
        Whether T = 1 exactly.

    Returns
    -------
    Q, R, T : ndarray, shapes (K, K), (K, M) and (M, M)

    References
    ----------
    M. S. Bartlett, Proc. R. Soc. Edinburgh 53 (1933) 260.
    """
    K, M, N = student_units, teacher_units, dimension
    check_dimension(N, K, M)
    L = np.eye(M) if orthonormal else _bartlett(M, N, teacher_rng) / np.sqrt(N)
    U = scale * student_rng.standard_normal((K, M)) / np.sqrt(N)
    V = scale * _bartlett(K, N - M, student_rng) / np.sqrt(N)
    return U @ U.T + V @ V.T, U @ L.T, L @ L.T


def embed(Q: ArrayLike, R: ArrayLike, T: ArrayLike, dimension: int, rng: Generator) -> tuple[Matrix, Matrix]:
    """Return student and teacher vectors with given overlaps, (K, N) and (M, N), in otherwise random directions."""
    student, teacher = coordinates(Q, R, T)
    K, M = student.shape[0], teacher.shape[0]
    check_dimension(dimension, K, M)
    frame = np.sqrt(dimension) * _frame(M + K, dimension, rng)
    return student @ frame, teacher @ frame[:M]


def check_dimension(dimension: int, student_units: int, teacher_units: int) -> None:
    """Raise InputError unless the vectors can be linearly independent."""
    if dimension < student_units + teacher_units:
        raise InputError(
            f"dimension = {dimension}: must be at least student_units + teacher_units = {student_units + teacher_units}"
        )


def _bartlett(rows: int, degrees: int, rng: Generator) -> Matrix:
    factor = np.tril(rng.standard_normal((rows, rows)), -1)
    factor[np.diag_indices(rows)] = np.sqrt(rng.chisquare(degrees - np.arange(rows)))
    return factor


def _frame(rows: int, dimension: int, rng: Generator) -> Matrix:
    """Return orthonormal rows, uniformly distributed."""
    q, r = np.linalg.qr(rng.standard_normal((dimension, rows)))
    return np.ascontiguousarray((q * np.sign(np.diag(r))).T)
