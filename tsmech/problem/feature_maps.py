"""Maps of a table's inputs to features: random features, polynomials, and the coordinates of a kernel."""

import itertools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.machine.memory import shortage

Array = NDArray[np.float64]

MAPS = ("none", "random_features", "polynomial", "kernel")
STREAM = 15_004
"""Seed of the weights of random features: the same whatever else is drawn."""


class FeatureMap(NamedTuple):
    """A map of inputs to features.

    Inputs are first divided by their standard deviation, about their mean: ``z``, of ``p`` columns.

    - ``random_features``: max(0, W·z/√p + b), W and b standard normal, ``width`` of them;
    - ``polynomial``: all products of up to ``degree`` of the z;
    - ``kernel``: the coordinates, on the rows at hand, of exp(-d²/(2 p length²)) for rows at a distance d.
    """

    kind: str
    width: int
    degree: int
    length: float

    def number(self, columns: int, rows: int) -> int:
        """Return the number of features of so many columns and rows."""
        if self.kind == "random_features":
            return self.width
        if self.kind == "polynomial":
            return math.comb(columns + self.degree, self.degree) - 1
        return rows if self.kind == "kernel" else columns

    def check(self, columns: int, rows: int) -> None:
        """Refuse a map whose features would not fit into memory."""
        if self.kind == "none":
            return
        count = self.number(columns, rows)
        matrices = 3.0 if self.kind == "kernel" else 2.0
        if short := shortage(8.0 * rows * count * matrices, f"{count} features of {rows} rows"):
            raise InputError(f"features = {self.kind} is not allowed here: {short}")

    def of(self, inputs: Array, reference: Array) -> Array:
        """Return the features of inputs, scaled by the mean and the deviation of the reference rows.

        Parameters
        ----------
        inputs, reference
            Shapes (n, p) and (m, p).

        Returns
        -------
        ndarray, shape (n, features)
            Of a kernel the coordinates whose products are those of the kernel between these rows.
        """
        deviation = reference.std(axis=0)
        z = (inputs - reference.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
        p = z.shape[1]
        if self.kind == "random_features":
            rng = np.random.default_rng(STREAM)
            weights, offsets = rng.standard_normal((p, self.width)), rng.standard_normal(self.width)
            z = z @ weights
            z /= math.sqrt(p)
            z += offsets
            return np.asarray(np.maximum(z, 0.0, out=z))
        if self.kind == "polynomial":
            chosen = [
                one
                for degree in range(1, self.degree + 1)
                for one in itertools.combinations_with_replacement(range(p), degree)
            ]
            found = np.empty((len(z), len(chosen)))
            for place, one in enumerate(chosen):
                np.prod(z[:, one], axis=1, out=found[:, place])
            return found
        return _coordinates(z, self.length)


def _coordinates(z: Array, length: float) -> Array:
    """Return coordinates whose products are those of the Gaussian kernel between the rows z."""
    squares = (z * z).sum(axis=1)
    distances = np.maximum(squares[:, None] + squares - 2.0 * (z @ z.T), 0.0)
    values, vectors = np.linalg.eigh(np.exp(-distances / (2.0 * z.shape[1] * length**2)))
    kept = values > values[-1] * np.finfo(float).eps * len(z)
    return np.asarray(vectors[:, kept] * np.sqrt(values[kept]))
