"""When a run of two-layer SGD has diverged: one criterion for the ODEs, the chain of the overlaps and the network."""

import numpy as np
from numpy.typing import ArrayLike

DIVERGED = 1e6
"""A run has diverged when a Q_kk or v_k² exceeds this many times the largest of those at its start, of all T_mm and
A_m², and of 1."""


def bound(Q: ArrayLike, T: ArrayLike, v: ArrayLike, A: ArrayLike) -> float:
    """Return the largest Q_kk or v_k² of a run that has not diverged, from the overlaps and second layers at its start.

    Only the diagonals of Q, shape (K, K), and T, shape (M, M), matter.
    """
    squares = [np.diag(np.asarray(Q)), np.diag(np.asarray(T)), np.square(v), np.square(A)]
    return DIVERGED * max(1.0, *(float(np.max(each)) for each in squares))
