r"""Learning-rate schedules as one small table, read by theory and simulations alike.

A schedule is a float array of shape (n, 4), one row a stretch of training: from ``start`` (in alpha) on,

.. math:: \eta(\alpha) = \mathrm{rate}\,\bigl(1 + (\alpha - \mathrm{start})/\mathrm{scale}\bigr)^{-\mathrm{power}}.

A constant rate is one row with power 0, a power decay one row with power > 0, piecewise constant rates several.
Rows are sorted by ``start``; the first starts at 0.
"""

import numpy as np
from numpy.typing import NDArray

from tsmech.kernels.jit import deferred_kernel


def constant(rate: float) -> NDArray[np.float64]:
    """Return the schedule of a constant learning rate, shape (1, 4)."""
    return np.array([[0.0, rate, 1.0, 0.0]])


@deferred_kernel
def learning_rate(schedule: NDArray[np.float64], alpha: float) -> float:
    """Return the learning rate of a schedule, shape (n, 4), at time alpha."""
    row = 0
    while row + 1 < schedule.shape[0] and schedule[row + 1, 0] <= alpha:
        row += 1
    start, rate, scale, power = schedule[row, 0], schedule[row, 1], schedule[row, 2], schedule[row, 3]
    if power == 0.0:
        return float(rate)
    return float(rate * (1.0 + (alpha - start) / scale) ** -power)
