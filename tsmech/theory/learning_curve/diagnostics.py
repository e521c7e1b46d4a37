"""What is odd about known rows, so that theory may be wrong about others: order in time, heavy tails."""

import numpy as np
from numpy.typing import NDArray

from tsmech.theory.learning_curve.deviations import FAR
from tsmech.theory.learning_curve.rows import KnownRows

Array = NDArray[np.float64]

DRIFT = 4.5
"""Standard errors between early and late rows, or of a correlation from row to row, that are no chance."""
NARROWEST = 1e-14
"""Least over largest variance of a column below which the narrow column is lost in the rounding of the wide one."""
ROWS = 100
"""Rows from which on the last of the following is no chance; with fewer it scatters as 1/√rows."""
HEAVY_ROWS, HEAVY_ERRORS, UNLIKE = 2.5, 30.0, 0.25
"""Scatter of the rows' squared lengths over that of Gaussian rows, scatter of squared errors, and relative difference
of leave-one-out and generalised cross-validation, from which on tails are heavy; 1, 2 and 0 for Gaussian rows."""
MISSED = 3.0
"""Number of the rows that carry a column, expected in a training set, below which sets without one are common: 5 %."""


def oddities(known: KnownRows, fewest: float = np.inf) -> list[str]:
    """Return in words what is odd about the known rows, taken in the order of their file.

    ``fewest`` is the least number of training rows.
    """
    best, targets = known.loo.argmin(axis=0), np.arange(known.loo.shape[1])
    found = []
    if (late := float(np.abs(known.drift).max())) > DRIFT:
        found.append(
            f"early and late rows differ in their error by {late:.1f} standard errors: the rows are not alike, as in a "
            "series in time, and a later row may be predicted worse than a random one"
        )
    alike = float(known.likeness.max())
    if alike * np.sqrt(known.rows) > DRIFT:
        found.append(
            f"rows that follow each other have like errors (correlation {alike:.2f}): if they come in time, or in "
            "groups, random rows are predicted and not later ones or new groups"
        )
    scatter = float(known.scatter[best, targets].max())
    generalised = generalised_errors(known)[best, targets]
    apart = float(np.abs(known.loo[best, targets] / np.where(generalised > 0, generalised, 1.0) - 1.0).max())
    if known.narrowest < NARROWEST:
        found.append(
            f"standard deviations of columns differ by a factor of {known.narrowest**-0.5:.0e}: what the narrow ones "
            "say is lost in rounding; standardise divides each by its own"
        )
    scarce = int((known.carried * fewest < MISSED).sum())
    if scarce:
        found.append(
            f"{scarce} of {known.columns} standardised columns vary in few rows only: {fewest:.0f} training rows that "
            f"lack these have so small a deviation that others lie over {FAR:g} times as far out as all that they have "
            "seen, and real errors exceed the prediction, perhaps without bound: leave such columns out, or do not "
            "standardise"
        )
    tails = []
    if known.leverage > HEAVY_ROWS:
        tails.append(f"squared lengths vary {known.leverage:.1f} times as much as Gaussian rows' do")
    if scatter > HEAVY_ERRORS:
        tails.append(f"the mean fourth power of the error is {scatter + 1:.0f} times its squared mean square")
    if apart > UNLIKE * max(1.0, np.sqrt(ROWS / known.rows)):
        tails.append(f"leave-one-out and generalised cross-validation differ by {100 * apart:.0f} %")
    if tails:
        found.append(
            f"the rows have heavy tails ({', '.join(tails)}): few rows decide, and what of this is not common to all "
            "columns makes small training sets worse than predicted"
        )
    return found


def generalised_errors(known: KnownRows) -> Array:
    """Return the mean square errors of generalised cross-validation along the path, shape (J, q) (eq. 25)."""
    left = np.array([known.free - (known.s / (known.s + a)).sum() for a in known.penalties])[:, None]
    return np.asarray(known.residual * known.rows * known.free / left**2 * (1.0 + 1.0 / known.rows))
