"""Can these random labels be learnt?  One draw of the labels, and the answer."""

import math

import numpy as np
from numpy.random import Generator

from tsmech.sims import enumeration
from tsmech.sims.separation import maximum_stability


def draw_reduced(examples: int, dimension: int, rng: Generator) -> bool:
    """Return whether P random points with random labels are separable, from P - 1 coins.

    The number of labellings that a hyperplane through zero can give to P points in general position is that of
    outcomes of P - 1 coins of which at most N - 1 show heads, twice (theory/capacity.md, section 1).
    """
    heads = np.count_nonzero(rng.integers(0, 2, size=examples - 1, dtype=np.int8))
    return bool(heads < dimension)


def draw_direct(examples: int, dimension: int, margin: float, weights: str, rng: Generator) -> bool:
    """Draw points and labels, and look for weights that have all labels right with a margin.

    Parameters
    ----------
    examples, dimension : int
        P and N.
    margin : float
        κ >= 0.
    weights : str
        ``spherical``: the maximum stability, by a quadratic programme; ``binary``: enumeration, N <= 30.

    Raises
    ------
    ConvergenceError
        If the programme was not solved.
    """
    inputs, order = rng.spawn(2)
    oriented = inputs.standard_normal((examples, dimension))  # a random sign changes nothing
    if weights == "binary":
        return enumeration.exists(oriented, margin * math.sqrt(dimension), order)
    found = maximum_stability(oriented)
    return found is not None and found.stability >= margin
