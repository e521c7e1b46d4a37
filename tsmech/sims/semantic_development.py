"""Items and their properties as they are drawn, and what a deep linear network makes of them at each time.

Equation numbers are those of theory/semantic_development.md.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tsmech.sims.deep_network import Network, Task, Teacher, decoupled

Array = NDArray[np.float64]


def draw_tree(branching: int, levels: int, flip: float, properties: int, rng: Generator) -> Array:
    """Return properties +1 and -1 of the leaves of a tree, flipped along its branches, shape (items, properties)."""
    values = np.where(rng.random((1, properties)) < 0.5, 1.0, -1.0)
    for _ in range(levels):
        values = np.repeat(values, branching, axis=0)
        values *= np.where(rng.random(values.shape) < flip, -1.0, 1.0)
    return values


def draw_crossing(branching: int, levels: int, flip: float, properties: int, rng: Generator) -> Array:
    """Return properties of items in two trees at once: odd ones follow the tree, even ones a tree that cuts across it.

    In the second tree an item's first branch is the last in the first tree, and so on.
    """
    values = draw_tree(branching, levels, flip, properties, rng)
    items = np.arange(branching**levels)
    digits = items[:, None] // branching ** np.arange(levels) % branching
    across = digits @ branching ** np.arange(levels)[::-1]
    values[:, 1::2] = values[across, 1::2]
    return values


def draw_field(neighbours: Array, pull: float, properties: int, rng: Generator) -> Array:
    """Return the signs of Gaussian fields on a graph of items, shape (items, properties) (eq. 5).

    Parameters
    ----------
    neighbours : ndarray, shape (items, items)
        1 where two items are neighbours.
    pull : float
        κ > 0: the precision is the graph's Laplacian plus κ, so that properties extend over about 1/√κ neighbours.
    properties : int
        How many.
    rng : numpy.random.Generator
    """
    precision = np.diag(neighbours.sum(axis=1) + pull) - neighbours
    factor = np.linalg.cholesky(np.linalg.inv(precision))
    return np.where(factor @ rng.standard_normal((len(neighbours), properties)) < 0, -1.0, 1.0)


def ring(items: int) -> Array:
    """Return the neighbours of items on a ring."""
    places = np.arange(items)
    apart = (places[:, None] - places) % items
    return np.asarray(((apart == 1) | (apart == items - 1)) & (apart != 0), dtype=float)


def grid(side: int) -> Array:
    """Return the neighbours of items on a square grid, row by row."""
    line = np.diag(np.ones(side - 1), 1) + np.diag(np.ones(side - 1), -1)
    return np.kron(line, np.eye(side)) + np.kron(np.eye(side), line)


class Knowledge(NamedTuple):
    """What a network knows of items and properties at the times, which are fewer where it diverged."""

    strengths: Array
    """Along the table's modes, shape (T, modes)."""
    missing: Array
    """Squared distance from the table's correlations, shape (T,)."""
    responses: Array
    """What it says of one property, shape (T, items), in the table's units."""
    illusion: Array
    """The strongest belief that an item has a property which it lacks, shape (T,), in the table's units."""
    similarity: Array
    """Inner products of the items' representations, shape (T, items, items)."""
    backward: Array
    """Square of the property's own representation, shape (T,)."""
    longest: Array
    """The largest such square of all properties, shape (T,)."""


class Question(NamedTuple):
    """What is asked of a network: of which property, in which units, and what items lack."""

    property: int
    scale: float
    """√properties: from correlations to the table's units."""
    lacking: Array | None
    """1 where an item lacks a property, shape (properties, items); None where the table does not say."""


def learn(
    layers: Sequence[Array], teacher: Teacher, question: Question, times: Array, step: float, *, tanh: bool
) -> Knowledge:
    """Train a network on all items, and ask it at the times.

    Parameters
    ----------
    layers : sequence of ndarray
        The first weights, from items to properties.
    teacher : Teacher
        The modes of the table's correlations, Yᵀ/√properties.
    question : Question
    times, step
        Whole steps where step > 0; 0 is gradient flow.
    tanh : bool
        Whether hidden units are tanh.

    Returns
    -------
    Knowledge
    """
    correlations = teacher.correlations
    network = Network(layers, Task(correlations, tanh=tanh))
    kept: list[tuple[Array, float, Array, float, Array, float, float]] = []
    for _ in network.follow(times, step):
        product = network.output()
        hidden = product if len(layers) == 1 else network.layers()[0]
        if tanh and len(layers) > 1:
            hidden = np.tanh(hidden)
        kept.append(
            (
                np.einsum("om,oi,im->m", teacher.outputs, product, teacher.inputs, optimize=True),
                float(((product - correlations) ** 2).sum()),
                product[question.property] * question.scale,
                illusion(product, question),
                hidden.T @ hidden,
                *_squares(network.layers()[-1], question.property),
            )
        )
    return _gather(kept, len(teacher.strengths), correlations.shape[1])


def decouple(layers: Array, teacher: Teacher, question: Question, times: Array, step: float) -> Knowledge:
    """Follow aligned modes, each by itself, and ask what they say together.

    Parameters
    ----------
    layers : ndarray, shape (depth, rank)
        Strengths of the layers at the start, of the modes that fit through the network.
    teacher, question, times, step
        As of :func:`learn`.
    """
    rank = layers.shape[1]
    found = decoupled(layers, teacher.strengths[:rank], times, step)
    outputs, inputs = teacher.outputs[:, :rank], teacher.inputs[:, :rank]
    kept = []
    for w in found:
        learnt = np.zeros(len(teacher.strengths))
        learnt[:rank] = w.prod(axis=0)
        product = (outputs * learnt[:rank]) @ inputs.T
        hidden = w.prod(axis=0) if len(layers) == 1 else w[0]
        kept.append(
            (
                learnt,
                float(((teacher.strengths - learnt) ** 2).sum()),
                product[question.property] * question.scale,
                illusion(product, question),
                (inputs * hidden**2) @ inputs.T,
                *_squares(outputs * w[-1], question.property),
            )
        )
    return _gather(kept, len(teacher.strengths), len(inputs))


def illusion(product: Array, question: Question) -> float:
    """Return the strongest belief that an item has a property which it lacks, 0 where there is none (section 4)."""
    if question.lacking is None:
        return math.nan
    return max(0.0, float((product * question.lacking).max()) * question.scale)


def _squares(rows: Array, place: int) -> tuple[float, float]:
    """Return the square of one row, and the largest square of all."""
    squares = (rows**2).sum(axis=1)
    return float(squares[place]), float(squares.max())


def _gather(
    kept: Sequence[tuple[Array, float, Array, float, Array, float, float]], modes: int, items: int
) -> Knowledge:
    count = len(kept)
    columns = list(zip(*kept, strict=True)) or [()] * 7
    shapes = ((count, modes), (count,), (count, items), (count,), (count, items, items), (count,), (count,))
    return Knowledge(*(np.array(one, float).reshape(shape) for one, shape in zip(columns, shapes, strict=True)))
