"""Maps over two axes and matrices at some times, as panels of cells in one scale of colours."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tsmech.errors import InputError
from tsmech.experiment import Experiment
from tsmech.explore.drawing import (
    Array,
    Cells,
    Colours,
    Drawing,
    Panel,
    axis_words,
    column,
    key_words,
    matching,
    plain_symbol,
    spread_range,
)
from tsmech.plots import maps, matrices
from tsmech.plots.picture import Picture, Row, is_logarithmic, visible
from tsmech.plots.translation import Translation

ABOVE = "pale: above the scale, or infinite"
MISSING = "grey: no value"


class Grid(NamedTuple):
    """The values of a map over its axes, and their standard errors."""

    xs: Array
    ys: Array
    table: Array
    errors: Array


def tabulate(places: Sequence[Sequence[Array]]) -> list[Grid]:
    """Return the grids of several maps, all over the same values of their axes.

    Parameters
    ----------
    places
        For each map the columns of its places: both axes, the value and its error, each of shape (n,).
    """
    xs, ys = (np.unique(np.concatenate([columns[axis] for columns in places])) for axis in (0, 1))
    grids = []
    for x, y, value, error in places:
        grid = Grid(xs, ys, np.full((len(ys), len(xs)), np.nan), np.full((len(ys), len(xs)), np.nan))
        at = np.searchsorted(ys, y), np.searchsorted(xs, x)
        grid.table[at], grid.errors[at] = value, error
        grids.append(grid)
    return grids


def draw_maps(experiment: Experiment, rows: Sequence[Row], picture: Picture) -> Drawing:
    """Return the maps of the answers that rows hold."""
    (value,), up = picture.observables, str(picture.y)
    ours, asked = visible(experiment, picture, rows, value), Translation(experiment, picture.convention)
    shown, translation = asked.of_map(ours, (picture.x, up), value)
    answers = list(dict.fromkeys(row["answer"] for row in shown))
    places = [(answer, key) for answer in answers for key in picture.keys(experiment)]
    places = [(answer, key) for answer, key in places if matching(shown, {"answer": answer, **key})]
    if not places:
        raise InputError(f"{value} cannot be drawn: there are no numbers of it over {picture.x} and {up}")
    found = [matching(shown, {"answer": answer, **key}) for answer, key in places]
    names = (picture.x, up, value, f"{value}_sem")
    grids = tabulate([[column(rows, name) for name in names] for rows in found])
    drawing = map_drawing(experiment, picture, places, grids, translation)
    whose = asked.remark(picture, ours)
    return drawing._replace(notes=[*([whose] if whose else []), *drawing.notes])


def map_drawing(
    experiment: Experiment,
    picture: Picture,
    places: Sequence[tuple[str, Mapping[str, Any]]],
    grids: Sequence[Grid],
    translation: Translation,
) -> Drawing:
    """Return the maps of answers at what is left of the sweep, all in one scale of colours."""
    from matplotlib.colors import LogNorm

    (value,), up = picture.observables, str(picture.y)
    if not any(np.isfinite(grid.table).any() for grid in grids):
        raise InputError(f"{value} cannot be drawn: there are no numbers of it over {picture.x} and {up}")
    norm = maps.choose_norm([grid[:3] for grid in grids])
    label = axis_words(experiment.system, value, translation)
    low, high = float(norm.vmin or 0.0), float(norm.vmax or 1.0)
    colours = Colours(low, high, isinstance(norm, LogNorm), maps.COLOURS, label)
    panels = []
    for (answer, key), (xs, ys, table, errors) in zip(places, grids, strict=True):
        x_log = bool(xs.size) and is_logarithmic(picture, "x", xs)
        y_log = bool(ys.size) and is_logarithmic(picture, "y", ys)
        kept = (xs > 0) | (not x_log), (ys > 0) | (not y_log)
        inside = np.ix_(*reversed(kept))
        cells = Cells(xs[kept[0]], ys[kept[1]], table[inside], errors[inside], colours)
        ranges = spread_range(cells.xs, x_log, 0.0), spread_range(cells.ys, y_log, 0.0)
        title = ", ".join(filter(None, (answer, key_words(experiment.system, key))))
        across, down = (axis_words(experiment.system, name, translation) for name in (picture.x, up))
        panels.append(Panel(title, across, down, x_log, y_log, *ranges, cells=cells))
    return Drawing(panels, [], label, [], [], cell_notes(panels))


def draw_matrices(experiment: Experiment, rows: Sequence[Row], picture: Picture) -> Drawing:
    """Return a panel for each answer, each value of what is left of the sweep, and each time."""
    system, (name,) = experiment.system, picture.observables
    columns = [one for one in dict.fromkeys(one for row in rows for one in row) if _is_of(one, name)]
    shown = visible(experiment, picture, rows, columns[0]) if columns else []
    if not shown:
        raise InputError(f"{name} cannot be drawn: there are no values of it")
    times = matrices.times(picture, shown)
    answers = list(dict.fromkeys(row["answer"] for row in shown))
    pairs = [(key, answer) for key in picture.keys(experiment) for answer in answers]
    pairs = [(key, answer) for key, answer in pairs if matching(shown, {"answer": answer, **key})]
    places = [(key, answer, at) for key, answer in pairs for at in times]
    found = [matrices.find_row(shown, picture, at, answer=answer, **key) for key, answer, at in places]
    tables = [matrices.tabulate(columns, row) for row in found]
    norm, palette = matrices.choose_scale(tables)
    colours = Colours(float(norm.vmin or 0.0), float(norm.vmax or 1.0), False, palette, axis_words(system, name))
    down, right = matrices.labels(columns)
    kind = system.observables[name].axes
    panels = []
    for (key, answer, at), row, table in zip(places, found, tables, strict=True):
        errors = matrices.tabulate([f"{one}_sem" for one in columns], row) if row is not None else table
        where = "" if at is None else f"{plain_symbol(system, picture.x)} = {at:.4g}"
        title = ", ".join(filter(None, (answer, key_words(system, key), where)))
        centres = np.arange(len(right), dtype=float), np.arange(len(down), dtype=float)
        cells = Cells(*centres, table[::-1], errors[::-1], colours, whole=True)  # the first row is on top
        ranges = (-0.5, len(right) - 0.5), (-0.5, len(down) - 0.5)
        names, beside = tuple(right), tuple(reversed(down))
        panels.append(Panel(title, kind[1], kind[0], False, False, *ranges, names, cells=cells, y_names=beside))
    whose = Translation(experiment, picture.convention).remark(picture)
    return Drawing(panels, [], colours.label, [], [], [*([whose] if whose else []), *cell_notes(panels)])


def _is_of(column: str, name: str) -> bool:
    return column.startswith(f"{name}[") and column.endswith("]")


def cell_notes(panels: Sequence[Panel]) -> list[str]:
    """Return what colours outside the scale say, where there are any."""
    found = [panel.cells for panel in panels if panel.cells is not None and panel.cells.table.size]
    above = any((cells.table > cells.colours.high * (1 + 1e-9)).any() for cells in found)
    return [*([ABOVE] if above else []), *([MISSING] if any(np.isnan(cells.table).any() for cells in found) else [])]
