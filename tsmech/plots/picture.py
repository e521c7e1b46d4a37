"""What a picture shows: which quantities, along which axes, and how the rest of a sweep is laid out."""

import dataclasses
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.experiment import Experiment, in_order, is_family, read_plot, split_names
from tsmech.problem.observables import observable_of
from tsmech.problem.system import System

Row = Mapping[str, Any]

MAP_VALUES = 6
"""Two numeric axes of at least so many values each are drawn as a map, where nothing else is said."""
MOST_VALUES, MOST_PANELS = 6, 9
"""Values of one axis that have panels, and panels of several axes; of longer axes evenly spaced values are shown."""


@dataclasses.dataclass(frozen=True)
class Picture:
    """What is drawn of a run: curves of observables along ``x``, a map over ``x`` and ``y``, or a matrix.

    Parameters
    ----------
    x
        The horizontal axis: a parameter, a coordinate, or what a trajectory is drawn against: an observable.
    observables
        What is shown; of a map or a matrix one.
    y
        The vertical axis of a map; None where curves are drawn.
    by
        The parameter that tells curves apart by colour.
    panels
        The swept parameters that are left: each of their values has a panel of its own.
    together
        Whether all observables share one panel, told apart by colour.
    spread
        Whether simulations show how far they lie apart, in place of the standard error of their mean.
    log
        Which of the axes ``x`` and ``y`` are logarithmic; None chooses by the values.
    mark
        Pairs of a parameter and a number that a line marks where the parameter is an axis.
    reference
        Pairs of a label and a number that a horizontal line marks.
    names
        The coordinates whose values are names, with those that the run has.
    along
        What runs along a trajectory and is told by colour; None where no trajectory is drawn.
    matrix
        Whether a matrix is shown, entry by entry.
    at
        Where on the curve a matrix is shown; None leaves it open.
    convention
        The paper whose symbols and scalings the axes have; empty for our own.
    """

    x: str
    observables: tuple[str, ...]
    y: str | None = None
    by: str | None = None
    panels: tuple[str, ...] = ()
    together: bool = False
    spread: bool = False
    log: tuple[str, ...] | None = None
    mark: tuple[tuple[str, float], ...] = ()
    reference: tuple[tuple[str, float], ...] = ()
    names: tuple[tuple[str, tuple[str, ...]], ...] = ()
    along: str | None = None
    matrix: bool = False
    at: tuple[float, ...] | None = None
    convention: str = ""

    def values(self, experiment: Experiment, name: str) -> Sequence[Any]:
        """Return the values of an axis of the sweep, or of a coordinate of names, in order."""
        named = dict(self.names)
        return named[name] if name in named else sorted(experiment.axes[name], key=in_order)

    def keys(self, experiment: Experiment) -> list[dict[str, Any]]:
        """Return the values of what is in ``panels``, panel by panel."""
        count = len(self.panels)
        each = MOST_VALUES if count == 1 else max(1, math.floor(MOST_PANELS ** (1 / max(1, count)) + 1e-9))
        values = [spread(self.values(experiment, name), each) for name in self.panels]
        return [dict(zip(self.panels, chosen, strict=True)) for chosen in itertools.product(*values)]


def choose(experiment: Experiment, names: Mapping[str, Sequence[str]] | None = None, **asked: Any) -> Picture:
    """Return what a picture shows: what is asked for, else what the experiment says, else what suits its axes.

    Parameters
    ----------
    experiment
        What was run.
    names
        The values of the coordinates that are names, which the run alone knows.
    **asked
        What :func:`tsmech.experiment.read_plot` reads, as in an experiment's ``[plot]``; None leaves it open.

    Raises
    ------
    InputError
        Where what is asked for cannot be drawn.
    """
    known = {name: tuple(values) for name, values in (names or {}).items()}
    picture, plan = _choose(experiment, known, {key: wanted for key, wanted in asked.items() if wanted is not None})
    log = None if plan.get("log") is None else tuple(plan["log"])
    mark, reference = (tuple(plan.get(key, {}).items()) for key in ("mark", "reference"))
    return dataclasses.replace(
        picture,
        log=log,
        names=tuple(known.items()),
        mark=mark,
        reference=reference,
        spread=bool(plan.get("spread")) and not (picture.y or picture.matrix),
        convention=plan.get("convention", ""),
    )


