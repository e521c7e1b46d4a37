"""What a page draws of summary rows, by the decisions that pictures on paper are made by; curves here."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tsmech.experiment import Experiment
from tsmech.explore.cells import draw_maps, draw_matrices
from tsmech.explore.drawing import (
    Drawing,
    Panel,
    Series,
    axis_words,
    column,
    key_words,
    plain_entry,
    plain_symbol,
    said,
    spread_range,
)
from tsmech.explore.trails import draw_trails
from tsmech.plots import curves, families
from tsmech.plots.lines import Lines
from tsmech.plots.picture import (
    Picture,
    Row,
    apart,
    choose,
    errors,
    named_coordinates,
    names_in,
    pictured,
    spread,
    thinned,
    visible,
)
from tsmech.plots.style import own_colours
from tsmech.plots.translation import Translation
from tsmech.problem.system import System

MOST_MARKERS = curves.MOST_MARKERS
"""Markers of one series of a simulation; of more evenly spaced ones are drawn."""
MOST_LINE = 4000
"""Places of one line."""
MOST_CURVES = 40
"""Values of what tells curves apart; of more evenly spaced ones are drawn."""


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


def draw(experiment: Experiment, rows: Sequence[Row]) -> Drawing:
    """Return what a page shows of rows.

    Raises
    ------
    InputError
        Where the rows do not hold what is to be drawn.
    """
    picture = choose(experiment, names_in(experiment.system, rows))
    with own_colours():
        if picture.matrix:
            return draw_matrices(experiment, rows, picture)
        if picture.y:
            return draw_maps(experiment, rows, picture)
        if picture.along:
            return draw_trails(experiment, rows, picture)
        return _draw_curves(experiment, rows, picture)


def shown_codes(experiment: Experiment, picture: Picture) -> list[Any] | None:
    """Return the values of what tells curves apart that are drawn, or None where all are."""
    if picture.by is None or picture.by not in experiment.axes:
        return None
    values = picture.values(experiment, picture.by)
    return spread(values, MOST_CURVES) if len(values) > MOST_CURVES else None


def _draw_curves(experiment: Experiment, rows: Sequence[Row], picture: Picture) -> Drawing:
    system, translation = experiment.system, Translation(experiment, picture.convention)
    chosen = pictured(experiment, picture.observables, {"y": experiment.plot.get("y")})
    notes = [whose] if (whose := translation.remark(picture)) else []
    if (kept := shown_codes(experiment, picture)) is not None:
        rows = [row for row in rows if row[str(picture.by)] in kept]
        notes += [f"{len(kept)} of the {len(experiment.axes[str(picture.by)])} values of {picture.by} are drawn"]
    drawn = {name: families.columns(system, name, rows) for name in chosen}
    if picture.by is not None and families.spread(system, drawn):  # colour tells the entries apart
        picture = dataclasses.replace(picture, by=None, panels=(picture.by, *picture.panels))
    shown = {name: visible(experiment, picture, rows, name) for columns in drawn.values() for name in columns}
    shown = {name: translation.along(found, picture.x, name) for name, found in shown.items()}
    every = [row for found in shown.values() for row in found]
    codes = curves.codes(picture, every)
    groups = apart(experiment, picture.x)
    panels: list[Panel] = []
    legend: dict[tuple[str, str, str], None] = {}
    kinds = [tuple(drawn)] if picture.together else [(name,) for name in drawn]
    for names in kinds:
        columns = [one for name in names for one in drawn[name]]
        whole = {one: shown[one] for one in columns if shown[one]}
        if not whole:
            panels.append(_empty(system, names, picture, translation))
            continue
        axes = _Axes()
        ruled = translation.rules(picture, names[0], [row for found in whole.values() for row in found])
        limits = curves.choose_scales(axes, experiment, whole, ruled, Lines(experiment, picture, [], []))
        family = families.spread(system, {name: drawn[name] for name in names})
        styles = families.styles(system, columns) if family else {}
        for key in picture.keys(experiment):
            series = []
            for one, found in whole.items():
                part = [row for row in found if all(row[name] == value for name, value in key.items())]
                for place, answers in curves.grouped(part, groups):
                    code = one if picture.together else place.get(picture.by or "")
                    look = styles[one].look if one in styles else curves.look(code, codes or [None])
                    label = _said(system, one, place, key, picture, bool(styles))
                    for answer, members in answers.items():
                        series.append(_series(experiment, picture, one, answer, members, look, label))
                    words = plain_entry(system, one) if styles or picture.together else _code(system, picture, code)
                    if words:
                        legend[_hex(look[0]), look[1], words] = None
            panels.append(_panel(system, names, key, ruled, axes, limits, series, translation))
    shades = list(legend)
    if curves.has_bar(codes) or len(shades) > 12:
        shades = [shades[round(i * (len(shades) - 1) / 5)] for i in range(6)]
    seen = list(dict.fromkeys(row["answer"] for row in every))
    if picture.spread and any(row.get("replicates", 1) > 1 for row in every):
        notes.append("bars of simulations: one standard deviation between draws")
    return Drawing(panels, shades, "", seen, [_mark(experiment, answer) for answer in seen], notes)


def _mark(experiment: Experiment, answer: str) -> str:
    if experiment.simulates(answer):
        return "○" if curves.is_network(experiment, answer) else "●"
    return "━" if curves.weight(experiment, answer) == 1.0 else "─"


def _series(
    experiment: Experiment, picture: Picture, name: str, answer: str, rows: Sequence[Row], look: curves.Look, label: str
) -> Series:
    x = picture.x
    ordered = sorted(rows, key=lambda row: float(row[x]))
    predicts = not experiment.simulates(answer)
    joined = predicts and x not in named_coordinates(experiment.system)
    at, means, sem = column(ordered, x), column(ordered, name), column(ordered, f"{name}_sem", 0.0)
    width = errors(picture, ordered, name)
    most = MOST_LINE if joined else MOST_MARKERS
    if len(at) > most:
        kept = np.isin(at, thinned(at.tolist(), most))
        at, means, sem, width = at[kept], means[kept], sem[kept], width[kept]
    colour, marker, dashes = look
    network = curves.is_network(experiment, answer)
    looks = (_hex(colour), marker, dashes, label, joined, predicts, network, curves.weight(experiment, answer))
    return Series(name, answer, at, means, sem, width, *looks)


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
    named = dict(picture.names).get(picture.x, ())
    x_range = (-0.5, len(named) - 0.5) if named else spread_range(at, x_log, 0.02)
    y_range = axes.limits
    if y_range is None:
        values = [np.concatenate([one.y, one.y - one.width, one.y + one.width]) for one in series]
        found = np.concatenate(values) if values else np.empty(0)
        y_range = spread_range(found, y_log, 0.05)
        if math.isfinite(limits.top) and not y_log:
            y_range = y_range[0], limits.top
    label = ",  ".join(translation.symbol(one) or plain_symbol(system, one) for one in names)
    label = axis_words(system, names[0], translation) if len(names) == 1 else label
    x_label, title = axis_words(system, picture.x, translation), key_words(system, key)
    marks = [number for name, number in picture.mark if name == picture.x]
    rules = [("x", number, translation.symbol(picture.x) or plain_symbol(system, picture.x)) for number in marks]
    rules += [("y", number, words) for words, number in picture.reference]
    names_along = tuple(map(str, named))
    return Panel(title, x_label, label, x_log, y_log, x_range, y_range, names_along, series, rules=rules)


def _empty(system: type[System], names: Sequence[str], picture: Picture, translation: Translation) -> Panel:
    note = f"{', '.join(names)}: no values here"
    x_label, y_label = (axis_words(system, name, translation) for name in (picture.x, names[0]))
    return Panel("", x_label, y_label, False, False, (0.0, 1.0), (0.0, 1.0), note=note)


def _code(system: type[System], picture: Picture, code: Any) -> str:
    return f"{plain_symbol(system, picture.by)} = {said(code)}" if picture.by and code is not None else ""


def _said(system: type[System], column: str, place: Row, key: Mapping[str, Any], picture: Picture, family: bool) -> str:
    words = [plain_entry(system, column)] if family or picture.together else []
    words += [f"{plain_symbol(system, name)} = {said(value)}" for name, value in place.items() if name not in key]
    return ", ".join(words)
