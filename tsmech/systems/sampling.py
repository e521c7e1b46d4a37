"""When the answers that run in time report: parameters that several systems declare alike."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.systems.parameters import parameter

MOST = 100_000
EARLIEST = 1e-4
"""First of the logarithmic times after 0, as a share of the duration."""


def declare_samples(default: int = 100) -> Any:
    """Declare the field ``samples``."""
    return parameter(
        "n",
        "times to report, each met exactly: how many after 0, or a list of two times or more",
        default=(float(default),),
        minimum=0,
    )


def declare_spacing() -> Any:
    """Declare the field ``spacing``."""
    return parameter(
        "Δ", "spacing of a number of samples: linear, or log after 0", default="linear", choices=("linear", "log")
    )


def sample_times(duration: float, samples: Any, spacing: str) -> NDArray[np.float64]:
    """Return the times of the report, increasing, from 0 to the duration or as listed, or refuse them."""
    if len(samples) > 1:
        times = np.unique(np.array(samples))
        if times[-1] > duration:
            raise InputError(f"samples has {times[-1]:g}, which is after the duration {duration:g}")
        return times
    count = int(samples[0])
    if not 1 <= count <= MOST or count != samples[0]:
        raise InputError(
            f"samples = {samples[0]:g} is not allowed: it must be how many times (1 to {MOST}), or a list of two times "
            "or more (0 may be one)"
        )
    if spacing == "linear":
        return np.linspace(0.0, duration, count + 1)
    return np.concatenate([[0.0], np.geomspace(EARLIEST * duration, duration, count)])
