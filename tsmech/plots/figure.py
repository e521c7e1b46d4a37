"""Draws a finished run: panels of curves, or maps, with their legend, colour bar and what a reader must know."""

import dataclasses
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tsmech.errors import InputError
from tsmech.experiment import Experiment, is_family
from tsmech.plots import curves, families, maps, matrices, trajectories
from tsmech.plots.canvas import Canvas, figure_of
from tsmech.plots.legend import MARK, entry, handles, reference_style
from tsmech.plots.lines import Lines
from tsmech.plots.picture import Picture, Row, beside, choose, names_in, pictured, visible
from tsmech.plots.style import own_style, place_ticks, printable
from tsmech.plots.translation import Translation
from tsmech.plots.words import answer_names, axis_label, contoured, key_words, notes, symbols, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

COLUMNS = 3
"""Panels side by side, where they are all of one kind."""
FORMATS: Mapping[str, Mapping[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
}
"""What a picture can be saved as, each without what would differ the next time."""


def draw(
    experiment: Experiment,
    rows: Iterable[Row],
    *,
    lines: Iterable[Row] = (),
    x: str | None = None,
    y: str | Sequence[str] | None = None,
    by: str | None = None,
    value: str | None = None,
    together: bool | None = None,
    spread: bool | None = None,
    log: str | Sequence[str] | None = None,
    mark: Mapping[str, float] | None = None,
    reference: Mapping[str, float] | None = None,
    matrix: str | None = None,
    at: str | Sequence[float] | None = None,
    convention: str | None = None,
) -> "Figure":
    """Return a figure of a run: curves, with a ``value`` a map, with a ``matrix`` that matrix at some times.

    Parameters
    ----------
    experiment
        What was asked.
    rows
        The run's summary rows.
    lines
        Rows of predictions between the points of the sweep along ``x``, as :meth:`tsmech.store.Store.lines` yields
        them; without them a line leads from point to point of the sweep.
    x
        The horizontal axis: a parameter, a coordinate, or an observable against which ``y`` is drawn as a trajectory.
    y
        Observables, one panel each: numbers, vectors and matrices (``R``) as families of lines, or entries
        (``R[0, 1]``); with a ``value`` the vertical axis of the map, a parameter or the coordinate.
    by
        The parameter or the coordinate of names that tells curves apart by colour, or whose values have panels (of
        maps, of families, or where observables are ``together``).
    value
        The observable that a map shows.
    together
        Whether all observables share one panel, told apart by colour.
    spread
        Whether simulations have bands of one standard deviation between draws, in place of the mean's standard errors.
    log
        Which axes are logarithmic: ``x``, ``y``, both or ``none``; chosen by the values where it is None.
    mark
        Numbers that a line marks, by the parameter whose axis has them.
    reference
        Numbers that a horizontal line marks, by what the legend calls them: a bound, an asymptote.
    matrix, at
        A matrix, and the values of the coordinate at which it is shown.
    convention
        The paper whose symbols and scalings the axes have: one of the system's ``conventions``, or ``tsmech``.

    Raises
    ------
    InputError
        Where the run does not hold what is to be drawn.
    """
    asked: dict[str, Any] = {"x": x, "y": y, "by": by, "value": value, "together": together, "log": log, "mark": mark}
    asked |= {"reference": reference, "matrix": matrix, "at": at, "spread": spread, "convention": convention}
    return figure_of(draw_panels(experiment, rows, lines, **asked)[0])


def draw_panels(
    experiment: Experiment,
    rows: Iterable[Row],
    lines: Iterable[Row] = (),
    *,
    ax: "Sequence[Axes] | None" = None,
    **asked: Any,
) -> "list[Axes]":
    """Return the panels that :func:`draw` draws, in axes that are given or of a new figure."""
    y, value, matrix = (asked.get(key) for key in ("y", "value", "matrix"))
    listed = list(rows)
    picture = choose(experiment, names_in(experiment.system, listed), **asked)
    chosen = pictured(experiment, picture.observables, {"y": y or value or matrix or experiment.plot.get("y")})
    drawn = {name: families.columns(experiment.system, name, listed) for name in chosen}
    if picture.by is not None and families.spread(experiment.system, drawn):  # colour tells the entries apart
        picture = dataclasses.replace(picture, by=None, panels=(picture.by, *picture.panels))
    shown = {name: visible(experiment, picture, listed, name) for columns in drawn.values() for name in columns}
    for name, columns in list(drawn.items()):
        if not any(shown[column] for column in columns):
            if y or value or matrix or len(drawn) == 1:
                what = "values" if "[" in name or is_family(experiment.system, name) else "single numbers"
                along = f" along {picture.x}" if picture.x else ""
                raise InputError(f"{name} cannot be drawn: the run has no {what} of it{along}")
            del drawn[name]
            shown = {column: found for column, found in shown.items() if column not in columns}
    if ax is not None:
        return _draw(experiment, drawn, shown, picture, lines, ax).panels
    with own_style():
        canvas = _draw(experiment, drawn, shown, picture, lines, None)
        figure = canvas.figure
        width = figure.get_figwidth()
        figure.suptitle(title(experiment, int(10 * width)))
        if words := notes(experiment, shown, picture):
            figure.supxlabel(textwrap.fill("; ".join(words), int(16 * width)), fontsize=8, color="0.35")
    return canvas.panels


def save(
    figure: "Figure", directory: Path, stem: str = "figure", formats: Sequence[str] = ("png", "svg")
) -> list[Path]:
    """Write a figure in each of the formats (png, svg, pdf), each whole or not at all; return the files."""
    from tsmech.store.directory import replace_file

    written = []
    for kind in formats:
        path = directory / f"{stem}.{kind}"
        with replace_file(path) as partial, own_style():
            figure.savefig(partial, format=kind, metadata=FORMATS[kind])
        written.append(path)
    return written


def _draw(
    experiment: Experiment,
    drawn: Mapping[str, list[str]],
    shown: Mapping[str, list[Row]],
    picture: Picture,
    lines: Iterable[Row],
    given: "Sequence[Axes] | None",
) -> Canvas:
    """Draw a picture of the kind that it is."""
    if picture.matrix:
        return _draw_matrices(experiment, shown, picture, given)
    if picture.y:
        return _draw_maps(experiment, shown, picture, given)
    if picture.along:
        return _draw_trajectories(experiment, shown, picture, given)
    return _draw_curves(experiment, drawn, shown, picture, lines, given)


def _draw_curves(
    experiment: Experiment,
    drawn: Mapping[str, list[str]],
    shown: Mapping[str, list[Row]],
    picture: Picture,
    lines: Iterable[Row],
    given: "Sequence[Axes] | None",
) -> Canvas:
    """Draw a row of panels for each observable, a column for each value of what is left of the sweep."""
    system, translation = experiment.system, Translation(experiment, picture.convention)
    shown = {column: translation.along(found, picture.x, column) for column, found in shown.items()}
    between = Lines(experiment, picture, lines, shown)
    keys = picture.keys(experiment)
    kinds = [tuple(drawn)] if picture.together else [(name,) for name in drawn]
    items = [(kind, key) for kind in kinds for key in keys]
    across = _across(picture, keys, len(kinds))
    canvas = Canvas.make(len(items), across, (5.2, 4.2) if len(items) <= COLUMNS else (4.0, 3.3), given)
    several = families.spread(system, drawn)
    coded = curves.codes(picture, [row for found in shown.values() for row in found])
    ys, off = [], False
    legends: list[list[Line2D]] = []
    every = {kind: [row for name in kind for column in drawn[name] for row in shown[column]] for kind in kinds}
    ruled = {kind: translation.rules(picture, kind[0], found) for kind, found in every.items()}
    picture = translation.lined(picture, [*ruled.values()])
    for ax, (kind, key) in zip(canvas.panels, items, strict=True):
        columns = [column for name in kind for column in drawn[name]]
        whole = {column: shown[column] for column in columns}
        limits = curves.choose_scales(ax, experiment, whole, ruled[kind], between)
        part = {column: _matching(found, key) for column, found in whole.items()}
        family = several and families.spread(system, {name: drawn[name] for name in kind})
        styles = families.styles(system, columns) if family else {}
        off |= curves.draw_curves(ax, experiment, part, picture, limits, between, families.looks(styles), coded)
        for name, number in ruled[kind].mark:
            if name == picture.x:
                ax.axvline(number, zorder=1.5, **MARK)
        for label, number in ruled[kind].reference:
            ax.axhline(number, zorder=1.5, **reference_style(picture, label))
        place_ticks(ax)
        if named := dict(picture.names).get(picture.x):
            ax.set_xticks(range(len(named)), [printable(name) for name in named])
            ax.set_xlim(-0.5, len(named) - 0.5)
        legends.append(_entries(experiment, part, picture, styles))
        ys.append(axis_label(system, kind[0], translation) if len(kind) == 1 else symbols(system, kind, translation))
        if key:
            ax.set_title(key_words(system, key), fontsize="medium")
    canvas.label(axis_label(system, picture.x, translation), ys)
    told = dataclasses.replace(picture, together=False) if several else picture
    values = curves.codes(told, [row for found in shown.values() for row in found])
    if curves.has_bar(values):
        label = axis_label(system, str(picture.by))
        canvas.bar(values, curves.colour_norm(values), curves.COLOURS, label)
    canvas.legend(handles(experiment, shown, told, off), legends)
    return canvas


def _entries(
    experiment: Experiment, part: Mapping[str, list[Row]], picture: Picture, styles: Mapping[str, families.Style]
) -> "list[Line2D]":
    """Return the legend of one panel: the entries of its families, those that look the same once."""
    found: dict[str, Line2D] = {}
    for column, style in styles.items():
        answers = {row["answer"] for row in part[column]}
        if answers and style.label and style.label not in found:
            alone = curves.is_alone(experiment, picture, part[column])
            found[style.label] = entry(experiment, style.label, style.look, answers, alone)
    return list(found.values())


def _draw_trajectories(
    experiment: Experiment, shown: Mapping[str, list[Row]], picture: Picture, given: "Sequence[Axes] | None"
) -> Canvas:
    """Draw a row of panels for each observable, a column for each value of what is left of the sweep."""
    keys, translation = picture.keys(experiment), Translation(experiment, picture.convention)
    shown = {
        name: [translation.row(row, beside(picture.x, name), name) for row in found] for name, found in shown.items()
    }
    together = "*" in picture.x  # a path for each index in one panel
    kinds = [tuple(shown)] if together else [(name,) for name in shown]
    items = [(kind, key) for kind in kinds for key in keys]
    across = _across(picture, keys, len(kinds))
    canvas = Canvas.make(len(items), across, (5.2, 4.2) if len(items) <= COLUMNS else (4.0, 3.3), given)
    along = trajectories.places(shown, picture)
    norm = curves.colour_norm(along)
    for ax, (kind, key) in zip(canvas.panels, items, strict=True):
        size = trajectories.extent(shown, picture, kind)
        for name in kind:
            one = dataclasses.replace(picture, x=beside(picture.x, name))
            trajectories.draw_trajectories(ax, experiment, _matching(shown[name], key), one, name, norm, size)
        if together:
            trajectories.name_paths(ax, {name: _matching(shown[name], key) for name in kind}, picture)
        ruled = translation.rules(picture, kind[0], [row for name in kind for row in shown[name]])
        for label, number in ruled.reference:
            ax.axhline(number, zorder=1.5, **reference_style(picture, label))
        place_ticks(ax)
        if key:
            ax.set_title(key_words(experiment.system, key), fontsize="medium")
    label = axis_label(experiment.system, picture.x, translation)
    patterns = [picture.observables if together else kind for kind, _ in items]
    canvas.label(label, [axis_label(experiment.system, names[0], translation) for names in patterns])
    canvas.bar(along, norm, curves.COLOURS, axis_label(experiment.system, str(picture.along)))
    canvas.legend(handles(experiment, shown, picture, False), [[] for _ in items])
    return canvas


def _draw_matrices(
    experiment: Experiment, shown: Mapping[str, list[Row]], picture: Picture, given: "Sequence[Axes] | None"
) -> Canvas:
    """Draw a row of panels for each answer and each value of what is left of the sweep, a column for each time."""
    from matplotlib.cm import ScalarMappable

    system, (name,) = experiment.system, picture.observables
    columns = list(shown)
    rows = next(iter(shown.values()))
    times = matrices.times(picture, rows)
    items = [
        (key, answer, called, at)
        for key in picture.keys(experiment)
        for answer, called in answer_names(experiment, {name: _matching(rows, key)}).items()
        for at in times
    ]
    tables = [
        matrices.tabulate(columns, matrices.find_row(rows, picture, at, answer=answer, **key))
        for key, answer, _, at in items
    ]
    across = len(times) if picture.x else min(len(items), COLUMNS)
    canvas = Canvas.make(len(items), across, (3.0, 2.8), given)
    norm, colours = matrices.choose_scale(tables)
    for ax, (key, _, called, at), table in zip(canvas.panels, items, tables, strict=True):
        matrices.draw_matrix(ax, table, columns, norm, colours)
        where = "" if at is None else f"{system.coordinates[picture.x].symbol} = {at:.4g}"
        ax.set_title(", ".join(filter(None, (called, key_words(system, key), where))), fontsize="medium")
    down, right = system.observables[name].axes
    canvas.label(right, [down] * len(items))
    bar = canvas.figure.colorbar(ScalarMappable(norm, colours), ax=canvas.panels)
    bar.set_label(axis_label(system, name))
    return canvas


def _draw_maps(
    experiment: Experiment, shown: Mapping[str, list[Row]], picture: Picture, given: "Sequence[Axes] | None"
) -> Canvas:
    """Draw a row of maps for each answer, a column for each value of what is left of the sweep; one colour bar."""
    from matplotlib.cm import ScalarMappable

    (value,) = picture.observables
    along = str(picture.y)
    names = answer_names(experiment, shown)
    keys = picture.keys(experiment)
    items = [(answer, key) for answer in names for key in keys]
    asked = Translation(experiment, picture.convention)
    whole, translation = asked.of_map(shown[value], (picture.x, along), value)
    over = {name: {row[name] for row in whole} for name in (picture.x, along) if name in experiment.axes}
    reached = [row for row in shown[value] if not _diverged(row, experiment, picture)]
    translated = translation.of_map(reached, (picture.x, along), value)[0]
    ruled = translation.rules(picture, value, translated)
    grids, settled = [], []
    for answer, key in items:
        found = [row for row in _matching(translated, key) if row["answer"] == answer]
        grids.append(maps.tabulate(found, picture.x, along, value, over))
        calm = [row for row in found if row.get("diverged_at") is None]
        settled.append(maps.tabulate(calm, picture.x, along, value, over))
    predicted = contoured(experiment, names)
    norm = maps.choose_norm(settled)
    levels = maps.choose_levels(norm)
    across = _across(picture, keys, len(names))
    size = (4.6, 4.0) if len(items) <= COLUMNS else (3.6, 3.0)
    canvas = Canvas.make(len(items), across, size, given)
    for ax, (answer, key), grid in zip(canvas.panels, items, grids, strict=True):
        other = None if answer == predicted or predicted is None else grids[items.index((predicted, key))]
        maps.draw_map(ax, grid, norm, levels, picture, other)
        for name, number in ruled.mark:
            if name in (picture.x, along):
                mark = ax.axvline if name == picture.x else ax.axhline
                mark(number, **{**MARK, "color": "white", "linewidth": 1.6})
        words = (names[answer], key_words(experiment.system, key))
        ax.set_title(", ".join(filter(None, words)), fontsize="medium")
    horizontal, vertical = (axis_label(experiment.system, name, translation) for name in (picture.x, along))
    canvas.label(horizontal, [vertical] * len(items))
    largest = float(norm.vmax or 0.0)
    above = any(np.any(np.isfinite(table) & (table > largest)) for _, _, table in grids)
    mappable = ScalarMappable(norm, maps.COLOURS)
    bar = canvas.figure.colorbar(mappable, ax=canvas.panels, extend="max" if above else "neither", ticks=levels)
    bar.ax.minorticks_off()
    bar.ax.set_yticks(levels, [f"{level:.4g}" for level in levels])
    bar.set_label(axis_label(experiment.system, value, translation))
    return canvas


def _across(picture: Picture, keys: Sequence[Row], kinds: int) -> int:
    """Return how many panels are side by side: those of the last of several parameters, or of an observable."""
    if len(picture.panels) > 1:
        return len({key[picture.panels[-1]] for key in keys})
    if len(keys) > 1 and kinds > 1:
        return len(keys)
    count = len(keys) * kinds
    return 2 if count == COLUMNS + 1 else min(count, COLUMNS)


def _matching(rows: Iterable[Row], key: Row) -> list[Row]:
    return [row for row in rows if all(row[name] == wanted for name, wanted in key.items())]


def _diverged(row: Row, experiment: Experiment, picture: Picture) -> bool:
    """Return whether a row is a mean over those draws alone that had not diverged by then."""
    coordinate, at = experiment.system.running(), row.get("diverged_at")
    return at is not None and coordinate in (picture.x, picture.y) and row[str(coordinate)] >= at
