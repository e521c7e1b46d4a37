"""Draws a finished run: panels of curves, or maps, with their legend, colour bar and what a reader must know."""

import math
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tsmech.errors import InputError
from tsmech.experiment import Experiment
from tsmech.plots import curves, maps
from tsmech.plots.picture import Picture, Row, choose, is_geometric, spread, visible
from tsmech.systems.contract import SIMULATIONS, System

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLE = Path(__file__).with_name("tsmech.mplstyle")
COLUMNS = 3
"""Panels side by side, where they are all of one kind."""
LETTERS, LETTER = 16, 0.08
"""Letters of a legend for which a figure has room, and the inches that each further one adds to its width."""
MOST_NAMED = 10
"""Colours that a legend names; of more values evenly spaced ones."""


def draw(
    experiment: Experiment,
    rows: Iterable[Row],
    *,
    x: str | None = None,
    y: Sequence[str] | None = None,
    by: str | None = None,
    value: str | None = None,
    together: bool | None = None,
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

    Raises
    ------
    InputError
        Where the run does not hold what is to be drawn.
    """
    import matplotlib.style

    picture = choose(experiment, x=x, y=y, by=by, value=value, together=together)
    listed = list(rows)
    shown = {observable: visible(experiment, picture, listed, observable) for observable in picture.observables}
    for observable in [observable for observable, found in shown.items() if not found]:
        if y or value or len(shown) == 1:
            raise InputError(f"{observable} cannot be drawn: the run has no single numbers of it along {picture.x}")
        del shown[observable]
    with matplotlib.style.context(STYLE):
        figure = _draw_maps(experiment, shown, picture) if picture.y else _draw_curves(experiment, shown, picture)
        width = figure.get_figwidth()
        if experiment.title:
            figure.suptitle(textwrap.fill(experiment.title, int(10 * width)))
        if notes := _notes(experiment, shown, picture):
            figure.supxlabel(textwrap.fill("; ".join(notes), int(16 * width)), fontsize=8, color="0.35")
    return figure


def save(figure: "Figure", directory: Path, stem: str = "figure") -> list[Path]:
    """Write a figure as PNG and SVG, each whole or not at all; return the files."""
    import matplotlib.style

    from tsmech.store.directory import replace_file

    written = []
    for suffix, metadata in ((".png", {"Software": None}), (".svg", {"Date": None})):
        path = directory / f"{stem}{suffix}"
        with replace_file(path) as partial, matplotlib.style.context(STYLE):
            figure.savefig(partial, format=suffix[1:], metadata=metadata)
        written.append(path)
    return written


def _draw_curves(experiment: Experiment, shown: Mapping[str, list[Row]], picture: Picture) -> "Figure":
    """Draw a row of panels for each observable, a column for each value of what is left of the sweep."""
    keys = picture.keys(experiment)
    kinds = [tuple(shown)] if picture.together else [(observable,) for observable in shown]
    items = [(kind, key) for kind in kinds for key in keys]
    across = len(keys) if len(keys) > 1 and len(kinds) > 1 else min(len(items), COLUMNS)
    size = (5.2, 4.2) if len(items) <= COLUMNS else (4.0, 3.3)
    figure, panels = _panels(len(items), across, size)
    ys, off = [], False
    for ax, (kind, key) in zip(panels, items, strict=False):
        whole = {observable: shown[observable] for observable in kind}
        top = curves.choose_scales(ax, whole, picture.x, list(experiment.axes))
        part = {observable: _matching(found, key) for observable, found in whole.items()}
        off |= curves.draw_curves(ax, experiment, part, picture, top)
        ys.append(axis_label(experiment.system, kind[0]) if len(kind) == 1 else _symbols(experiment.system, kind))
        if key:
            ax.set_title(_key_words(experiment.system, key), fontsize="medium")
    _label(panels, across, axis_label(experiment.system, picture.x), ys, size)
    handles = _handles(experiment, shown, picture, off)
    figure.legend(handles=handles, loc="outside right center")
    longest = max(len(handle.get_label()) for handle in handles)
    figure.set_figwidth(figure.get_figwidth() + LETTER * max(0, longest - LETTERS))
    return figure


def _draw_maps(experiment: Experiment, shown: Mapping[str, list[Row]], picture: Picture) -> "Figure":
    """Draw a row of maps for each answer, a column for each value of what is left of the sweep; one colour bar."""
    from matplotlib.cm import ScalarMappable

    (value,) = picture.observables
    along = str(picture.y)
    names = _answer_names(experiment, shown)
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
    across = len(keys) if len(keys) > 1 and len(names) > 1 else min(len(items), COLUMNS)
    size = (4.6, 4.0) if len(items) <= COLUMNS else (3.6, 3.0)
    figure, panels = _panels(len(items), across, size)
    for ax, (answer, key), grid in zip(panels, items, grids, strict=False):
        theory = grids[items.index(("theory", key))] if ("theory", key) in items and answer != "theory" else None
        maps.draw_map(ax, grid, norm, levels, theory)
        words = (names[answer], _key_words(experiment.system, key))
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


def _panels(count: int, across: int, size: tuple[float, float]) -> tuple["Figure", list["Axes"]]:
    from matplotlib.figure import Figure

    down = math.ceil(count / across)
    figure = Figure(figsize=(size[0] * across + 0.6, size[1] * down), layout="constrained")
    return figure, list(figure.subplots(down, across, squeeze=False).flat)


def _label(panels: Sequence["Axes"], across: int, x: str, ys: Sequence[str], size: tuple[float, float]) -> None:
    """Label the axes of the panels that stay, except where a neighbour says it already; take away the others."""
    for ax in panels[len(ys) :]:
        ax.remove()
    for place, (ax, y) in enumerate(zip(panels, ys, strict=False)):
        if place + across >= len(ys):
            ax.set_xlabel(_wrapped(x, size[0]))
        if place % across == 0 or y != ys[place - 1]:
            ax.set_ylabel(_wrapped(y, size[1]))


def _matching(rows: Iterable[Row], key: Row) -> list[Row]:
    return [row for row in rows if all(row[name] == wanted for name, wanted in key.items())]


def _diverged(row: Row, experiment: Experiment, picture: Picture) -> bool:
    """Return whether a row is a mean over those draws alone that had not diverged by then."""
    coordinate, at = experiment.system.coordinate, row.get("diverged_at")
    return at is not None and coordinate in (picture.x, picture.y) and row[str(coordinate)] >= at


def axis_label(system: type[System], name: str) -> str:
    """Return the symbol and the words of a parameter, an observable or the coordinate."""
    if name in system.observables:
        described = system.observables[name]
        return f"{_mathematical(described.symbol)}   ({described.label})"
    declared = system.parameters().get(name)
    if declared is None:
        return system.coordinate_words or name
    return f"{_mathematical(declared.symbol)}   ({re.split('[;(]', declared.help)[0].strip()})"


def _wrapped(label: str, inches: float) -> str:
    """Return a label on as many lines as it needs beside a panel of a given length."""
    symbol, gap, words = label.partition("   ")
    return symbol + gap + textwrap.fill(words, int(12 * inches) - 4) if gap else label


def _symbols(system: type[System], observables: Iterable[str]) -> str:
    return ",   ".join(_mathematical(system.observables[observable].symbol) for observable in observables)


def _mathematical(symbol: str) -> str:
    """Return a symbol such as ``ε_test`` with its subscript set as one."""
    head, _, subscript = symbol.partition("_")
    return rf"${head}_{{\mathrm{{{subscript}}}}}$" if subscript else symbol


def _key_words(system: type[System], key: Row) -> str:
    """Return such words as ``λ = 0.1, σ = 0.5``."""
    symbols = {name: _mathematical(system.parameters()[name].symbol) for name in key}
    return ", ".join(f"{symbols[name]} = {_words(value)}" for name, value in key.items())


def _words(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _answer_names(experiment: Experiment, shown: Mapping[str, list[Row]]) -> dict[str, str]:
    """Return what the points that are shown call each answer, each name once."""
    rows = [row for found in shown.values() for row in found]
    answers = list(dict.fromkeys(row["answer"] for row in rows))
    if experiment.system.answer_label is System.answer_label:
        return {answer: answer for answer in answers}
    names: dict[str, dict[str, None]] = {answer: {} for answer in answers}
    for place in dict.fromkeys((row["answer"], *(row[name] for name in experiment.axes)) for row in rows):
        point = experiment.system(**experiment.fixed, **dict(zip(experiment.axes, place[1:], strict=True)))
        names[place[0]][point.answer_label(place[0])] = None
    return {answer: "; ".join(found) for answer, found in names.items()}


def _handles(experiment: Experiment, shown: Mapping[str, list[Row]], picture: Picture, off: bool) -> list[Any]:
    """Return the legend: the answers, what colour says, and what an arrowhead means."""
    from matplotlib.lines import Line2D

    rows = [row for found in shown.values() for row in found]
    answers = {row["answer"] for row in rows}
    alone = curves.is_alone(experiment, picture, rows)
    handles = []
    for answer, name in _answer_names(experiment, shown).items():
        style: dict[str, Any] = {"linestyle": "--" if alone else "-"}
        if answer in SIMULATIONS:
            marked = curves.face(answer, "0.3") | {"marker": "o", "linestyle": "-" if alone else ""}
            style = {**marked, "linewidth": 0.9}
            name = f"{name}, one network" if alone else name
        handles.append(Line2D([], [], **{"color": "0.3", **style}, label=name))
    values = curves.codes(picture, rows)
    listed = spread([value for value in values if value is not None], MOST_NAMED)
    for value in listed:
        label = experiment.system.observables[value].label if picture.together else None
        label = label or _key_words(experiment.system, {str(picture.by): value})
        colour, marker, dashes = curves.look(values.index(value), len(values))
        style = {"linewidth": 0.9} if alone else {"linestyle": dashes if "theory" in answers else ""}
        style |= {"marker": marker if answers & {*SIMULATIONS} else ""}
        style |= {"markerfacecolor": colour if "reduced" in answers and not alone else "none"}
        handles.append(Line2D([], [], color=colour, label=label, **style))
    if off:
        style = {"marker": "^", "markersize": 8, "markerfacecolor": "none", "linestyle": ""}
        handles.append(Line2D([], [], color="0.3", label="off the scale", **style))
    return handles


def _notes(experiment: Experiment, shown: Mapping[str, list[Row]], picture: Picture) -> list[str]:
    """Return what a reader of the picture must know: remarks of the system, and what the picture leaves out."""
    system = experiment.system
    rows = [row for found in shown.values() for row in found]
    answers = {row["answer"] for row in rows}
    notes = experiment.remarks() if answers != {"direct"} else []  # the network itself approximates nothing
    coordinate, axes = system.coordinate, (picture.x, picture.y)
    if coordinate not in (None, *axes) and not all(system.observables[name].summary for name in shown):
        ends = {row[coordinate] for row in rows if row.get("diverged_at") is None}
        at = f"= {ends.pop():.4g}" if len(ends) == 1 else "where each curve ends"
        notes.append(f"at {coordinate} {at}")
    for name in picture.panels:
        used, known = {key[name] for key in picture.keys(experiment)}, experiment.axes[name]
        if len(used) < len(known):
            notes.append(f"{len(used)} of the {len(known)} values of {name} are shown")
    for name in filter(None, axes):
        values = [row[name] for row in rows]
        if min(values) == 0 and is_geometric(values):
            notes.append(f"{name} = 0 has no place on a logarithmic axis")
    diverged = dict.fromkeys(row["answer"] for row in rows if row.get("diverged_at") is not None)
    infinite = any(math.isinf(row[observable]) for observable, found in shown.items() for row in found)
    if picture.y:
        notes += ["dashed: the contours of theory"] if "theory" in answers and len(answers) > 1 else []
        notes += ["hatched: infinite, or diverged" if diverged else "hatched: infinite"] if infinite else []
        notes += ["grey: no value"] if coordinate in axes and diverged else []
    if diverged:
        notes.append(f"draws of {', '.join(diverged)} diverged")
    return notes
