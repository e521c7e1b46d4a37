"""Which singular values of a matrix of features are zero but for rounding."""

import sys

import numpy as np
from numpy.typing import NDArray


def rounding(Z: NDArray[np.float64]) -> float:
    """Return the ratio to the largest singular value of a matrix at which another is zero but for rounding."""
    return float(max(Z.shape) * sys.float_info.epsilon)
