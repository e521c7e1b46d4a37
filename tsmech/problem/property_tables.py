"""Tables of items and their properties in text files: a header of property names, and a row for each named item."""

import csv
import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.problem.files import check_regular
from tsmech.problem.parameters import LARGEST, nearest
from tsmech.words import printable, shown

Array = NDArray[np.float64]

LARGEST_FILE = 1 << 26
"""Bytes of the largest table that is read."""
FORBIDDEN = ",[]"
"""Characters that columns of results use between and around names."""


class PropertyTable(NamedTuple):
    """Items and their properties."""

    values: Array
    """Shape (items, properties)."""
    items: tuple[str, ...]
    properties: tuple[str, ...]

    @property
    def binary(self) -> bool:
        """Whether every value says that an item has a property (1) or lacks it (0, or -1)."""
        return set(np.unique(self.values)) in ({0.0, 1.0}, {-1.0, 1.0})

    def coherence(self, items: Sequence[str]) -> float:
        """Return the share of the variance of these items' properties that they share."""
        unknown = [one for one in items if one not in self.items]
        if unknown or len(items) < 2:
            raise InputError(f"coherence needs two items or more of the table, not {', '.join(unknown or items)}")
        values = self.values - self.values.mean(axis=0)
        chosen = values[[self.items.index(one) for one in items]]
        total = float((chosen**2).sum(axis=1).mean())
        return float((chosen.mean(axis=0) ** 2).sum()) / total if total > 0 else 0.0


def find(name: str, given: str | None, known: tuple[str, ...]) -> int | None:
    """Return the place of an item or a property that is given by its name or its number from 0; None of none."""
    if given is None or given in known:
        return None if given is None else known.index(given)
    if given.isascii() and given.isdigit() and len(given) < 10 and int(given) < len(known):
        return int(given)
    raise InputError(f"{name} = {given} is not in the table: {nearest(given, known)}")


def read_property_table(path: str, name: str) -> PropertyTable:
    """Return the table in a file whose cells are separated by commas, semicolons or tabs.

    Raises
    ------
    InputError
        With the row and the column of what is wrong: a ragged row, a cell that is no number, an item or property that
        comes twice, a property that is the same for all items.
    """
    try:
        found = os.stat(path)
        check_regular(found.st_mode, f"{name} = {path} cannot be read")
        if found.st_size > LARGEST_FILE:
            raise InputError(f"{name} = {path} is not allowed: it has {found.st_size} bytes, at most {LARGEST_FILE}")
        with open(path, encoding="utf-8-sig", newline="") as file:
            lines = [line for line in file if line.strip() and not line.lstrip().startswith("#")]
    except InputError:
        raise
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{name} = {path} cannot be read: {reason}") from None
    if len(lines) < 3:
        raise InputError(f"{name} = {path} holds {len(lines)} lines: a header and two items are needed")
    separator = max("\t;,", key=lines[0].count)
    try:
        header, *rows = csv.reader(lines, delimiter=separator, skipinitialspace=True)
    except csv.Error as error:
        raise InputError(f"{name} = {path} cannot be read: {error}") from None
    table = _tabulate(header, rows, f"{name} = {path}")
    _refuse_twins(table, f"{name} = {path}")
    return table


def _tabulate(header: list[str], rows: list[list[str]], what: str) -> PropertyTable:
    properties = [cell.strip() for cell in header[1:]]
    if not properties:
        raise InputError(f"{what} has no properties: its first row must name them, from the second cell on")
    items, values = [], np.empty((len(rows), len(properties)))
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise InputError(f"{what} is ragged: row {number} has {len(row)} cells, the header {len(header)}")
        items.append(row[0].strip())
        for column, cell in enumerate(row[1:]):
            try:
                values[number - 2, column] = float(cell)
            except ValueError:
                raise InputError(
                    f"{what} holds {shown(cell)} in row {number}, column {column + 2}: no number"
                ) from None
    wrong = np.argwhere(~(np.abs(values) <= LARGEST))
    if wrong.size:
        row_of, column_of = wrong[0]
        raise InputError(f"{what} holds {values[row_of, column_of]} in row {row_of + 2}, column {column_of + 2}")
    for kind, names in (("item", items), ("property", properties)):
        for place, one in enumerate(names):
            if not one or printable(one) != one or any(letter in one for letter in FORBIDDEN):
                raise InputError(f"{what} names {kind} {place + 1} {shown(one)}: a printable name without {FORBIDDEN}")
            if one in names[:place]:
                raise InputError(f"{what} has the {kind} {shown(one)} twice")
    return PropertyTable(values, tuple(items), tuple(properties))


def _refuse_twins(table: PropertyTable, what: str) -> None:
    """Refuse properties that tell no items apart, and items that nothing tells apart."""
    constant = np.flatnonzero(np.ptp(table.values, axis=0) == 0)
    if constant.size:
        named = table.properties[constant[0]]
        raise InputError(f"{what} has the property {shown(named)}, which is the same for all items: leave it out")
    _, first, which = np.unique(table.values, axis=0, return_index=True, return_inverse=True)
    twins = np.flatnonzero(first[which.ravel()] != np.arange(len(table.items)))
    if twins.size:
        one, other = table.items[first[which.ravel()[twins[0]]]], table.items[twins[0]]
        raise InputError(
            f"{what} has {shown(one)} and {shown(other)} with the same properties: no network tells them apart"
        )
