"""What a picture shows: which quantities, along which axes, and how the rest of a sweep is laid out."""

import dataclasses
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.experiment import Experiment, in_order, read_plot

Row = Mapping[str, Any]

MAP_VALUES = 6
"""Two numeric axes of at least so many values each are drawn as a map, where nothing else is said."""
MOST_VALUES, MOST_PANELS = 6, 9
"""Values of one axis that have panels, and panels of several axes; of longer axes evenly spaced values are shown."""


@dataclasses.dataclass(frozen=True)
class Picture:
    """What is drawn of a run: curves of observables along ``x``, or a map of one observable over ``x`` and ``y``.

    Parameters
    ----------
    x
        The horizontal axis: a parameter or the coordinate.
    observables
        What is shown; of a map one.
    y
        The vertical axis of a map; None where curves are drawn.
    by
        The parameter that tells curves apart by colour.
    panels
        The swept parameters that are left: each of their values has a panel of its own.
    together
        Whether all observables share one panel, told apart by colour.
    log
        Which of the axes ``x`` and ``y`` are logarithmic; None chooses by the values.
    mark
        Pairs of a parameter and a number that a line marks where the parameter is an axis.
    """

    x: str
    observables: tuple[str, ...]
    y: str | None = None
    by: str | None = None
    panels: tuple[str, ...] = ()
    together: bool = False
    log: tuple[str, ...] | None = None
    mark: tuple[tuple[str, float], ...] = ()

    def keys(self, experiment: Experiment) -> list[dict[str, Any]]:
        """Return the values of the parameters in ``panels``, panel by panel."""
        count = len(self.panels)
        each = MOST_VALUES if count == 1 else max(1, math.floor(MOST_PANELS ** (1 / max(1, count)) + 1e-9))
        values = [spread(sorted(experiment.axes[name], key=in_order), each) for name in self.panels]
        return [dict(zip(self.panels, chosen, strict=True)) for chosen in itertools.product(*values)]


def choose(experiment: Experiment, **asked: Any) -> Picture:
    """Return what a picture shows: what is asked for, else what the experiment says, else what suits its axes.

    Parameters
    ----------
    experiment
        What was run.
    **asked
        ``x``, ``y``, ``by``, ``value``, ``together``, ``log`` and ``mark`` as in an experiment's ``[plot]``; None
        leaves it open.

    Raises
    ------
    InputError
        Where what is asked for cannot be drawn.
    """
    picture, plan = _choose(experiment, {key: wanted for key, wanted in asked.items() if wanted is not None})
    log = None if plan.get("log") is None else tuple(plan["log"])
    return dataclasses.replace(picture, log=log, mark=tuple(plan.get("mark", {}).items()))


def _choose(experiment: Experiment, asked: Mapping[str, Any]) -> tuple[Picture, Mapping[str, Any]]:
    """Return what a picture shows, and the plan that it follows."""
    system, axes, coordinate = experiment.system, experiment.axes, experiment.system.running()
    plan = read_plot({**_unopposed(experiment, asked), **asked}, system, "--")
    numeric = [name for name in axes if system.parameters()[name].numeric]
    if not plan.keys() & {"y", "by", "value", "together"} and not system.coordinates:
        long = [name for name in numeric if len(axes[name]) >= MAP_VALUES]
        if len(long) >= 2 and plan.get("x", long[0]) in long:
            plan["value"] = [*system.pictured, *system.observables][0]
    if "value" in plan:
        running = [*numeric, *([coordinate] if coordinate else [])]
        across = _span(plan, running, coordinate, lambda name: len(axes[name]) if name in axes else 0)
        if across is not None:
            left = [name for name in axes if name not in across]
            if asked.get("by") and plan["by"] not in left:
                raise InputError(f"--by {plan['by']} cannot make panels: it has one value, or is an axis of the map")
            return Picture(across[0], (plan["value"],), across[1], None, _first(plan.get("by"), left)), plan
        if "value" in asked:
            words = ", ".join(running) or "none"
            raise InputError(f"--value {asked['value']} needs two axes with several values each: the run has {words}")
        plan = {**plan, "y": [plan["value"]]}
    longest = max(numeric, key=lambda name: len(axes[name]), default=next(iter(experiment.parameters)))
    x = plan.get("x") or coordinate or longest
    left = [name for name in axes if name != x]
    if asked.get("by") and plan["by"] not in left:
        raise InputError(f"--by {plan['by']} cannot tell curves apart: it has one value, or is the horizontal axis")
    ordered = _first(plan.get("by"), left)
    shown = tuple(plan.get("y") or system.pictured or list(system.observables)[:2])
    if plan.get("together"):
        return Picture(x, shown, panels=ordered, together=True), plan
    return Picture(x, shown, by=next(iter(ordered), None), panels=ordered[1:]), plan


def _unopposed(experiment: Experiment, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the experiment says of its picture, without what the question contradicts."""
    said = dict(experiment.plot)
    names = asked.get("y") if isinstance(asked.get("y"), (list, tuple)) else [asked.get("y")]
    curves = all(str(name).strip().replace("-", "_") in experiment.system.observables for name in names or [])
    # Which axes are logarithmic is said of the axes that the experiment names.
    dropped = ["log"] if asked.keys() & {"x", "y", "value"} else []
    if "value" in asked and "value" not in said:
        dropped += ["y", "together"]
    elif "value" not in asked and "value" in said and (asked.get("together") or curves):
        dropped += ["value", "y"]
    if said.get("value") and asked.get("x") == said.get("y"):
        dropped.append("y")
    if said.get("value") and asked.get("y") in (said.get("x"), [said.get("x")]):
        dropped.append("x")
    return {key: value for key, value in said.items() if key not in dropped}


def _span(plan: Mapping[str, Any], running: Sequence[str], coordinate: str | None, length: Any) -> Any:
    """Return the two axes of a map, or None where they are not to be had."""
    ranked = sorted(running, key=lambda name: (name != coordinate, -length(name)))
    free = [name for name in ranked if name not in (plan.get("x"), plan.get("y"))]
    x = plan.get("x") or next((name for name in free), None)
    y = plan.get("y") or next((name for name in free if name != x), None)
    return (x, y) if x in running and y in running else None


def _first(name: str | None, others: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(others, key=lambda other: other != name))


def visible(experiment: Experiment, picture: Picture, rows: Iterable[Row], observable: str) -> list[Row]:
    """Return the rows that a panel of one observable is drawn from, each with the picture's axes.

    Where the picture does not run along the coordinate, each curve is shown by its end, which is infinite where a draw
    diverged.
    """
    constant = {picture.x: experiment.fixed[picture.x]} if picture.x in experiment.fixed else {}
    full: list[Row] = [{**constant, **row} if constant else row for row in rows if observable in row]
    coordinate = experiment.system.running()
    if coordinate in (None, picture.x, picture.y):
        return [row for row in full if picture.x in row]
    ends = {(row["answer"], *(row[name] for name in experiment.axes)): row for row in full}
    whole = experiment.system.observables[observable].summary
    return [row if whole or row.get("diverged_at") is None else {**row, observable: math.inf} for row in ends.values()]


def is_geometric(values: Sequence[float] | NDArray[np.float64]) -> bool:
    """Return whether values, a zero aside, are spread more evenly on a logarithmic than on a linear axis."""
    distinct = np.unique(np.asarray(values, dtype=float))
    distinct = distinct[int(distinct[0] == 0) :]
    if len(distinct) < 3 or distinct[0] <= 0 or distinct[-1] < 10 * distinct[0]:
        return False
    linear, geometric = np.diff(distinct), np.diff(np.log(distinct))
    return bool(geometric.std() / geometric.mean() < linear.std() / linear.mean())


def is_logarithmic(picture: Picture, axis: str, values: Sequence[float] | NDArray[np.float64]) -> bool:
    """Return whether the axis ``x`` or ``y`` of a picture is logarithmic: as it says, or as its values are spread."""
    if picture.log is None:
        return is_geometric(values)
    return axis in picture.log and max(values) > 0


def thinned(values: Sequence[float], most: int, kept: Iterable[float] = ()) -> list[float]:
    """Return every so many-th of increasing values, about ``most``, and with them the last and those to be kept."""
    step = max(1, math.ceil((len(values) - 1) / max(1, most - 1)))
    return sorted({*values[::step], *values[-1:], *({*values} & {*kept})})


def spread(values: Sequence[Any], most: int) -> list[Any]:
    """Return at most so many of the values, evenly spaced, the first and the last among them."""
    if len(values) <= most:
        return list(values)
    if most == 1:
        return [values[len(values) // 2]]
    return [values[round(i * (len(values) - 1) / (most - 1))] for i in range(most)]
