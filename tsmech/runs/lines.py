"""The points between those of a sweep at which predictions are computed, so that their lines are smooth.

Which points these are follows from the experiment alone: from the parameter that is horizontal in its picture, from at
how many values and near which poles the system says that a line needs them.  They are tasks like any other, stored
beside the sweep and marked as no part of it.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import TsmechError
from tsmech.experiment import Experiment, Task
from tsmech.plots.picture import choose, is_geometric
from tsmech.problem.system import System
from tsmech.store import Store

MOST = 50_000
"""Points of all lines of a picture; where more would be needed lines lead from point to point of the sweep."""
APPROACH = np.geomspace(1e-4, 1.0, 40)[:-1]
"""Distances from a pole at which a prediction is computed, as shares of the distance between other values."""


def axis(experiment: Experiment, **choice: Any) -> str | None:
    """Return the parameter along which a picture draws lines of predictions, or None where it draws none.

    ``choice`` is as in :func:`tsmech.plots.draw`.
    """
    picture = choose(experiment, **choice)
    of_curves = picture.y is None and picture.along is None and not picture.matrix
    if not of_curves or picture.x not in experiment.axes or all(map(experiment.simulates, experiment.answers)):
        return None
    smooth = picture.x in experiment.system.dense or experiment.system.parameters()[picture.x].kinds == ("float",)
    return picture.x if smooth else None


def tasks(experiment: Experiment, x: str) -> list[Task]:
    """Return the predictions that lines along a parameter need between the points of the sweep, line by line.

    A line between whose points there are values that are not allowed needs none.
    """
    answers = [answer for answer in experiment.answers if not experiment.simulates(answer)]
    others = {name: values for name, values in experiment.axes.items() if name != x}
    along = np.array(sorted(experiment.axes[x]), dtype=float)
    found: list[Task] = []
    for values in itertools.product(*others.values()):
        place = {**experiment.fixed, **dict(zip(others, values, strict=True))}
        try:
            points = list(_points(experiment.system, place, x, along))
        except TsmechError:
            continue
        found += [Task(point, answer, 0) for point in points for answer in answers if point.lacks(answer) is None]
        if len(found) > MOST * len(answers):
            return []
    return found


def lacks_lines(store: Store, **choice: Any) -> str:
    """Return in words that a picture has no finer lines of predictions than the sweep, or nothing."""
    x = axis(store.experiment, **choice)
    if x is None or next(store.lines(x), None) is not None or not tasks(store.experiment, x):
        return ""
    return (
        f"nothing is stored between the points of the sweep along {x}: theory is drawn from point to point "
        f'(an experiment whose [plot] has x = "{x}" stores it)'
    )


def _points(system: type[System], place: dict[str, Any], x: str, along: NDArray[np.float64]) -> Iterator[System]:
    """Yield the points of one line."""
    number = int if x in system.dense else float
    start = system(**place, **{x: number(along[0])})
    count = start.line_points()
    if count:
        values = between(along, count, start.poles(x))
        if number is int:
            values = np.setdiff1d(np.rint(values), along)
        for value in values:
            yield system(**place, **{x: number(value)})


def between(along: NDArray[np.float64], count: int, poles: tuple[float, ...] = ()) -> NDArray[np.float64]:
    """Return values between those of a sweep: evenly spaced ones, close to each pole on both sides, and the poles.

    Parameters
    ----------
    along
        The values of the sweep, increasing, at least two.
    count
        How many evenly spaced values there are; none where the sweep itself has as many.
    poles
        Where a prediction may be infinite.
    """
    geometric = is_geometric(along)
    first = along[along > 0].min() if geometric else along.min()
    even = (np.geomspace if geometric else np.linspace)(first, along.max(), count)
    steps = APPROACH * np.diff(even).max()
    close = [np.array([pole]) + sign * np.append(steps, 0.0) for pole in poles for sign in (-1.0, 1.0)]
    values = np.concatenate([even if len(along) < count else even[:0], *close])
    return np.setdiff1d(values[(values >= along.min()) & (values <= along.max())], along)
