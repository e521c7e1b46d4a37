"""Draws a finished run: panels of curves, or maps, with their legend, colour bar and what a reader must know."""

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tsmech.errors import InputError
from tsmech.experiment import Experiment
from tsmech.plots import curves, maps
from tsmech.plots.legend import MARK, handles
from tsmech.plots.picture import Picture, Row, choose, visible
from tsmech.plots.style import STYLE as STYLE
from tsmech.plots.style import own_style, place_ticks
from tsmech.plots.theory import Theory
from tsmech.plots.words import answer_names, axis_label, key_words, notes, symbols, title, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 3
"""Panels side by side, where they are all of one kind."""
LETTERS, LETTER = 16, 0.08
"""Letters of a legend for which a figure has room, and the inches that each further one adds to its width."""
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
    x: str | None = None,
    y: Sequence[str] | None = None,
    by: str | None = None,
    value: str | None = None,
    together: bool | None = None,
    log: str | Sequence[str] | None = None,
    mark: Mapping[str, float] | None = None,
) -> "Figure":
    """Return a figure of a run: curves, or with a ``value`` a map.

    Parameters
    ----------
    experiment
        What was asked.
    rows
        The run's summary rows.
    x
        The horizontal axis: a parameter or the coordinate.
    y
        Observables, one panel each; with a ``value`` the vertical axis of the map, a parameter or the coordinate.
    by
        The parameter that tells curves apart by colour, or the one whose values have panels (of maps, or where
        observables are ``together``).
    value
        The observable that a map shows.
    together
        Whether all observables share one panel, told apart by colour.
    log
        Which axes are logarithmic: ``x``, ``y``, both or ``none``; chosen by the values where it is None.
    mark
        Numbers that a line marks, by the parameter whose axis has them.

    Raises
    ------
    InputError
        Where the run does not hold what is to be drawn.
    """
    picture = choose(experiment, x=x, y=y, by=by, value=value, together=together, log=log, mark=mark)
    listed = list(rows)
    shown = {observable: visible(experiment, picture, listed, observable) for observable in picture.observables}
    for observable in [observable for observable, found in shown.items() if not found]:
        if y or value or len(shown) == 1:
            raise InputError(f"{observable} cannot be drawn: the run has no single numbers of it along {picture.x}")
        del shown[observable]
    with own_style():
        figure = _draw_maps(experiment, shown, picture) if picture.y else _draw_curves(experiment, shown, picture)
        width = figure.get_figwidth()
        figure.suptitle(title(experiment, int(10 * width)))
        if words := notes(experiment, shown, picture):
            figure.supxlabel(textwrap.fill("; ".join(words), int(16 * width)), fontsize=8, color="0.35")
    return figure


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


def _draw_curves(experiment: Experiment, shown: Mapping[str, list[Row]], picture: Picture) -> "Figure":
    """Draw a row of panels for each observable, a column for each value of what is left of the sweep."""
    keys = picture.keys(experiment)
    kinds = [tuple(shown)] if picture.together else [(observable,) for observable in shown]
    items = [(kind, key) for kind in kinds for key in keys]
    across = _across(picture, keys, len(kinds))
    size = (5.2, 4.2) if len(items) <= COLUMNS else (4.0, 3.3)
    figure, panels = _panels(len(items), across, size)
    theory = Theory(experiment)
    ys, off = [], False
    for ax, (kind, key) in zip(panels, items, strict=False):
        whole = {observable: shown[observable] for observable in kind}
        limits = curves.choose_scales(ax, experiment, whole, picture, theory)
        part = {observable: _matching(found, key) for observable, found in whole.items()}
        off |= curves.draw_curves(ax, experiment, part, picture, limits, theory)
        for name, number in picture.mark:
            if name == picture.x:
                ax.axvline(number, zorder=1.5, **MARK)
        place_ticks(ax)
        ys.append(axis_label(experiment.system, kind[0]) if len(kind) == 1 else symbols(experiment.system, kind))
        if key:
            ax.set_title(key_words(experiment.system, key), fontsize="medium")
    _label(panels, across, axis_label(experiment.system, picture.x), ys, size)
    _draw_bar(figure, panels[: len(items)], experiment, shown, picture)
    entries = handles(experiment, shown, picture, off)
    figure.legend(handles=entries, loc="outside right center")
    longest = max(len(str(entry.get_label())) for entry in entries)
    figure.set_figwidth(figure.get_figwidth() + LETTER * max(0, longest - LETTERS))
    return figure


