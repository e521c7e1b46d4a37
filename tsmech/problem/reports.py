"""When answers that run in time are reported: the parameters of that, and the times that they mean."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.kernels.steps import ROUNDING, completed_steps
from tsmech.problem.parameters import Numbers, parameter
from tsmech.problem.system import System

REPORTS = ("samples", "spacing")
"""Parameters that say when a curve is reported, and nothing of the problem."""
MOST = 100_000
MOST_DESCENT = 1e12
"""Most steps of gradient descent: some days of a small network."""
EARLIEST = 1e-4
"""First of the logarithmic times after 0, as a share of the duration."""
LARGE_BATCH = 0.1
"""Examples a step over N from which on a reader is told that theory takes this share for small."""


@dataclass(frozen=True, kw_only=True)
class Reports(System):
    """A system whose answers run in time: how long, and when they are reported.

    A system declares ``duration`` anew to give it the unit of its own time.
    """

    duration: float = parameter("t_end", "training time", default=100.0, minimum=0, exclusive=True)
    samples: Numbers = parameter(
        "n",
        "times to report, met by whole steps where training goes in steps: how many after 0, or a list of two times or "
        "more",
        default=(100.0,),
        minimum=0,
    )
    spacing: str = parameter(
        "Δ", "spacing of a number of samples: linear, or log after 0", default="linear", choices=("linear", "log")
    )

    def __post_init__(self) -> None:
        """Check each parameter, and that the times can be reported."""
        super().__post_init__()
        Reports.times(self)

    def times(self) -> NDArray[np.float64]:
        """Return the times of the report."""
        return sample_times(self.duration, self.samples, self.spacing)


def sample_times(duration: float, samples: Any, spacing: str) -> NDArray[np.float64]:
    """Return the times of the report, increasing, from 0 to the duration or as listed, or refuse them.

    One that is after the duration by rounding is the duration.
    """
    if len(samples) > 1:
        if max(samples) > duration * (1.0 + ROUNDING):
            raise InputError(f"samples has {max(samples):.12g}, which is after the duration {duration:.12g}")
        return np.unique(np.minimum(samples, duration))
    count = int(samples[0])
    if not 1 <= count <= MOST or count != samples[0]:
        raise InputError(
            f"samples = {samples[0]:g} is not allowed: it must be how many times (1 to {MOST}), or a list of two times "
            "or more (0 may be one)"
        )
    if spacing == "linear":
        return np.linspace(0.0, duration, count + 1)
    return np.concatenate([[0.0], np.geomspace(EARLIEST * duration, duration, count)])


def times_of_steps(times: NDArray[np.float64], batch: int, examples: int) -> NDArray[np.float64]:
    """Return when the last step ends by each of the times, every one once: whole steps times ``batch/examples``.

    Parameters
    ----------
    times
        What is asked for, increasing.
    batch, examples
        Examples a step and in a unit of time: N for the time alpha, P for epochs.
    """
    steps = np.unique(completed_steps(times, batch / examples))
    if steps[-1] == 0.0 and times[-1] > 0.0:
        what = f"duration = {times[-1]:g}" if batch == 1 else f"batch = {batch}"
        raise InputError(
            f"{what} is not allowed: the first step ends at {batch / examples:g}, after the last time of the report, "
            f"{times[-1]:g}"
        )
    return steps * batch / examples


def times_with_step(times: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    """Return when the last step of descent ends by each of the times, every one once; of flow (step 0) all times.

    Raises
    ------
    InputError
        Where no step ends by the last time, or too many would.
    """
    if step == 0.0:
        return times
    if times[-1] > MOST_DESCENT * step:
        raise InputError(
            f"step = {step:g} is not allowed: {times[-1] / step:.3g} steps by the last time, at most {MOST_DESCENT:g}"
        )
    steps = np.unique(completed_steps(times, step))
    if steps[-1] == 0.0:
        raise InputError(f"step = {step:g} is not allowed: it is longer than the last time, {times[-1]:g}")
    return steps * step


def remark_on_batch(batch: int, dimension: int) -> str | None:
    """Return that theory does not hold for a batch that is not small against the dimension, or None where it is."""
    if batch <= LARGE_BATCH * dimension:
        return None
    return f"theory leaves out terms of order batch/dimension = {batch / dimension:.3g}"
