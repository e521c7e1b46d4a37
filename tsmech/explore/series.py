"""What a page draws of summary rows: panels of series, by the decisions that pictures on paper are made by."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsmech.experiment import Experiment, is_family
from tsmech.explore.translation import Translation
from tsmech.plots import curves, families, maps
from tsmech.plots.lines import Lines
from tsmech.plots.picture import (
    Picture,
    Row,
    apart,
    choose,
    is_logarithmic,
    named_coordinates,
    names_in,
    pictured,
    thinned,
    visible,
)
from tsmech.plots.style import own_style
from tsmech.problem.observables import observable_of
from tsmech.problem.system import System

MOST_MARKERS = curves.MOST_MARKERS
"""Markers of one series of a simulation; of more evenly spaced ones are drawn."""
MOST_LINE = 4000
"""Places of one line."""
BOTTOM = 1e-12
"""Least value of a logarithmic axis as a share of the largest, where a picture on paper would choose nothing."""

Array = NDArray[np.float64]


class Series(NamedTuple):
    """One curve: an answer's values of one column, with the values of what tells curves apart."""

    column: str
    answer: str
    x: Array
    y: Array
    error: Array
    colour: str
    marker: str
    dashes: str
    label: str
    """What tells it apart, in words."""
    joined: bool
    """Whether a line leads from place to place."""
    predicts: bool
    network: bool


class Map(NamedTuple):
    """The cells of a map, and its colours' scale."""

    xs: Array
    ys: Array
    table: Array
    low: float
    high: float
    log_colours: bool


class Panel(NamedTuple):
    """One panel: its axes in words, their scales and ranges, and what is drawn."""

    title: str
    x_label: str
    y_label: str
    x_log: bool
    y_log: bool
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    names: tuple[str, ...]
    """The values of a horizontal axis that has names."""
    series: Sequence[Series]
    map: Map | None = None
    note: str = ""


class Drawing(NamedTuple):
    """All panels of a page, and the legend: what colours say."""

    panels: Sequence[Panel]
    legend: Sequence[tuple[str, str, str]]
    """A colour, a marker and words each."""
    heading: str
    answers: Sequence[str]
    marks: Sequence[str]
    """How each answer looks: a line, a dot, a ring."""


class UnsuitedError(Exception):
    """The picture is of a kind that is drawn on paper alone: a matrix at some times, a trajectory."""


class _Axes:
    """Holds the scales and the range that are chosen for a panel, in place of a drawing."""

    def __init__(self) -> None:
        self.scales = {"x": "linear", "y": "linear"}
        self.limits: tuple[float, float] | None = None

    def set_xscale(self, scale: str) -> None:
        self.scales["x"] = scale

    def set_yscale(self, scale: str) -> None:
        self.scales["y"] = scale

    def get_xscale(self) -> str:
        return self.scales["x"]

    def set_ylim(self, bottom: float, top: float) -> None:
        self.limits = bottom, top


def draw(experiment: Experiment, rows: Sequence[Row], translation: Translation) -> Drawing:
    """Return what a page shows of rows.

    Raises
    ------
    UnsuitedError
        Where the picture is a matrix or a trajectory.
    InputError
        Where the rows do not hold what is to be drawn.
    """
    picture = choose(experiment, names_in(experiment.system, rows))
    if picture.matrix or picture.along:
        raise UnsuitedError
    with own_style():
        if picture.y:
            return _draw_maps(experiment, rows, picture, translation)
        return _draw_curves(experiment, rows, picture, translation)


