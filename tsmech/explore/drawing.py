"""What a page draws, without how: panels of curves, of cells or of trails, with their axes in words."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsmech.plots.picture import Row
from tsmech.plots.translation import Translation
from tsmech.problem.observables import observable_of
from tsmech.problem.system import System

Array = NDArray[np.float64]

BOTTOM = 1e-12
"""Least value of a logarithmic axis as a share of the largest, where a picture on paper would choose nothing."""


class Series(NamedTuple):
    """One curve: an answer's values of one column, with the values of what tells curves apart."""

    column: str
    answer: str
    x: Array
    y: Array
    error: Array
    """Standard errors."""
    width: Array
    """How far to both sides of its mean a simulation is shown: its standard error, or the spread of draws."""
    colour: str
    marker: str
    dashes: str
    label: str
    """What tells it apart, in words."""
    joined: bool
    """Whether a line leads from place to place."""
    predicts: bool
    network: bool
    weight: float = 1.0
    """How heavy its line is: it tells two predictions apart."""


class Colours(NamedTuple):
    """A scale of colours: its ends, its palette by Matplotlib's name, and what it stands for in words."""

    low: float
    high: float
    logarithmic: bool
    palette: str
    label: str


class Cells(NamedTuple):
    """The cells of a map or a matrix.

    Parameters
    ----------
    xs, ys
        Where their centres are, increasing, shapes (n,) and (m,).
    table, errors
        Their values and standard errors, shape (m, n); NaN where there is none.
    colours
        Their scale.
    whole
        Whether the outermost cells are whole: of a map they end where its values end.
    """

    xs: Array
    ys: Array
    table: Array
    errors: Array
    colours: Colours
    whole: bool = False


class Trail(NamedTuple):
    """One answer's way through two observables: each place has both with their errors, and where on the curve it is."""

    answer: str
    along: Array
    x: Array
    y: Array
    x_error: Array
    y_error: Array
    label: str
    name: str
    """What stands at its end; empty where nothing does."""
    onward: bool
    """Whether its end is to the right of its beginning."""
    joined: bool
    network: bool


class Trails(NamedTuple):
    """The trails of one panel, coloured by where on the curve they are, and those of a saved run under them."""

    trails: Sequence[Trail]
    colours: Colours
    under: Sequence[Trail] = ()


class Panel(NamedTuple):
    """One panel: its axes in words, their scales and ranges, and what is drawn."""

    title: str
    x_label: str
    y_label: str
    x_log: bool
    y_log: bool
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    names: tuple[str, ...] = ()
    """The values of a horizontal axis that has names."""
    series: Sequence[Series] = ()
    under: Sequence[Series] = ()
    """What a saved run has of it, which lies below."""
    cells: Cells | None = None
    trails: Trails | None = None
    y_names: tuple[str, ...] = ()
    rules: Sequence[tuple[str, float, str]] = ()
    """Numbers that a line marks: the axis that has them, the number, and what it is in words."""
    note: str = ""


class Drawing(NamedTuple):
    """All panels of a page, and the legend: what colours say."""

    panels: Sequence[Panel]
    legend: Sequence[tuple[str, str, str]]
    """A colour, a marker and words each."""
    heading: str
    """What all panels show, where none of them says it."""
    answers: Sequence[str]
    marks: Sequence[str]
    """How each answer looks: a line, a dot, a ring."""
    notes: Sequence[str] = ()
    """What a reader must know of the picture."""


def spread_range(values: Array, logarithmic: bool, margin: float) -> tuple[float, float]:
    """Return the range of an axis that has values, with a margin on both sides."""
    values = values[np.isfinite(values) & ((values > 0) | (not logarithmic))]
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


def axis_words(system: type[System], name: str, translation: Translation | None = None) -> str:
    """Return what an axis is called: its symbol and its words, a paper's symbol with ours behind."""
    symbol, words = plain_entry(system, name), _words(system, name)
    unit = getattr(system.coordinates.get(name), "unit", "")
    words = f"{words}, in units of {unit}" if unit else words
    theirs = None if translation is None else translation.symbol(name)
    return f"{symbol}   ({words})" if theirs is None else f"{theirs}   (ours: {symbol}, {words})"


def _words(system: type[System], name: str) -> str:
    if name in system.parameters():
        return re.split("[;(]", system.parameters()[name].help)[0].strip()
    known: Mapping[str, Any] = {**system.coordinates, **system.observables}
    return str(known[observable_of(name)].label)


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


def key_words(system: type[System], key: Mapping[str, Any]) -> str:
    """Return such words as ``λ = 0.1, σ = 0.5``."""
    return ", ".join(f"{plain_symbol(system, name)} = {said(value)}" for name, value in key.items())


def matching(rows: Sequence[Row], wanted: Mapping[str, Any]) -> list[Row]:
    """Return the rows that have these values."""
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def column(rows: Sequence[Row], name: str, missing: float = np.nan) -> Array:
    """Return a column of rows as numbers."""
    return np.array([missing if row.get(name) is None else row[name] for row in rows], dtype=float)
