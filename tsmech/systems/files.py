"""Tables of numbers in files that parameters name: CSV, Parquet or .npy, refused with the place of what is wrong."""

import csv
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError

LARGEST = 1e100
"""Largest number in a file, so that a covariance does not overflow."""


def state(path: str, name: str, words: Sequence[str]) -> tuple[int, int]:
    """Return when a file was changed and how long it is; refuse a parameter that is neither a known word nor a file."""
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(
            f"{name} = {path!r} is not allowed: it is none of {', '.join(words)}, and no file can be read ({reason})"
        ) from None
    return found.st_mtime_ns, found.st_size


def read_table(path: str, name: str) -> NDArray[np.float64]:
    """Return the numbers in a file that a parameter of this name was given, with two axes, all of them finite."""
    table = _read(path, name)
    if table.size == 0:
        raise InputError(f"{name} = {path} holds no numbers")
    if not (np.abs(table) <= LARGEST).all():
        row, column = np.argwhere(~(np.abs(table) <= LARGEST))[0]
        raise InputError(
            f"{name} = {path} holds {table[row, column]:g} in row {row + 1}, column {column + 1} of its numbers: "
            f"they must be finite and at most {LARGEST:g}"
        )
    return table


def _read(path: str, name: str) -> NDArray[np.float64]:
    suffix = Path(path).suffix.lower()
    try:
        if suffix == ".npy":
            with open(path, "rb") as file:
                array = np.lib.format.read_array(file, allow_pickle=False)
            if array.ndim > 2 or array.dtype.kind not in "fiu":
                raise ValueError("it is not one array of numbers with one or two axes")
            return np.atleast_2d(array.astype(float))
        if suffix in (".parquet", ".pq"):
            return _read_parquet(path, name)
        if suffix in (".csv", ".txt", ".tsv"):
            return _read_csv(path)
    except (OSError, ValueError, EOFError, csv.Error) as error:
        raise InputError(f"{name} = {path} cannot be read as a table of numbers: {error}") from None
    raise InputError(f"{name} = {path} is not allowed: the file must end in .csv, .tsv, .txt, .parquet or .npy")


def _read_parquet(path: str, name: str) -> NDArray[np.float64]:
    try:
        import pyarrow.parquet
    except ImportError:
        raise InputError(f"{name} = {path} needs Parquet support: pip install 'tsmech[data]'") from None
    table = pyarrow.parquet.read_table(path)
    for column, kind in zip(table.column_names, table.schema.types, strict=True):
        if not (pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind)):
            raise ValueError(f"column {column} holds {kind}")
    return np.column_stack([column.to_numpy().astype(float) for column in table.columns])


def _read_csv(path: str) -> NDArray[np.float64]:
    with open(path, newline="", encoding="utf-8-sig") as file:
        lines = [line for line in file if line.strip()]
    if not lines:
        raise ValueError("it is empty")
    separator = next((s for s in ("\t", ";", ",") if s in lines[0]), ",")
    rows = list(csv.reader(lines, delimiter=separator))
    first = 0 if any(_is_number(cell) for cell in rows[0]) else 1
    for number, row in enumerate(rows[first:], start=first + 1):
        if len(row) != len(rows[0]):
            raise ValueError(f"row {number} has {len(row)} cells, the first row {len(rows[0])}")
        for column, cell in enumerate(row, start=1):
            if not _is_number(cell):
                raise ValueError(f"row {number}, column {column} holds {cell!r}")
            if not abs(float(cell)) <= LARGEST:
                raise ValueError(
                    f"{cell} in row {number}, column {column}: numbers must be finite and at most {LARGEST:g}"
                )
    return np.array([[float(cell) for cell in row] for row in rows[first:]])


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell
