"""Tables that come along, of which everything is known: to try out what a person would do with a table."""

import functools

import numpy as np

from tsmech.problem.tables import Table, checked

MADE_UP = {
    "made_up": (2000, 100, 1.0, 0.5),
    "made_up_wide": (800, 1000, 1.0, 0.5),
    "made_up_noise": (400, 40, 0.0, 1.0),
}
"""Tables that come along: Gaussian rows, their number, columns, exponent of the spectrum and label noise.

The last has a target that the inputs say nothing of."""


@functools.lru_cache(maxsize=4)
def made_up_table(kind: str) -> Table:
    """Return a made-up table by its name."""
    from tsmech.sims.learning_curve import make_table

    rows, columns, exponent, noise = MADE_UP[kind]
    made = make_table(rows, columns, exponent=exponent, noise=noise)
    targets = made.targets
    if kind == "made_up_noise":
        targets = np.random.default_rng(1).permutation(targets)
    return checked(made.inputs, targets, [f"x{i}" for i in range(columns)], ("y",), None, f"data = {kind}")
