"""What deep linear networks learn, and how their weights start: in the directions of modes, or in any.

Equation numbers are those of theory/deep_linear.md.
"""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from tsmech.errors import ConvergenceError

Array = NDArray[np.float64]

PRETRAINING_STEP = 0.5
"""Step of layer-wise pretraining, half the largest stable one; shorter while singular values are above √2."""
PRETRAINED = 1e-3
"""Deviation of a layer's singular values from 1 at which its pretraining ends."""
MOST_PRETRAINING = 100_000


class Teacher(NamedTuple):
    """What is to be learnt: modes of the input-output correlations, of which all are positive."""

    outputs: Array
    """Left singular vectors, shape (outputs, modes)."""
    strengths: Array
    """Singular values s, shape (modes,), decreasing."""
    inputs: Array
    """Right singular vectors, shape (inputs, modes)."""

    @property
    def correlations(self) -> Array:
        """The matrix of input-output correlations, shape (outputs, inputs)."""
        return (self.outputs * self.strengths) @ self.inputs.T


class FirstWeights(NamedTuple):
    """The weights that a network starts with."""

    layers: list[Array]
    along: list[Array] | None = None
    """Directions of aligned modes on the inputs, in each hidden layer and on the outputs."""
    pretraining: float = 0.0
    """Steps that pretraining took, in units of the largest stable one."""


def directions(rows: int, columns: int, rng: Generator) -> Array:
    """Return a matrix of shape (rows, columns), columns <= rows, with orthonormal columns in random directions."""
    basis, triangle = np.linalg.qr(rng.standard_normal((rows, columns)))
    return basis * np.where(np.diag(triangle) < 0, -1.0, 1.0)


def draw_teacher(strengths: ArrayLike, inputs: int, outputs: int, rng: Generator) -> Teacher:
    """Return a teacher with modes of these strengths in random directions."""
    s = np.sort(np.asarray(strengths, float))[::-1]
    return Teacher(directions(outputs, s.size, rng), s, directions(inputs, s.size, rng))


def teacher_of(correlations: Array) -> Teacher:
    """Return the modes of a matrix, those that are zero to rounding left out."""
    left, s, right = np.linalg.svd(correlations, full_matrices=False)
    kept = s > 1e-12 * max(float(s[0]), 1e-300)
    return Teacher(left[:, kept], s[kept], right[kept].T)


def aligned_directions(teacher: Teacher, depth: int, width: int, rng: Generator) -> list[Array]:
    """Return directions of modes on the inputs, in each hidden layer and on the outputs, as many as fit (eq. 4).

    Those of the inputs and outputs are the teacher's, shape (inputs, rank) and (outputs, rank), the others are random.
    """
    rank = min(len(teacher.strengths), width) if depth > 1 else len(teacher.strengths)
    between = [directions(width, rank, rng) for _ in range(depth - 1)]
    return [teacher.inputs[:, :rank], *between, teacher.outputs[:, :rank]]


def aligned_layers(along: Sequence[Array], layers: Array) -> list[Array]:
    """Return weights with modes along these directions, and strengths of shape (depth, modes)."""
    rank = along[0].shape[1]
    return [(along[layer + 1] * layers[layer, :rank]) @ along[layer].T for layer in range(len(layers))]


def shapes(depth: int, width: int, inputs: int, outputs: int) -> list[tuple[int, int]]:
    """Return the shapes of the layers W_1, ..., W_D."""
    sizes = [inputs, *[width] * (depth - 1), outputs]
    return [(above, below) for below, above in itertools.pairwise(sizes)]


def random_layers(layers: Sequence[tuple[int, int]], scale: float, width: int, rng: Generator) -> list[Array]:
    """Return layers of independent normal weights with standard deviation scale/√width."""
    return [scale / math.sqrt(width) * rng.standard_normal(shape) for shape in layers]


def orthogonal_layers(layers: Sequence[tuple[int, int]], scales: Sequence[float], rng: Generator) -> list[Array]:
    """Return layers all of whose singular values are one number each, in random directions."""
    found = []
    for (rows, columns), scale in zip(layers, scales, strict=True):
        tall = directions(max(rows, columns), min(rows, columns), rng)
        found.append(scale * (tall if rows >= columns else tall.T))
    return found


def pretrain(layers: Sequence[Array]) -> tuple[list[Array], float]:
    """Train each layer in turn as an autoencoder with tied weights, and return the layers and the steps taken.

    A layer descends a quarter of the square of WᵀW - 1 (eq. 30) until its singular values are 1; its steps are counted
    in units of the largest stable one at the end.

    Raises
    ------
    ConvergenceError
        If a layer does not settle.
    """
    found: list[Array] = []
    total = 0.0
    for start in layers:
        weights = start.copy()
        tall = weights.shape[0] >= weights.shape[1]
        for _ in range(MOST_PRETRAINING):
            gram = weights.T @ weights if tall else weights @ weights.T
            squares = np.linalg.eigvalsh(gram)
            if abs(squares - 1.0).max() < PRETRAINED:
                break
            step = min(PRETRAINING_STEP, 1.0 / float(squares[-1]))
            error = step * (np.eye(len(gram)) - gram)
            weights += weights @ error if tall else error @ weights
            total += step
        else:
            raise ConvergenceError(f"pretraining has not settled after {MOST_PRETRAINING} steps")
        found.append(weights)
    return found, total