def _draw_curves(experiment: Experiment, rows: Sequence[Row], picture: Picture, translation: Translation) -> Drawing:
    system = experiment.system
    chosen = pictured(experiment, picture.observables, {"y": experiment.plot.get("y")})
    drawn = {name: families.columns(system, name, rows) for name in chosen}
    shown = {name: visible(experiment, picture, rows, name) for columns in drawn.values() for name in columns}
    shown = {
        name: [translation.row(row, picture.x, name) for row in found] if translation.active else found
        for name, found in shown.items()
    }
    every = [row for found in shown.values() for row in found]
    codes = curves.codes(picture, every)
    groups = apart(experiment, picture.x)
    panels: list[Panel] = []
    legend: dict[tuple[str, str, str], None] = {}
    kinds = [tuple(drawn)] if picture.together else [(name,) for name in drawn]
    for names in kinds:
        columns = [column for name in names for column in drawn[name]]
        whole = {column: shown[column] for column in columns if shown[column]}
        if not whole:
            panels.append(_empty(system, names, picture, translation))
            continue
        axes = _Axes()
        between = Lines(experiment, picture, [], [])
        limits = curves.choose_scales(axes, experiment, whole, picture, between)
        styles = families.styles(system, columns) if any(is_family(system, name) for name in names) else {}
        for key in picture.keys(experiment):
            series = []
            for column, found in whole.items():
                part = [row for row in found if all(row[name] == value for name, value in key.items())]
                for place, answers in curves.grouped(part, groups):
                    code = column if picture.together else place.get(picture.by or "")
                    look = styles[column].look if column in styles else curves.look(code, codes or [None])
                    label = _said(system, column, place, key, picture, bool(styles))
                    for answer, members in answers.items():
                        series.append(_series(experiment, picture.x, column, answer, members, look, label))
                    words = plain_entry(system, column) if styles or picture.together else _code(system, picture, code)
                    if words:
                        legend[_hex(look[0]), look[1], words] = None
            panels.append(_panel(system, names, key, picture, axes, limits, series, translation))
    shades = list(legend)
    if curves.has_bar(codes) or len(shades) > 12:
        shades = [shades[round(i * (len(shades) - 1) / 5)] for i in range(6)]
    seen = list(dict.fromkeys(row["answer"] for row in every))
    marks = [
        "—" if not experiment.simulates(answer) else "○" if curves.is_network(experiment, answer) else "●"
        for answer in seen
    ]
    return Drawing(panels, shades, experiment.title or system.title, seen, marks)


def _series(
    experiment: Experiment, x: str, column: str, answer: str, rows: Sequence[Row], look: curves.Look, label: str
) -> Series:
    ordered = sorted(rows, key=lambda row: float(row[x]))
    predicts = not experiment.simulates(answer)
    joined = predicts and x not in named_coordinates(experiment.system)
    at = np.array([row[x] for row in ordered], dtype=float)
    means = np.array([row[column] for row in ordered], dtype=float)
    errors = np.array([row.get(f"{column}_sem") or 0.0 for row in ordered], dtype=float)
    most = MOST_LINE if joined else MOST_MARKERS
    if len(at) > most:
        kept = np.isin(at, thinned(at.tolist(), most))
        at, means, errors = at[kept], means[kept], errors[kept]
    colour, marker, dashes = look
    network = curves.is_network(experiment, answer)
    return Series(column, answer, at, means, errors, _hex(colour), marker, dashes, label, joined, predicts, network)


def _hex(colour: Any) -> str:
    from matplotlib.colors import to_hex

    return str(to_hex(colour))


def _panel(
    system: type[System],
    names: Sequence[str],
    key: Mapping[str, Any],
    picture: Picture,
    axes: _Axes,
    limits: curves.Range,
    series: Sequence[Series],
    translation: Translation,
) -> Panel:
    x_log, y_log = (axes.scales[axis] == "log" for axis in ("x", "y"))
    at = np.concatenate([one.x for one in series]) if series else np.empty(0)
    at = at[np.isfinite(at) & ((at > 0) | (not x_log))]
    named = dict(picture.names).get(picture.x, ())
    x_range = (-0.5, len(named) - 0.5) if named else spread_range(at, x_log, 0.02)
    y_range = axes.limits
    if y_range is None:
        values = [np.concatenate([one.y, one.y - one.error, one.y + one.error]) for one in series]
        found = np.concatenate(values) if values else np.empty(0)
        found = found[np.isfinite(found) & ((found > 0) | (not y_log))]
        y_range = spread_range(found, y_log, 0.05)
        if math.isfinite(limits.top) and not y_log:
            y_range = y_range[0], limits.top
    label = translation.label(names[0]) if len(names) == 1 else ",  ".join(plain_symbol(system, one) for one in names)
    title = ", ".join(f"{plain_symbol(system, name)} = {said(value)}" for name, value in key.items())
    return Panel(
        title, translation.label(picture.x), label, x_log, y_log, x_range, y_range, tuple(map(str, named)), series
    )


