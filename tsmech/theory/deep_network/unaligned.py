r"""Two layers that start in any directions: gradient flow by the solution of a matrix Riccati equation.

It needs a start whose layers are balanced up to one number, :math:`W_2^T W_2 - W_1 W_1^T = \delta\, 1`, which gradient
flow conserves.  Here is what the solution starts from, along the eigenvectors of F; ``riccati.py`` has it in time.
Derivation and equation numbers: ``theory/deep_linear.md``, section 5.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsmech.errors import InputError

Array = NDArray[np.float64]

Modes = tuple[Array, Array, Array]
"""Left singular vectors, singular values and right singular vectors."""

BALANCED = 1e-9
"""Largest deviation from balance, as a share of the weights' mean square."""
ROUNDING = 1e-12
"""Singular values of the correlations that count as 0, as a share of the largest."""
DEPENDENT = 1e-13
"""What is left of a row, as a share of it, where those before it explain it up to rounding."""

LANES = 64
"""Times of a block, at which the compiled loops work together."""


class Problem(NamedTuple):
    """Two layers at their start, along the eigenvectors of F."""

    rates: Array
    """Eigenvalues r of F, decreasing, shape (n,)."""
    rows: Array
    """Q along the eigenvectors, its columns turned into echelon form, shape (n, width)."""
    pivots: NDArray[np.int64]
    """The first row that each column has; n where it has none; shape (width,)."""
    places: NDArray[np.int64]
    """Which row of (growing modes, decaying modes, other inputs, other outputs) each is, shape (n,)."""
    angles: Array
    """θ of each mode, whose eigenvectors are (cos θ, sin θ) and (-sin θ, cos θ) on inputs, outputs; shape (modes,)."""
    inputs: int
    """Directions of inputs: the modes' and the others."""


class Start(NamedTuple):
    """Two layers at their start, in the directions of the modes of the correlations and others that they act on."""

    problem: Problem
    inputs: Array
    """Orthonormal directions of inputs, the modes' first, shape (inputs, I)."""
    outputs: Array
    """Orthonormal directions of outputs, the modes' first, shape (outputs, O)."""


def imbalance(first: Array, second: Array) -> float | None:
    """Return δ of the layers W₁ and W₂, or None where W₂ᵀW₂ - W₁W₁ᵀ is no multiple of the identity (eq. 16)."""
    difference = second.T @ second - first @ first.T
    found = float(np.trace(difference)) / len(difference)
    off = abs(difference - found * np.eye(len(difference))).max()
    scale = (np.sum(first**2) + np.sum(second**2)) / len(difference)
    return found if off <= BALANCED * scale else None


def held(modes: int, width: int, inputs: int, outputs: int) -> int:
    """Return how many numbers the compiled loops hold at once."""
    along, across = (modes + min(size - modes, width) for size in (inputs, outputs))
    return LANES * (2 * (along + across) * width + width**2 + along * across)


def in_blocks(times: ArrayLike) -> Array:
    """Return the times in blocks, of which the last is filled up, shape (blocks, LANES)."""
    return np.resize(np.asarray(times, float), (-(-np.size(times) // LANES), LANES))


def modes_of(correlations: Array) -> Modes:
    """Return the modes of a matrix, those that are zero to rounding left out."""
    left, s, right = np.linalg.svd(correlations, full_matrices=False)
    kept = s > ROUNDING * max(float(s.max(initial=0.0)), 1e-300)
    return left[:, kept], s[kept], right[kept].T


def prepare(modes: Modes, first: Array, second: Array) -> Start:
    """Return a start along the eigenvectors of F.

    Parameters
    ----------
    modes : tuple of ndarray, shapes (outputs, modes), (modes,) and (inputs, modes)
        Left singular vectors, singular values and right singular vectors of Σ.
    first, second : ndarray, shapes (width, inputs) and (outputs, width)
        W₁ and W₂.

    Raises
    ------
    InputError
        If it is not balanced up to one number.
    """
    delta = imbalance(first, second)
    if delta is None:
        raise InputError("the start is not balanced: W2.T W2 - W1 W1.T must be a multiple of the identity")
    left, s, right = modes
    count = len(s)
    inputs, one = _along(right, first.T)
    outputs, two = _along(left, second)
    rate, angle = np.hypot(s, delta / 2.0), 0.5 * np.arctan2(s, -delta / 2.0)
    rates = np.concatenate([rate, -rate, np.full(len(one) - count, -delta / 2), np.full(len(two) - count, delta / 2)])
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    u, v = one[:count], two[:count]
    each = np.vstack([cos * u + sin * v, cos * v - sin * u, one[count:], two[count:]])
    order = np.argsort(-rates, kind="stable")
    return Start(Problem(rates[order], *_echelon(each[order]), order, angle, len(one)), inputs, outputs)


def _along(modes: Array, weights: Array) -> tuple[Array, Array]:
    """Return orthonormal directions, the modes first, that span what weights of shape (size, width) act on.

    With them the weights along each.
    """
    along = modes.T @ weights
    beside = weights - modes @ along
    beside -= modes @ (modes.T @ beside)
    basis, sizes, turned = np.linalg.svd(beside, full_matrices=False)
    size = math.sqrt(float((weights**2).sum()))
    kept = (sizes > DEPENDENT * size) & (np.arange(sizes.size) < len(modes) - modes.shape[1])
    return np.hstack([modes, basis[:, kept]]), np.vstack([along, sizes[kept, None] * turned[kept]])


def _echelon(rows: Array) -> tuple[Array, NDArray[np.int64]]:
    """Return rows with their columns turned so that the first has one entry, the next two, and so on.

    With them the first row of each column; a row that those before it explain adds no column.
    """
    found, (count, width) = rows.copy(), rows.shape
    pivots = np.full(width, count)
    place = 0
    for i in range(count):
        if place == width:
            break
        rest = found[i, place:]
        size = math.sqrt(float(rest @ rest))
        if size <= DEPENDENT * math.sqrt(float(found[i] @ found[i])):
            found[i, place:] = 0.0
            continue
        mirror = rest.copy()
        mirror[0] += math.copysign(size, rest[0])
        found[i:, place:] -= np.outer(found[i:, place:] @ mirror, mirror * (2.0 / float(mirror @ mirror)))
        found[i, place + 1 :] = 0.0
        pivots[place] = i
        place += 1
    return found, pivots
