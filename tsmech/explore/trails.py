"""One observable against another: trails whose colour is where on the curve they are."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tsmech.errors import InputError
from tsmech.experiment import Experiment
from tsmech.explore.drawing import (
    Array,
    Colours,
    Drawing,
    Panel,
    Trail,
    Trails,
    axis_words,
    column,
    key_words,
    matching,
    plain_entry,
    spread_range,
)
from tsmech.plots import curves, families
from tsmech.plots.picture import Picture, Row, beside, is_logarithmic, thinned, visible
from tsmech.plots.translation import Translation
from tsmech.problem.system import System

NEAR = 0.06
"""Distance of two trails' ends, as a share of each axis, within which their names are written together."""
NAMED = 0.16
"""Share of the horizontal axis that is free for names on both sides."""
MOST_PLACES = 1000
"""Places of one trail of a prediction; of a longer one evenly spaced ones are drawn."""


def draw_trails(experiment: Experiment, rows: Sequence[Row], picture: Picture) -> Drawing:
    """Return a panel for each observable and each value of what is left of the sweep; for ``R[*, 0]`` one for all."""
    from matplotlib.colors import LogNorm

    system, along = experiment.system, str(picture.along)
    translation = Translation(experiment, picture.convention)
    columns = [one for name in picture.observables for one in families.columns(system, name, rows)]
    shown: dict[str, list[Row]] = {}
    for name in columns:
        across = beside(picture.x, name)
        shown[name] = [translation.row(row, across, name) for row in visible(experiment, picture, rows, name)]
    places = [float(row[along]) for found in shown.values() for row in found]
    if not places:
        raise InputError(f"{', '.join(picture.observables)} cannot be drawn: there are no values against {picture.x}")
    norm = curves.colour_norm(places)
    low, high = float(norm.vmin or 0.0), float(norm.vmax or 1.0)
    colours = Colours(low, high, isinstance(norm, LogNorm), curves.COLOURS, axis_words(system, along))
    together = "*" in picture.x
    panels = []
    for names in [tuple(shown)] if together else [(name,) for name in shown]:
        for key in picture.keys(experiment):
            trails = []
            for name in names:
                of = dataclasses.replace(picture, x=beside(picture.x, name))
                part = matching(shown[name], key)
                for place, answer in enumerate(dict.fromkeys(row["answer"] for row in part)):
                    one = _trail(experiment, matching(part, {"answer": answer}), of, name, answer, together)
                    trails.append(one._replace(name="") if place else one)  # the first answer that there is is named
            drawn, words = Trails(trails, colours), key_words(system, key)
            panels.append(_panel(system, picture, names, words, drawn, translation))
    answers = list(dict.fromkeys(row["answer"] for found in shown.values() for row in found))
    marks = [
        "—" if not experiment.simulates(one) else "○" if curves.is_network(experiment, one) else "●" for one in answers
    ]
    whose = translation.remark(picture)
    return Drawing(panels, [], f"colour: {colours.label}", answers, marks, [whose] if whose else [])


def _trail(experiment: Experiment, rows: Sequence[Row], picture: Picture, name: str, answer: str, named: bool) -> Trail:
    along, simulated = str(picture.along), experiment.simulates(answer)
    ordered = sorted(rows, key=lambda row: float(row[along]))
    most = (curves.FAMILY_MARKERS if named else curves.MOST_MARKERS) if simulated else MOST_PLACES
    kept = {*thinned([float(row[along]) for row in ordered], most)}
    ordered = [row for row in ordered if float(row[along]) in kept]
    x, y = (column(ordered, one) for one in (picture.x, name))
    x_error, y_error = (column(ordered, f"{one}_sem", 0.0) for one in (picture.x, name))
    words = plain_entry(experiment.system, name)
    pairs = zip(families.indices(name), families.indices(picture.x), strict=False) if named else ()
    end = ", ".join(one for one, other in pairs if one == other)
    network, onward = curves.is_network(experiment, answer), bool(len(x)) and bool(x[-1] >= x[0])
    return Trail(answer, column(ordered, along), x, y, x_error, y_error, words, end, onward, not simulated, network)


def _panel(
    system: type[System],
    picture: Picture,
    names: Sequence[str],
    title: str,
    found: Trails,
    translation: Translation,
) -> Panel:
    ranges, logs = [], []
    for axis, errors in (("x", "x_error"), ("y", "y_error")):
        values = [getattr(one, axis) + sign * getattr(one, errors) for one in found.trails for sign in (-1.0, 0.0, 1.0)]
        every = np.concatenate(values) if values else np.empty(0)
        finite = _near(found, axis, every[np.isfinite(every)])
        log = picture.log is not None and bool(finite.size) and is_logarithmic(picture, axis, finite)
        logs.append(log)
        ranges.append(
            spread_range(finite, log, 0.16 if axis == "x" and any(one.name for one in found.trails) else 0.05)
        )
    x_label = axis_words(system, picture.x, translation)
    y_label = axis_words(system, picture.observables[0] if len(names) > 1 else names[0], translation)
    found = found._replace(trails=_named_together(found.trails, ranges))
    return Panel(title, x_label, y_label, logs[0], logs[1], ranges[0], ranges[1], trails=found)


def _near(found: Trails, axis: str, values: Array) -> Array:
    """Return the values that the range of an axis has to hold.

    Where a prediction is infinite a mean of simulations does not settle: it stretches the range by half at the most.
    """
    theory = [getattr(one, axis) for one in found.trails if one.joined]
    predicted = np.concatenate(theory) if theory else np.empty(0)
    if not np.isinf(predicted).any() or not np.isfinite(predicted).any():
        return values
    finite = predicted[np.isfinite(predicted)]
    reach = 0.5 * float(np.ptp(finite))
    return np.clip(values, finite.min() - reach, finite.max() + reach)


def _named_together(trails: Sequence[Trail], ranges: Sequence[tuple[float, float]]) -> list[Trail]:
    """Return trails of which those that end together have their names at one of them."""
    (x0, x1), (y0, y1) = ranges
    groups: list[list[int]] = []
    for place, one in enumerate(trails):
        if not one.name or not len(one.x):
            continue
        for group in groups:
            first = trails[group[0]]
            if abs(one.x[-1] - first.x[-1]) < NEAR * (x1 - x0) and abs(one.y[-1] - first.y[-1]) < NEAR * (y1 - y0):
                group.append(place)
                break
        else:
            groups.append([place])
    words = {group[0]: "\n".join(trails[place].name for place in group) for group in groups}
    return [one._replace(name=words.get(place, "")) for place, one in enumerate(trails)]
