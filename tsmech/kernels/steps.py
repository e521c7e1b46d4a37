"""How many whole steps are done at a time: one rule for theory and simulations, and for the times of their reports."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

ROUNDING = 1e-12
"""Share of a time by which it may fall short of the end of a step, and yet be it."""


def completed_steps(times: ArrayLike, step: float) -> NDArray[np.float64]:
    """Return how many steps of a length are done at each time; one that ends there to rounding is."""
    exact = np.asarray(times, dtype=np.float64) / step
    whole: NDArray[np.float64] = np.minimum(np.floor(exact * (1.0 + ROUNDING)), np.rint(exact))
    return whole
