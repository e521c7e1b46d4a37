"""How steep a loss is: its largest curvature, which bounds the steps of gradient descent."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

APART = 1e-5
"""Distance of two velocities of which the difference is taken, as a share of the weights' length."""
TOLERANCE = 1e-2
"""Of Lanczos's method, relative to the eigenvalue, which is more accurate than its vector."""


def sharpness(velocity: Callable[[Array], Array], weights: Array) -> float:
    """Return the largest eigenvalue of the Hessian at the weights; inf where the loss overflows.

    Parameters
    ----------
    velocity : callable
        Returns minus the gradient of the loss, shape (weights,).
    weights : ndarray, shape (weights,)
        Two at least.

    Notes
    -----
    Descent by steps h is unstable at the weights where h is above 2 over this.  By Lanczos's method, some ten to twenty
    products of the Hessian with a vector, each a difference of two velocities.
    """
    from scipy.sparse.linalg import LinearOperator, eigsh

    length = APART * float(np.linalg.norm(weights))

    def product(direction: Array) -> Array:
        apart = direction * (length / float(np.linalg.norm(direction)))
        with np.errstate(invalid="ignore"):
            change = velocity(weights - apart) - velocity(weights + apart)
        return np.asarray(change * (float(np.linalg.norm(direction)) / (2.0 * length)))

    first = np.random.default_rng(0).standard_normal(weights.size)
    curved = product(first)
    if not np.isfinite(curved).all():
        return math.inf
    if not curved.any():
        return 0.0
    size = weights.size
    hessian = LinearOperator((size, size), product, dtype=float)
    found = eigsh(hessian, k=1, which="LA", v0=first, ncv=min(size, 10), tol=TOLERANCE, return_eigenvectors=False)
    return float(found[0])
