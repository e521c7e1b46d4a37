"""Tables of items and their properties in files: a header of property names, and a row for each named item."""

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.problem import text_tables
from tsmech.problem.columns import index_by_name
from tsmech.problem.files import UNREADABLE, check_regular, read_table
from tsmech.problem.parameters import LARGEST
from tsmech.words import nearest, printable, shown

Array = NDArray[np.float64]

ARRAYS = (".npy", ".npz")
LARGEST_FILE = 1 << 26
"""Bytes of the largest table that is read, and characters of one that is packed."""
COLUMNS = str.maketrans(",[]", ";()")
"""Characters that columns of results use between and around names, and what stands in their place there."""
SWITCHES = {"true": "1", "false": "0"}
"""How tables of what is so and what is not are written as well."""


class PropertyTable(NamedTuple):
    """Items and their properties."""

    values: Array
    """Shape (items, properties)."""
    items: tuple[str, ...]
    properties: tuple[str, ...]

    @property
    def binary(self) -> bool:
        """Whether every value says that an item has a property (1) or lacks it (0, or -1)."""
        held = set(np.unique(self.values))
        return held <= {0.0, 1.0} or held <= {-1.0, 1.0}

    def item_columns(self) -> tuple[str, ...]:
        """Return what columns of results call the items: by their names, without the marks that columns use."""
        return tuple(one.translate(COLUMNS) for one in self.items)

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
    """Return the table in a file: text, as it is usually written and packed, or an array of NumPy.

    A text has a header of property names, and a row for each item that begins with its name; an index before the names
    is left out.  True and False are 1 and 0.  Items and properties of an array are named by their numbers, from 0.

    Raises
    ------
    InputError
        With the row and the column of what is wrong: a ragged row, a cell that is no number, an item or property that
        comes twice, a property that is the same for all items.
    """
    what = f"{name} = {path}"
    if Path(path).suffix.lower() in ARRAYS:
        values = read_table(path, name)
        table = PropertyTable(values, *(tuple(map(str, range(count))) for count in values.shape))
    else:
        table = _tabulate(*_cells(path, what), what)
    if len(table.items) < 2:
        raise InputError(f"{what} holds {len(table.items)} items: two are needed")
    _refuse_twins(table, what)
    return table


def _cells(path: str, what: str) -> tuple[list[str], list[list[str]]]:
    """Return the cells of the header, with one for the column of names, and of each row."""
    try:
        found = os.stat(path)
        check_regular(found.st_mode, f"{what} cannot be read")
        if found.st_size > LARGEST_FILE:
            raise InputError(f"{what} is not allowed: it has {found.st_size} bytes, at most {LARGEST_FILE}")
        lines, length = [], 0
        for line in text_tables.lines_of(path):
            lines.append(line)
            if (length := length + len(line)) > LARGEST_FILE:
                raise InputError(f"{what} is not allowed: it holds more than {LARGEST_FILE} characters")
        if len(lines) < 3:
            raise InputError(f"{what} holds {len(lines)} lines: a header and two items are needed")
        separator = text_tables.separator_of(lines[: text_tables.SAMPLE])
        if separator == " ":
            header, *rows = (text_tables.split(line, separator) for line in lines)
        else:
            header, *rows = csv.reader(lines, delimiter=separator, skipinitialspace=True)
    except InputError:
        raise
    except UNREADABLE as error:
        reason = error.strerror or error if isinstance(error, OSError) else error
        raise InputError(f"{what} cannot be read: {reason}") from None
    header = [" ".join(cell.split()) for cell in header]
    if len(header) > 1 and all(len(row) == len(header) + 1 for row in rows):
        header = ["", *header]  # as R writes row names: without one of their own
    indexed = not header[0] or index_by_name(header[0])
    if indexed and len(header) > 2 and all(len(row) == len(header) for row in rows):
        first, second = ([row[column] for row in rows] for column in (0, 1))
        if text_tables.counts(first) and not any(map(text_tables.like_number, second)):
            header, rows = header[1:], [row[1:] for row in rows]  # as pandas writes the index of a column of names
    return header, rows


def _tabulate(header: list[str], rows: list[list[str]], what: str) -> PropertyTable:
    properties = header[1:]
    if not properties:
        raise InputError(f"{what} has no properties: its first row must name them, from the second cell on")
    counted = text_tables.counts(properties) and (not header[0] or len(properties) > 2)  # as pandas counts columns
    if all(map(text_tables.like_number, properties)) and not counted:
        shown_first = ",".join(header[:3]) + (",..." if len(header) > 3 else "")
        raise InputError(f"{what} begins with {shown_first}: its first row must name the properties, in words")
    items, values = [], np.empty((len(rows), len(properties)))
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise InputError(f"{what} is ragged: row {number} has {len(row)} cells, the header {len(header)}")
        items.append(" ".join(row[0].split()))
        for column, cell in enumerate(map(str.strip, row[1:])):
            cell = SWITCHES.get(cell.lower(), cell)
            if not text_tables.is_number(cell):
                fault = text_tables.fault_of(cell) or ": no number"
                raise InputError(f"{what} holds {shown(cell)} in row {number}, column {column + 2}{fault}")
            values[number - 2, column] = float(cell)
    wrong = np.argwhere(~(np.abs(values) <= LARGEST))
    if wrong.size:
        row_of, column_of = wrong[0]
        raise InputError(f"{what} holds {values[row_of, column_of]} in row {row_of + 2}, column {column_of + 2}")
    table = PropertyTable(values, tuple(items), tuple(properties))
    for kind, names in (("item", table.item_columns()), ("property", table.properties)):
        seen: set[str] = set()
        for place, one in enumerate(names):
            if not one or printable(one) != one:
                raise InputError(f"{what} names {kind} {place + 1} {shown(one)}: it must have a printable name")
            if one in seen:
                raise InputError(f"{what} has the {kind} {shown(one)} twice")
            seen.add(one)
    return table


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
