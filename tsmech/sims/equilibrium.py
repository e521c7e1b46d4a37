"""Is a Monte Carlo simulation in equilibrium?  Two chains, from a random state and from the teacher, are compared."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

BURN_IN = 20.0
"""Least burn-in of a chain that counts as equilibrated, in autocorrelation times."""
AGREEMENT = 4.0
"""Largest difference of the chains' means, in standard errors."""
WINDOW = 6.0
"""Autocorrelations are summed up to so many autocorrelation times."""


class Verdict(NamedTuple):
    """What two chains say of equilibrium."""

    random: float
    """Mean of the chain that began at random."""
    teacher: float
    """Mean of the chain that began at the teacher."""
    error: float
    """Standard error of their difference."""
    autocorrelation_time: float
    """The longer one, in recorded states."""
    burn_in: float
    """States before the record, in autocorrelation times."""
    equilibrated: bool
    """Whether the means agree within their errors after a burn-in that is long enough."""


def autocorrelation_time(series: Array) -> float:
    r"""Return the integrated autocorrelation time, :math:`\tau = \frac12 + \sum_{t \ge 1} \rho(t)`.

    The sum ends at the first t ≥ 6 τ [1]_; independent states have τ = ½, a constant series too.

    Parameters
    ----------
    series : ndarray, shape (n,)

    References
    ----------
    .. [1] A. D. Sokal, Monte Carlo methods in statistical mechanics, in Functional Integration (1997), section 3.
    """
    n = series.size
    centred = series - series.mean()
    variance = float(centred @ centred)
    if n < 2 or variance <= 1e-24 * n * (1.0 + float(series.mean()) ** 2):
        return 0.5
    spectrum = np.fft.rfft(centred, 2 * n)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2, 2 * n)[:n] / variance
    times = 0.5 + np.concatenate([[0.0], np.cumsum(correlation[1:])])
    ends = np.flatnonzero(np.arange(n) >= WINDOW * np.maximum(times, 0.5))
    return max(0.5, float(times[ends[0]] if ends.size else times.max()))


def judge(random: Array, teacher: Array, burn_in: int) -> Verdict:
    """Return the verdict on two series, shape (n,), that were recorded after a burn-in of so many states."""
    times = [autocorrelation_time(series) for series in (random, teacher)]
    variances = [2.0 * t * float(s.var()) / s.size for t, s in zip(times, (random, teacher), strict=True)]
    error, longest = math.sqrt(sum(variances)), max(times)
    means = float(random.mean()), float(teacher.mean())
    agree = abs(means[0] - means[1]) <= AGREEMENT * error + 1e-12
    enough = burn_in >= BURN_IN * longest
    return Verdict(*means, error, longest, burn_in / longest, agree and enough)