def _draw_bar(
    figure: "Figure", panels: Sequence["Axes"], experiment: Experiment, shown: Mapping[str, list[Row]], picture: Picture
) -> None:
    """Draw the colour bar of the numbers that colour tells apart, where they are many."""
    from matplotlib.cm import ScalarMappable

    values = curves.codes(picture, [row for found in shown.values() for row in found])
    if not curves.has_bar(values):
        return
    figure.set_figwidth(figure.get_figwidth() + 1.0)
    norm = curves.colour_norm(values)
    bar = figure.colorbar(ScalarMappable(norm, curves.COLOURS), ax=panels)
    bar.ax.set_ylim(min(values), max(values))
    bar.set_label(axis_label(experiment.system, str(picture.by)))
    place_ticks(bar.ax)


def _draw_maps(experiment: Experiment, shown: Mapping[str, list[Row]], picture: Picture) -> "Figure":
    """Draw a row of maps for each answer, a column for each value of what is left of the sweep; one colour bar."""
    from matplotlib.cm import ScalarMappable

    (value,) = picture.observables
    along = str(picture.y)
    names = answer_names(experiment, shown)
    keys = picture.keys(experiment)
    items = [(answer, key) for answer in names for key in keys]
    grids, settled = [], []
    for answer, key in items:
        found = [row for row in _matching(shown[value], key) if row["answer"] == answer]
        kept = [row for row in found if not _diverged(row, experiment, picture)]
        grids.append(maps.tabulate(kept, picture.x, along, value))
        calm = [row for row in found if row.get("diverged_at") is None]
        settled.append(maps.tabulate(calm, picture.x, along, value))
    norm = maps.choose_norm(settled)
    levels = maps.choose_levels(norm)
    across = _across(picture, keys, len(names))
    size = (4.6, 4.0) if len(items) <= COLUMNS else (3.6, 3.0)
    figure, panels = _panels(len(items), across, size)
    for ax, (answer, key), grid in zip(panels, items, grids, strict=False):
        theory = grids[items.index(("theory", key))] if ("theory", key) in items and answer != "theory" else None
        maps.draw_map(ax, grid, norm, levels, picture, theory)
        for name, number in picture.mark:
            if name in (picture.x, along):
                mark = ax.axvline if name == picture.x else ax.axhline
                mark(number, **{**MARK, "color": "white", "linewidth": 1.6})
        words = (names[answer], key_words(experiment.system, key))
        ax.set_title(", ".join(filter(None, words)), fontsize="medium")
    horizontal, vertical = (axis_label(experiment.system, name) for name in (picture.x, along))
    _label(panels, across, horizontal, [vertical] * len(items), size)
    largest = float(norm.vmax or 0.0)
    above = any(np.any(np.isfinite(table) & (table > largest)) for _, _, table in grids)
    mappable = ScalarMappable(norm, maps.COLOURS)
    bar = figure.colorbar(mappable, ax=panels[: len(items)], extend="max" if above else "neither", ticks=levels)
    bar.ax.minorticks_off()
    bar.ax.set_yticks(levels, [f"{level:.4g}" for level in levels])
    bar.set_label(axis_label(experiment.system, value))
    return figure


def _across(picture: Picture, keys: Sequence[Row], kinds: int) -> int:
    """Return how many panels are side by side: those of the last of several parameters, or of an observable."""
    if len(picture.panels) > 1:
        return len({key[picture.panels[-1]] for key in keys})
    if len(keys) > 1 and kinds > 1:
        return len(keys)
    count = len(keys) * kinds
    return 2 if count == COLUMNS + 1 else min(count, COLUMNS)


def _panels(count: int, across: int, size: tuple[float, float]) -> tuple["Figure", list["Axes"]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    down = math.ceil(count / across)
    figure = Figure(figsize=(size[0] * across + 0.6, size[1] * down), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(down, across, squeeze=False).flat)


def _label(panels: Sequence["Axes"], across: int, x: str, ys: Sequence[str], size: tuple[float, float]) -> None:
    """Label the axes of the panels that stay, except where a neighbour says it already; take away the others."""
    for ax in panels[len(ys) :]:
        ax.remove()
    for place, (ax, y) in enumerate(zip(panels, ys, strict=False)):
        if place + across >= len(ys):
            ax.set_xlabel(wrapped(x, size[0]))
        if place % across == 0 or y != ys[place - 1]:
            ax.set_ylabel(wrapped(y, size[1]))


def _matching(rows: Iterable[Row], key: Row) -> list[Row]:
    return [row for row in rows if all(row[name] == wanted for name, wanted in key.items())]


def _diverged(row: Row, experiment: Experiment, picture: Picture) -> bool:
    """Return whether a row is a mean over those draws alone that had not diverged by then."""
    coordinate, at = experiment.system.running(), row.get("diverged_at")
    return at is not None and coordinate in (picture.x, picture.y) and row[str(coordinate)] >= at