def _empty(system: type[System], names: Sequence[str], picture: Picture, translation: Translation) -> Panel:
    note = f"{', '.join(names)}: no values here"
    label = translation.label(names[0])
    return Panel("", translation.label(picture.x), label, False, False, (0.0, 1.0), (0.0, 1.0), (), [], note=note)


def _draw_maps(experiment: Experiment, rows: Sequence[Row], picture: Picture, translation: Translation) -> Drawing:
    (value,), up = picture.observables, str(picture.y)
    shown = visible(experiment, picture, rows, value)
    answers = list(dict.fromkeys(row["answer"] for row in shown))
    places = [(answer, key) for answer in answers for key in picture.keys(experiment)]
    grids = []
    for answer, key in places:
        found = [
            row for row in shown if row["answer"] == answer and all(row[name] == number for name, number in key.items())
        ]
        grids.append(maps.tabulate(found, picture.x, up, value))
    return map_drawing(experiment, picture, places, grids, translation)


def map_drawing(
    experiment: Experiment,
    picture: Picture,
    places: Sequence[tuple[str, Mapping[str, Any]]],
    grids: Sequence[maps.Grid],
    translation: Translation,
) -> Drawing:
    """Return the maps of answers at what is left of the sweep, all in one scale of colours."""
    from matplotlib.colors import LogNorm

    system, (value,), up = experiment.system, picture.observables, str(picture.y)
    norm = maps.choose_norm(grids)
    panels = []
    for (answer, key), (xs, ys, table) in zip(places, grids, strict=True):
        x_log = bool(xs.size) and is_logarithmic(picture, "x", xs)
        y_log = bool(ys.size) and is_logarithmic(picture, "y", ys)
        across, down = (xs > 0) | (not x_log), (ys > 0) | (not y_log)
        xs, ys, table = xs[across], ys[down], table[np.ix_(down, across)]
        words = [f"{plain_symbol(system, name)} = {said(one)}" for name, one in key.items()]
        low, high = float(norm.vmin or 0.0), float(norm.vmax or 1.0)
        cells = Map(xs, ys, table, low, high, isinstance(norm, LogNorm))
        ranges = spread_range(xs, x_log, 0.0), spread_range(ys, y_log, 0.0)
        title = ", ".join([answer, *words])
        labels = translation.own_label(picture.x), translation.own_label(up)
        panels.append(Panel(title, *labels, x_log, y_log, *ranges, (), [], cells))
    heading = f"{experiment.title or system.title}: {translation.own_label(value)}"
    return Drawing(panels, [], heading, [], [])


def spread_range(values: Array, logarithmic: bool, margin: float) -> tuple[float, float]:
    """Return the range of an axis that has values, with a margin on both sides."""
    if not values.size:
        return (0.1, 1.0) if logarithmic else (0.0, 1.0)
    low, high = float(values.min()), float(values.max())
    if logarithmic:
        low = max(low, BOTTOM * high)
        share = (high / low) ** margin if high > low else 1.5
        return low / share, high * share
    if high == low:
        return low - (abs(low) or 1.0) * 0.1, high + (abs(high) or 1.0) * 0.1
    return low - margin * (high - low), high + margin * (high - low)


def plain_symbol(system: type[System], name: str) -> str:
    """Return the symbol of a parameter, a coordinate or an observable as it is declared."""
    known: Mapping[str, Any] = {**system.parameters(), **system.coordinates, **system.observables}
    return str(known[observable_of(name)].symbol)


def plain_entry(system: type[System], column: str) -> str:
    """Return the symbol of a column: that of its observable, with the indices of its entry."""
    return plain_symbol(system, column) + (column[len(observable_of(column)) :] if "[" in column else "")


def said(value: Any) -> str:
    """Return a value in words."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _code(system: type[System], picture: Picture, code: Any) -> str:
    return f"{plain_symbol(system, picture.by)} = {said(code)}" if picture.by and code is not None else ""


def _said(system: type[System], column: str, place: Row, key: Mapping[str, Any], picture: Picture, family: bool) -> str:
    words = [plain_entry(system, column)] if family or picture.together else []
    words += [f"{plain_symbol(system, name)} = {said(value)}" for name, value in place.items() if name not in key]
    return ", ".join(words)
