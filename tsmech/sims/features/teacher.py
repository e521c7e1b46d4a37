"""A linear teacher with a quadratic part, as simulations of random features draw its labels."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Teacher:
    """b·x/√D and a quadratic form with as many eigenvalues +1 as -1, both of a given variance (note, eq. 2)."""

    linear: float
    """Variance of the linear part."""
    curved: float
    """Variance of the quadratic part."""
    dimension: int

    @classmethod
    def of(cls, signal: float, nonlinearity: float, dimension: int) -> "Teacher":
        """Return the teacher of a variance of which a share is not linear."""
        return cls((1 - nonlinearity) * signal, nonlinearity * signal, dimension)

    @property
    def weights(self) -> Array:
        """Weights b, shape (D,): by symmetry their direction does not matter."""
        return np.full(self.dimension, math.sqrt(self.linear))

    @property
    def curvatures(self) -> Array:
        """Coefficients c of Σ_i c_i (x_i² - 1)/√D, shape (D,)."""
        signs = np.where(np.arange(self.dimension) % 2 == 0, 1.0, -1.0)
        return signs * math.sqrt(self.curved / 2)

    def labels(self, inputs: Array) -> Array:
        """Return the outputs without noise for inputs of shape (P, D)."""
        clean = inputs @ self.weights / math.sqrt(self.dimension)
        if self.curved > 0:
            clean += (inputs**2 - 1) @ self.curvatures / math.sqrt(self.dimension)
        return np.asarray(clean)
