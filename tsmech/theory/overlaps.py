r"""What the overlaps of a student with its teacher say: its error, its specialization, coordinates for them.

Q = w·w/N, shape (..., K, K); R = w·b/N, shape (..., K, M); T = b·b/N, shape (M, M); second layers v, shape
(..., K), and A, shape (M,).  The fields of all units, students first, are Gaussian with covariance
C = [[Q, R], [Rᵀ, T]].  Derivations: ``theory/online_sgd.md``.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsmech.errors import InputError
from tsmech.kernels.activations import Pair, built_in, functions
from tsmech.theory.fields.gaussian import squared_output
from tsmech.theory.fields.lattice import Lattice
from tsmech.theory.fields.mixtures import Mixture, Parts, TwoSlopes, parts, two_slopes_of
from tsmech.theory.fields.quadrature import Quadrature

FloatArray = NDArray[np.float64]

Activation = str | Pair
"""One of the names in ``tsmech.kernels.activations.BUILT_IN``, or a pair (g, g') of functions of arrays."""

NEGATIVE = 1e-6
"""A mean square below minus this part of its terms comes from overlaps that no network has."""


class Exact(NamedTuple):
    """Tags of a student's and a teacher's activation, whose averages are known in closed form."""

    student: int
    teacher: int

    def squared_output(self, C: FloatArray, c: FloatArray, K: int) -> float:
        """Return E[Δ²] by :func:`tsmech.theory.fields.gaussian.squared_output`."""
        return float(squared_output(C, c, K, self.student, self.teacher))


def averages(student: Activation, teacher: Activation) -> Exact | TwoSlopes | Mixture | Quadrature:
    """Return how averages are taken: in closed form where both activations allow it, otherwise by quadrature.

    Closed forms exist for the activations of which ``BUILT_IN`` says so, and for pairs that are linear on either side
    of zero.

    Raises
    ------
    InputError
        If a name is unknown or a pair is not two functions.
    """
    pairs = functions(student), functions(teacher)
    tags = [built_in(a).tag for a in (student, teacher) if isinstance(a, str) and built_in(a).averages == "closed"]
    if len(tags) == 2:
        return Exact(*tags)
    of_student, of_teacher = _parts(student), _parts(teacher)
    if of_student is not None and of_teacher is not None:
        if of_student.slopes is not None and of_teacher.slopes is not None:
            return TwoSlopes(of_student.slopes, of_teacher.slopes)
        return Mixture(of_student, of_teacher)
    return Quadrature(*pairs)


def measured(student: Activation, teacher: Activation) -> Exact | TwoSlopes | Lattice:
    """Return how a simulation measures its error: not by the rule that theory goes by, unless that is a closed form.

    tanh too, whose averages are those of a sum, is measured by :class:`tsmech.theory.fields.lattice.Lattice`.
    """
    mean = averages(student, teacher)
    return mean if isinstance(mean, Exact | TwoSlopes) else Lattice(functions(student), functions(teacher))


def _parts(activation: Activation) -> Parts | None:
    return parts(activation) if isinstance(activation, str) else two_slopes_of(*activation)


def covariance(Q: FloatArray, R: FloatArray, T: FloatArray) -> FloatArray:
    """Return C = [[Q, R], [Rᵀ, T]], shape (..., K + M, K + M)."""
    teacher = np.broadcast_to(T, (*Q.shape[:-2], *T.shape[-2:]))
    top = np.concatenate([Q, R], axis=-1)
    return np.concatenate([top, np.concatenate([np.swapaxes(R, -1, -2), teacher], axis=-1)], axis=-2)


def generalization_error(
    Q: ArrayLike,
    R: ArrayLike,
    T: ArrayLike,
    v: ArrayLike,
    A: ArrayLike,
    student: Activation,
    teacher: Activation,
    *,
    independent: bool = False,
) -> FloatArray:
    r"""Half the mean squared difference of student and teacher on a fresh input, the teacher without noise.

    .. math:: \epsilon_g = \tfrac12 E[\Delta^2] = \tfrac12 \sum_{ij} c_i c_j\, E[g_i(x_i) g_j(x_j)],
        \qquad c = (v, -A)

    Parameters
    ----------
    Q, R, T, v, A : array_like
        Overlaps of shapes (..., K, K), (..., K, M), (M, M) and second layers of shapes (..., K) and (M,).
    student, teacher
        Their activations: a name, or a pair (g, g').
    independent
        Whether averages that need a numerical rule are taken by another one than the ODEs are, as simulations do.

    Returns
    -------
    ndarray, shape (...)
        Never negative.  The sum is exact to rounding of its largest terms: the floor, below which values mean
        nothing and may be 0, is :math:`10^{-16}\, \bigl(\sum_i |c_i| \sqrt{E[g_i^2]}\bigr)^2`.

    Raises
    ------
    InputError
        If shapes do not match, or if E[Δ²] is negative beyond what an integrator's error explains: the
        overlaps are then those of no network.
    ConvergenceError
        If two rules for the averages of an activation of one's own do not agree.

    References
    ----------
    Equation (6) of ``theory/online_sgd.md``; for erf units D. Saad and S. A. Solla, Phys. Rev. E 52 (1995) 4225.
    """
    Q, R, T, v, A = (np.asarray(a, dtype=np.float64) for a in (Q, R, T, v, A))
    check_shapes(Q, R, T, v, A)
    mean = (measured if independent else averages)(student, teacher)
    K = Q.shape[-1]
    n = K + T.shape[-1]
    lead = np.broadcast_shapes(Q.shape[:-2], v.shape[:-1])
    C = np.broadcast_to(covariance(Q, R, T), (*lead, n, n)).reshape(-1, n, n)
    c = np.concatenate([np.broadcast_to(v, (*lead, K)), np.broadcast_to(-A, (*lead, n - K))], axis=-1).reshape(-1, n)
    error = np.empty(len(C))
    for row in range(len(C)):
        square = mean.squared_output(C[row], c[row], K)
        if square < 0.0 and square < -NEGATIVE * mean.squared_output(np.diag(np.diag(C[row])), abs(c[row]), K):
            raise InputError(f"the overlaps Q, R, T are those of no network: E[Δ²] = {square:.3g} is negative")
        error[row] = 0.5 * max(square, 0.0)
    return error.reshape(lead)


def specialization(Q: ArrayLike, R: ArrayLike, T: ArrayLike) -> FloatArray:
    r"""How far each student unit has chosen one teacher unit.

    .. math:: s_k = |\rho_{k(1)}| - |\rho_{k(2)}|, \qquad \rho_{km} = R_{km} / \sqrt{Q_{kk} T_{mm}},

    the largest less the second largest of the absolute cosines with the teacher's units.  It is 0 where two
    teacher units are equally near, as everywhere on the symmetric plateau, and where there is no overlap yet;
    it is 1 for a unit along one teacher unit that is orthogonal to the others.  With one teacher unit it is ``|ρ_k1|``.

    Parameters
    ----------
    Q, R, T : array_like
        Overlaps of shapes (..., K, K), (..., K, M), (M, M).

    Returns
    -------
    ndarray, shape (..., K)
        Between 0 and 1; 0 for a student unit without weights.
    """
    Q, R, T = (np.asarray(a, dtype=np.float64) for a in (Q, R, T))
    size = np.sqrt(np.diagonal(Q, axis1=-2, axis2=-1)[..., :, None] * np.diagonal(T))
    cosine = np.sort(np.abs(np.divide(R, size, out=np.zeros_like(R), where=size > 0.0)), axis=-1)
    second = cosine[..., -2] if R.shape[-1] > 1 else 0.0
    return np.minimum(cosine[..., -1] - second, 1.0)


def check_shapes(Q: FloatArray, R: FloatArray, T: FloatArray, v: FloatArray, A: FloatArray) -> None:
    """Raise InputError unless the shapes are (..., K, K), (..., K, M), (M, M), (..., K), (M,), K and M at least 1."""
    K, M = R.shape[-2:] if R.ndim >= 2 else (0, 0)
    for name, array, shape in (("Q", Q, (K, K)), ("R", R, (K, M)), ("T", T, (M, M)), ("v", v, (K,)), ("A", A, (M,))):
        if K < 1 or M < 1 or array.shape[array.ndim - len(shape) :] != shape:
            raise InputError(
                f"{name} has shape {array.shape}, but R has shape {R.shape}: allowed are Q (..., K, K), R (..., K, M), "
                "T (M, M), v (..., K) and A (M,) with K, M >= 1"
            )


def coordinates(Q: FloatArray, R: FloatArray, T: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    r"""Return (basis, U, S): the teacher's coordinates, the student's in the same space, and what is left.

    .. math:: T = L L^T, \qquad R = U L^T, \qquad Q = U U^T + S

    with L of shape (M, rank of T), U of shape (K, rank of T), S of shape (K, K).  S is the covariance of the
    parts of the student's fields that the teacher knows nothing of, so ε_g is of second order in U − L and linear in S.

    Raises
    ------
    InputError
        If Q or T is not symmetric or the joint matrix [[Q, R], [Rᵀ, T]] has a negative eigenvalue beyond rounding.
    """
    for name, matrix in (("Q", Q), ("T", T)):
        if not np.allclose(matrix, matrix.T, rtol=1e-12, atol=1e-12 * np.abs(matrix).max()):
            raise InputError(
                f"{name} must be symmetric, but differs from its transpose by {abs(matrix - matrix.T).max():.3g}"
            )
    eigenvalues = np.linalg.eigvalsh(covariance(Q, R, T))
    if eigenvalues[0] < -1e-10 * eigenvalues[-1]:
        raise InputError(
            "Q, R and T must be overlaps of vectors: [[Q, R], [Rᵀ, T]] must have no negative eigenvalue, "
            f"but has {eigenvalues[0]:.6g}"
        )
    weight, vectors = np.linalg.eigh(T)
    kept = weight > 1e-14 * weight[-1]
    basis = vectors[:, kept] * np.sqrt(weight[kept])
    U = R @ (vectors[:, kept] / np.sqrt(weight[kept]))
    return np.ascontiguousarray(basis), U, Q - U @ U.T
