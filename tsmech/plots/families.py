"""Vectors and matrices as families of lines: which entries there are, and how each of them looks.

Colour says the first index of an entry, marker and dashes how far the second is from it: the diagonal of a matrix is
solid.  Of a large matrix the diagonal and the rest have one look each, of a long vector colour runs along the index.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tsmech.errors import InputError
from tsmech.experiment import is_family
from tsmech.plots import curves
from tsmech.plots.picture import Row, beside
from tsmech.plots.words import entry_symbol, mathematical
from tsmech.problem.observables import observable_of
from tsmech.problem.system import System

MOST_ENTRIES = 12
"""Entries of which each has a look of its own."""
NAMED = 5
"""Entries of a long vector that the legend names."""
ROUNDING = 1e-9
"""Relative difference within which two entries of a symmetric matrix are the same."""


class Style(NamedTuple):
    """How an entry looks, and what the legend calls the entries that look so; empty where it does not."""

    look: curves.Look
    label: str


def columns(system: type[System], name: str, rows: Sequence[Row]) -> list[str]:
    """Return the columns that an observable, or one of its entries, is drawn from: those of a symmetric matrix once.

    Raises
    ------
    InputError
        Where the run has no such entry.
    """
    if not is_family(system, name) and "[" not in name:
        declared = system.observables.get(name)
        if declared is None or not declared.single or any(name in row for row in rows):
            return [name]
    every = dict.fromkeys(itertools.chain.from_iterable(rows))
    found = [column for column in every if column.endswith("]") and observable_of(column) == observable_of(name)]
    if "*" in name:
        kept = [column for column in found if beside(name, column) == column]
        if not kept:
            raise InputError(f"--y {name} cannot be drawn: the run has {_listed(found)}")
        return kept
    if "[" in name:
        if found and name not in found:
            raise InputError(f"--y {name} cannot be drawn: the run has {_listed(found)}")
        return [name] if found else []
    kept = list(found)
    if all(all(index.isdigit() for index in indices(column)) for column in kept):
        kept.sort(key=lambda column: [int(index) for index in indices(column)])
    axes = system.observables[name].axes
    if len(axes) == 2 and axes[0] == axes[1]:
        place = {column: n for n, column in enumerate(kept)}
        twins = {column: f"{name}[{', '.join(reversed(indices(column)))}]" for column in kept}
        symmetric = all(_same(row, column, twins[column]) for row in rows for column in kept)
        kept = [column for column in kept if not symmetric or place[column] <= place.get(twins[column], len(kept))]
    return kept


def spread(system: type[System], drawn: Mapping[str, Sequence[str]]) -> bool:
    """Return whether any of the observables that are drawn is drawn entry by entry."""
    return any(is_family(system, name) or list(columns) not in ([name], []) for name, columns in drawn.items())


def indices(column: str) -> list[str]:
    """Return the indices of an entry as the table writes them."""
    return column.partition("[")[2][:-1].split(", ")


def styles(system: type[System], drawn: Sequence[str]) -> dict[str, Style]:
    """Return how the columns of one panel look."""
    names = dict.fromkeys(map(observable_of, drawn))
    first = list(dict.fromkeys(indices(column)[0] for column in drawn))
    second = list(dict.fromkeys(index for column in drawn for index in indices(column)[1:2]))
    if len(names) > 1 or (len(drawn) <= MOST_ENTRIES and not second) or any("[" not in column for column in drawn):
        return {column: Style(curves.look(column, drawn), entry_symbol(system, column)) for column in drawn}
    symbol = mathematical(system.observables[next(iter(names))].symbol)
    if not second or any(len(indices(column)) > 2 for column in drawn):
        shown = {drawn[round(n * (len(drawn) - 1) / (NAMED - 1))] for n in range(NAMED)}
        return {
            column: Style(
                (curves.shade(0.9 * place / max(1, len(drawn) - 1)), "o", "-"),
                entry_symbol(system, column) * (column in shown),
            )
            for place, column in enumerate(drawn)
        }
    every = list(dict.fromkeys([*first, *second])) if {*first} & {*second} else []
    found = {}
    for column in drawn:
        row, place = indices(column)
        offset = every.index(place) - every.index(row) if every else second.index(place) - first.index(row)
        if len(drawn) > MOST_ENTRIES:
            diagonal = offset == 0
            label = f"{symbol}, diagonal" if diagonal else f"{symbol}, off the diagonal"
            found[column] = Style(curves.look(str(int(not diagonal)), ["0", "1"]), label)
            continue
        colour = curves.look(row, first)[0]
        width = len(every or second)
        marker, dashes = (kinds[offset % width % len(kinds)] for kinds in (curves.MARKERS, curves.DASHES))
        found[column] = Style((colour, marker, dashes), entry_symbol(system, column))
    return found


def looks(found: Mapping[str, Style]) -> dict[str, curves.Look]:
    """Return the look of each column."""
    return {column: style.look for column, style in found.items()}


def _same(row: Row, one: str, other: str) -> bool:
    a, b = row.get(one), row.get(other)
    return a is b or (a is not None and b is not None and abs(a - b) <= ROUNDING * max(abs(a), abs(b)))


def _listed(found: Sequence[str]) -> str:
    return ", ".join(found) if len(found) <= MOST_ENTRIES else f"{', '.join(found[:3])}, ... {found[-1]}"
