"""The products of two standard normal vectors, drawn without the vectors."""

import math

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray


def wishart(degrees: int, rng: Generator) -> NDArray[np.float64]:
    """Draw a 2 x 2 Wishart matrix by Bartlett's factor; of rank ``degrees`` where that is below 2.

    Its entries are the products of two standard normal vectors in so many dimensions.
    """
    factor = np.zeros((2, 2))
    for i in range(min(2, degrees)):
        factor[i, i] = math.sqrt(rng.chisquare(degrees - i))
    factor[1, 0] = rng.standard_normal() if degrees > 0 else 0.0
    return factor @ factor.T
