"""What a similarity matrix of items looks like in the plane: classical scaling, aligned from time to time."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def embed(similarity: Array) -> Array:
    r"""Return the positions of items in the plane through all times, shape (T, items, 2).

    Classical multidimensional scaling of each centred similarity matrix (inner products of representations), rotated or
    reflected onto the positions at the next time; at the last time the item farthest along each axis lies on its
    positive side.

    Parameters
    ----------
    similarity : ndarray, shape (T, items, items)
        Inner products of the items' representations.

    References
    ----------
    T. F. Cox, M. A. A. Cox, Multidimensional Scaling (Chapman & Hall, 2001), sections 2.2 and 5.2.
    """
    count = similarity.shape[-1]
    centre = np.eye(count) - 1.0 / count
    values, vectors = np.linalg.eigh(centre @ similarity @ centre)
    kept = min(2, count)
    found = np.zeros((len(similarity), count, 2))
    found[:, :, :kept] = (vectors * np.sqrt(np.maximum(values, 0.0))[:, None])[:, :, : -kept - 1 : -1]
    if len(found) == 0:
        return found
    last = found[-1]
    farthest = np.abs(last).argmax(axis=0)
    last *= np.where(last[farthest, [0, 1]] < 0, -1.0, 1.0)
    for time in range(len(found) - 2, -1, -1):
        left, _, right = np.linalg.svd(found[time].T @ found[time + 1])
        found[time] = found[time] @ (left @ right)
    return found
