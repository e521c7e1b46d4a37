"""The hyperplane of maximum stability through given examples, by non-negative least squares with a certificate."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import ConvergenceError

Array = NDArray[np.float64]

GAP = 1e-8
"""Largest duality gap of a solution, in units of a stability and of one of 1."""


class Separation(NamedTuple):
    """The weights of maximum stability, and how well they are known."""

    weights: Array
    """Shape (N,), of length 1."""
    stability: float
    """κ = min y w·x, above 0."""
    gap: float
    """Duality gap: the largest stability is at most κ + gap."""


def maximum_stability(oriented: Array) -> Separation | None:
    r"""Return the weights that maximise the least stability of examples y x, or None where none separates them.

    The shortest w with :math:`y_\mu\, w \cdot x_\mu \ge 1` has length 1/κ.  It follows from the residual r of

    .. math:: \min_{u \ge 0} \Bigl| \sum_\mu u_\mu (y_\mu x_\mu, 1) - (0, 1) \Bigr|^2 ,

    w = -r_{1..N}/r_{N+1} [1]_, by an active-set method that ends after finitely many steps.  Where no hyperplane
    separates the examples the residual vanishes.

    Parameters
    ----------
    oriented : ndarray, shape (P, N)
        The examples, each times its label.

    Raises
    ------
    ConvergenceError
        If the duality gap exceeds :data:`GAP`, or the active set did not settle.

    Notes
    -----
    Every non-negative combination of the examples of total weight 1 is at least κ long; the gap compares κ with the
    length of the one that was found.

    References
    ----------
    .. [1] C. L. Lawson, R. J. Hanson, Solving Least Squares Problems (1974), chapter 23, problem LDP.
    """
    from scipy.optimize import nnls

    P, N = oriented.shape
    scale = np.sqrt(N)
    system = np.vstack([oriented.T / scale, np.ones(P)])
    target = np.zeros(N + 1)
    target[N] = 1.0
    try:
        shares, length = nnls(system, target, maxiter=30 * max(P, N) + 300)
    except RuntimeError:
        raise ConvergenceError(f"the active set of {P} examples did not settle") from None
    if length < 1e-7:
        return None
    residual = system @ shares - target
    if residual[N] >= 0.0:
        return None
    weights = -residual[:N] / residual[N]
    weights /= np.linalg.norm(weights)
    stability = float((oriented @ weights).min())
    combined = float(np.linalg.norm(shares @ oriented) / shares.sum())
    gap = combined - stability
    if gap > GAP * (1.0 + combined) or stability <= 0.0:
        raise ConvergenceError(f"the largest stability of {P} examples is {stability:.3g}, or up to {gap:.1g} more")
    return Separation(weights, stability, gap)
