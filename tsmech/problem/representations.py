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
    # Turned onto positions that are turned themselves: the turns from time to time follow one another.
    angles, signs = _turns(np.swapaxes(found[:-1], 1, 2) @ found[1:])
    passed = np.cumprod(np.concatenate([[1.0], signs]))
    total = passed[:-1] * np.cumsum((passed[:-1] * angles)[::-1])[::-1]
    cosine, sine, sign = np.cos(total), np.sin(total), passed[:-1] * passed[-1]
    turns = np.array([[cosine, -sign * sine], [sine, sign * cosine]])
    found[:-1] = found[:-1] @ np.moveaxis(turns, 2, 0)
    return found


def _turns(products: Array) -> tuple[Array, Array]:
    """Return angles φ and signs s of the orthogonal matrices R(φ) diag(1, s) that are nearest to 2 x 2 matrices."""
    (a, b), (c, d) = np.moveaxis(products, 0, 2)
    rotates = np.hypot(a + d, c - b) >= np.hypot(a - d, b + c)
    return np.where(rotates, np.arctan2(c - b, a + d), np.arctan2(b + c, a - d)), np.where(rotates, 1.0, -1.0)