def plan_of(experiment: Experiment, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ``[plot]`` of what is asked of a run: with what its experiment says, as far as that fits to it."""
    return read_plot({**_unopposed(experiment, asked), **asked}, experiment.system, "--")


def errors(picture: Picture, rows: Sequence[Row], column: str) -> NDArray[np.float64]:
    """Return how far to both sides of its mean a simulation is shown: its standard error, or that of one draw.

    A prediction's is the error that it states.
    """
    found = [row.get(f"{column}_sem") or 0.0 for row in rows]
    draws = [row.get("replicates", 1) if picture.spread else 1 for row in rows]
    return np.array(found, dtype=float) * np.sqrt(draws)


def _choose(
    experiment: Experiment, names: Mapping[str, Sequence[str]], asked: Mapping[str, Any]
) -> tuple[Picture, Mapping[str, Any]]:
    """Return what a picture shows, and the plan that it follows."""
    system, axes, coordinate = experiment.system, experiment.axes, experiment.system.running()
    plan = plan_of(experiment, asked)
    named = named_coordinates(system)
    numeric = [name for name in axes if system.parameters()[name].numeric]
    if not plan.keys() & {"y", "by", "value", "together", "matrix"} and not system.coordinates:
        long = [name for name in numeric if len(axes[name]) >= MAP_VALUES]
        if len(long) >= 2 and plan.get("x", long[0]) in long:
            plan["value"] = [*system.pictured, *system.observables][0]
    if "matrix" in plan:
        ordered = _first(plan.get("by"), [*axes, *named])
        at = tuple(plan["at"]) if "at" in plan else None
        return Picture(coordinate or "", (plan["matrix"],), panels=ordered, matrix=True, at=at), plan
    if "value" in plan:
        running = [*numeric, *([coordinate] if coordinate else [])]
        across = _span(plan, running, coordinate, lambda name: len(axes[name]) if name in axes else 0)
        if across is not None:
            left = [name for name in (*axes, *named) if name not in across]
            if asked.get("by") and plan["by"] not in left:
                raise InputError(f"--by {plan['by']} cannot make panels: it has one value, or is an axis of the map")
            return Picture(across[0], (plan["value"],), across[1], None, _first(plan.get("by"), left)), plan
        if "value" in asked:
            words = ", ".join(running) or "none"
            raise InputError(f"--value {asked['value']} needs two axes with several values each: the run has {words}")
        plan = {**plan, "y": [plan["value"]]}
    longest = max(numeric, key=lambda name: len(axes[name]), default=None)
    x = plan.get("x") or coordinate or longest or next(iter(named), next(iter(experiment.parameters)))
    shown = tuple(plan.get("y") or system.pictured or list(system.observables)[:2])
    if observable_of(x) in system.observables:
        along = coordinate or longest
        if along is None:
            raise InputError(
                f"--x {x} needs what runs along a trajectory: a coordinate, or a parameter of several values"
            )
        singles = tuple(name for name in shown if name != x and not is_family(system, name))
        if not singles:
            raise InputError(f"--x {x} needs what is drawn against it: name it with --y")
        left = [name for name in (*axes, *named) if name != along]
        return Picture(x, singles, panels=_first(plan.get("by"), left), along=along), plan
    left = [name for name in (*axes, *named) if name != x]
    if asked.get("by") and plan["by"] not in left:
        raise InputError(f"--by {plan['by']} cannot tell curves apart: it has one value, or is the horizontal axis")
    ordered = _first(plan.get("by"), left)
    if plan.get("together"):
        return Picture(x, shown, panels=ordered, together=True), plan
    # Colour tells the entries of a family apart; and there are too few colours for many names.
    crowded = not asked.get("by") and len(names.get(next(iter(ordered), ""), ())) > MOST_VALUES
    if crowded or any(is_family(system, name) for name in pictured(experiment, shown, plan)):
        return Picture(x, shown, panels=ordered), plan
    return Picture(x, shown, by=next(iter(ordered), None), panels=ordered[1:]), plan


def pictured(experiment: Experiment, names: Sequence[str], said: Mapping[str, Any]) -> list[str]:
    """Return which observables are drawn: where nothing is said of them single numbers, if there are any."""
    system = experiment.system
    singles = [name for name in names if not is_family(system, name)]
    return list(names) if said.get("y") or system.pictured or not singles else singles


def named_coordinates(system: type[System]) -> list[str]:
    """Return the coordinates whose values are names."""
    return [name for name, coordinate in system.coordinates.items() if coordinate.names]


def names_in(system: type[System], rows: Iterable[Row]) -> dict[str, tuple[str, ...]]:
    """Return the values of the coordinates that are names, in the order in which rows have them."""
    named = named_coordinates(system)
    found: dict[str, dict[str, None]] = {name: {} for name in named}
    for row in rows if named else ():
        for name in named:
            found[name][row[name]] = None
    return {name: tuple(values) for name, values in found.items()}


def apart(experiment: Experiment, x: str) -> list[str]:
    """Return what tells curves along x apart: the other axes of the sweep, and the coordinates that are names."""
    return [name for name in (*experiment.axes, *named_coordinates(experiment.system)) if name != x]


def first_number(experiment: Experiment) -> str:
    """Return the first observable that is pictured and is one number, or else any that is one."""
    system = experiment.system
    known = [*choose(experiment).observables, *system.pictured, *system.observables]
    return next((name for name in known if not is_family(system, name)), known[0])


def _unopposed(experiment: Experiment, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the experiment says of its picture, without what the question contradicts."""
    said = dict(experiment.plot)
    seen = experiment.system.observables
    wanted = asked.get("y")
    listed = (
        split_names(wanted) if isinstance(wanted, str) else wanted if isinstance(wanted, (list, tuple)) else [wanted]
    )
    curves = all(_observable(name) in seen for name in listed or [])
    # Which axes are logarithmic, and what a number refers to, is said of the axes that the experiment names; a map or
    # a matrix shows means alone.
    dropped = ["log"] if asked.keys() & {"x", "y", "value", "matrix"} else []
    dropped += ["spread"] if asked.keys() & {"value", "matrix"} else []
    other = "y" in asked and list(listed or []) != said.get("y")
    dropped += ["reference"] if other or asked.keys() & {"value", "matrix"} else []
    if "matrix" in asked:
        return {key: value for key, value in said.items() if key in ("by", "mark", "convention")}
    if said.get("matrix") and asked.keys() & {"x", "y", "value", "together"}:
        dropped += ["matrix", "at"]
    if _observable(asked.get("x")) in seen and "value" not in asked:
        dropped += ["value", "together"] + (["y"] if "value" in said else [])
    elif _observable(said.get("x")) in seen and ("value" in asked or "y" in asked):
        dropped += (
            ["x"] if "value" in asked or any(is_family(experiment.system, str(name)) for name in listed or []) else []
        )
    if "value" in asked and "value" not in said:
        dropped += ["y", "together"]
    elif "value" not in asked and "value" in said and (asked.get("together") or curves):
        dropped += ["value", "y"]
    if said.get("value") and asked.get("x") == said.get("y"):
        dropped.append("y")
    if said.get("value") and asked.get("y") in (said.get("x"), [said.get("x")]):
        dropped.append("x")
    return {key: value for key, value in said.items() if key not in dropped}


def _observable(name: Any) -> str:
    """Return the name of the observable that words name, or an entry of."""
    return observable_of(str(name)).strip().replace("-", "_")


def _span(plan: Mapping[str, Any], running: Sequence[str], coordinate: str | None, length: Any) -> Any:
    """Return the two axes of a map, or None where there are none."""
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
    named = named_coordinates(experiment.system)
    if picture.x in named:
        places = {name: float(place) for place, name in enumerate(picture.values(experiment, picture.x))}
        full = [{**row, picture.x: places[row[picture.x]]} for row in full]
    coordinate = experiment.system.running()
    if picture.along is not None or coordinate in (None, picture.x, picture.y):
        across = beside(picture.x, observable)
        return [row for row in full if None not in (row.get(across), row[observable])]
    ends = {(row["answer"], *(row[name] for name in (*experiment.axes, *named))): row for row in full}
    whole = experiment.system.observables[observable_of(observable)].summary
    found = [row if whole or row.get("diverged_at") is None else {**row, observable: math.inf} for row in ends.values()]
    return [row for row in found if row[observable] is not None]


def beside(pattern: str, column: str) -> str:
    """Return the column that a pattern such as ``embedding[*, 0]`` means beside another: its index for the star.

    Examples
    --------
    >>> beside("embedding[*, 0]", "embedding[robin, 1]")
    'embedding[robin, 0]'
    """
    if "*" not in pattern or "[" not in column:
        return pattern
    name, _, rest = pattern.partition("[")
    own = column.partition("[")[2][:-1].split(", ")
    asked = rest[:-1].split(", ")
    return f"{name}[{', '.join(o if a == '*' else a for a, o in zip(asked, own, strict=False))}]"


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
