"""Tables in text files: separator, header and index column are detected; numbers are read by pandas."""

import bz2
import csv
import gzip
import io
import itertools
import lzma
import re
import string
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsmech.machine import memory
from tsmech.problem.columns import Codes, Columns, Heading, all_finite, index_by_name, refuse_a_count
from tsmech.problem.parameters import LARGEST

SEPARATORS = ("\t", ";", ",", "|", " ")
"""Possible separators; the last stands for any white space."""
SAMPLE = 20
"""Number of rows from which the separator is detected."""
ROWS, CELLS = 256, 1 << 15
"""Least number of rows, and otherwise number of cells, that are read at a time."""
MISSING = ("", "na", "n/a", "#n/a", "nan", "null", ".", "?")
"""What usual writers put where there is no value, in any case of letters."""
DECLARED = re.compile(r'"?sep=.?"?')
"""A first line that tells a spreadsheet the separator."""
THOUSANDS = re.compile(r"[+-]?\d{1,3}([ ,.'_\u00a0\u2009\u202f]\d{3})+([.,]\d*)?")
MINUS = str.maketrans("\u2212\u2013", "--")
"""The minus and the dash that typesetting puts in place of a hyphen."""
LONGEST_LINE = 1 << 26
"""Longest line of a table in characters: a file without line ends would be read into memory whole."""


class Layout(NamedTuple):
    """How a table is written."""

    separator: str
    header: int
    """Number of rows above the numbers."""
    names: list[str] | None
    width: int
    numbered: bool = False
    """Whether all columns but the first are named 0, 1, 2, ..., so that the first is an index."""
    mixed: bool = False
    """Whether the first row has words and numbers, and none of the words again below: it may be a header."""


def read(path: str, columns: Columns) -> tuple[NDArray[np.float64], list[Heading]]:
    """Return the chosen columns of a table and their names, or raise ``ValueError`` with the place of a fault."""
    layout = _layout(path)
    wanted = columns.choose(layout.names, layout.width)
    if wanted[0] == 0 and not columns.decided and _has_index(path, layout, columns):
        wanted = wanted[1:]
    if not wanted:
        raise ValueError("it holds an index alone")
    headings = [Heading(i, (layout.names[i] if layout.names else "") or str(i)) for i in wanted]
    with closing(lines_of(path)) as lines:
        numbers = itertools.islice(lines, layout.header, None)
        first = next(numbers, None)
        if first is None:
            return np.empty((0, len(wanted))), headings
        cells = split(first, layout.separator)
        alike = len(cells) == layout.width
        words = columns.with_words(layout.names, layout.width) if alike else []
        codes = {column: Codes() for column in words if not is_number(cells[column])}
        numeric = [column for column in wanted if column not in codes]
        whole = alike and all(is_number(cells[column]) for column in numeric)
        if layout.mixed and whole:
            raise ValueError("its first row may be a header or numbers: name the columns in words")
        try:
            if not whole:  # a column of True and False would be read as numbers
                raise ValueError(f"{first.strip()[:40]} is not a row of {layout.width} numbers")
            table = _numbers(_Lines(itertools.chain([first], numbers)), layout, wanted, codes)
        except ValueError as error:
            raise _fault(path, layout, numeric) or ValueError(" ".join(str(error).split())) from None
    if not all_finite(table):
        raise _fault(path, layout, numeric) or ValueError("its rows differ in length")
    refuse_a_count(table, wanted, layout.names, columns)
    return table, [heading._replace(words=tuple(codes.get(heading.place, ()))) for heading in headings]


def lines_of(path: str, comments: bool = False) -> Generator[str]:
    """Yield the non-empty lines but a first one ``sep=;``, without comments (#) unless these are asked for."""
    with _opened(path) as file:
        try:
            for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE), "")):
                if len(line) == LONGEST_LINE:
                    raise ValueError(f"it has a line of {LONGEST_LINE} characters or more")
                if not line.strip() or (number == 0 and DECLARED.fullmatch(line.strip())):
                    continue
                if comments or not line.lstrip().startswith("#"):
                    yield line
        except UnicodeDecodeError as error:
            byte = error.object[error.start]
            raise ValueError(f"it is not text in UTF-8 (a byte is {byte:#x}): save it in that encoding") from None


def _opened(path: str) -> IO[str]:
    openers: dict[str, Callable[..., IO[str]]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
    opener: Callable[..., IO[str]] = openers.get(Path(path).suffix.lower(), open)
    return opener(path, "rt", encoding="utf-8-sig")


class _Lines(io.TextIOBase):
    """Lines as a file that pandas reads."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._rest = ""

    def read(self, size: int | None = -1) -> str:
        """Return this many characters at most (pandas keeps what is beyond), all that are left by default."""
        block, length = [self._rest], len(self._rest)
        end = sys.maxsize if size is None or size < 0 else size
        while length < end and (line := next(self._lines, "")):
            block.append(line)
            length += len(line)
        text = "".join(block)
        self._rest = text[end:]
        return text[:end]


def _numbers(
    lines: io.TextIOBase, layout: Layout, wanted: Sequence[int], codes: dict[int, Codes]
) -> NDArray[np.float64]:
    """Return the wanted columns, numbers for words in some; their array grows by a quarter, as far as memory goes."""
    import pandas

    left = memory.available()
    table, rows = np.empty((0, len(wanted))), 0
    with pandas.read_csv(
        lines,
        sep=r"\s+" if layout.separator == " " else layout.separator,
        header=None,
        usecols=None if len(wanted) == layout.width else list(wanted),
        dtype={column: np.float64 for column in wanted if column not in codes} if codes else np.float64,
        converters={column: numbers.of for column, numbers in codes.items()} or None,
        na_filter=False,
        low_memory=False,
        skipinitialspace=True,
        chunksize=max(ROWS, CELLS // layout.width),
    ) as chunks:
        for chunk in chunks:
            if left is not None and (rows + len(chunk)) * table.itemsize * len(wanted) > left:
                held = f"its first {rows + len(chunk)} rows fill the {memory.in_words(left)} of memory that were left"
                raise MemoryError(held)  # compressed files can be huge
            if rows + len(chunk) > len(table):
                table.resize(((rows + len(chunk)) * 5 // 4, len(wanted)), refcheck=False)
            table[rows : rows + len(chunk)] = chunk
            rows += len(chunk)
    table.resize((rows, len(wanted)), refcheck=False)
    return table


# How it is written


def _layout(path: str) -> Layout:
    remark, sample = "", []
    with closing(lines_of(path, comments=True)) as lines:
        for line in lines:
            if not line.lstrip().startswith("#"):
                sample.append(line)
            elif not sample:
                remark = line
            if len(sample) == SAMPLE:
                break
    if not sample:
        raise ValueError("it is empty")
    separator = separator_of(sample)
    first, *rows = (split(line, separator) for line in sample)
    if rows and all(len(row) == len(first) + 1 for row in rows) and (_words(first) or counts(first)):
        if not any(row[-1] for row in rows):
            raise ValueError("its rows end with a separator, and its header does not: write them alike")
        first = ["", *first]  # as R writes row names: without one of their own
    numbered = len(first) > 1 and not like_number(first[0]) and counts(first[1:])
    if numbered or _words(first) or (rows and _is_header_of_numbers(first, rows)):
        return Layout(separator, 1, first, len(first), numbered=numbered)
    names = split(remark.lstrip().lstrip("#"), separator) if remark else []
    named = len(names) == len(first) and _words(names)
    words = [column for column, cell in enumerate(first) if not like_number(cell)]
    mixed = bool(words) and not any(row[i : i + 1] == [first[i]] for row in rows for i in words)
    return Layout(separator, 0, names if named else None, len(first), mixed=mixed)


def separator_of(sample: Sequence[str]) -> str:
    """Return the separator that splits all rows into equally many cells, most of them numbers."""
    best, most = "", -1.0
    for separator in SEPARATORS:
        first, *rows = (split(line, separator) for line in sample)
        lengths = {len(row) for row in rows}
        if max(lengths, default=len(first)) > 1 and (not rows or lengths in ({len(first)}, {len(first) + 1})):
            cells = [cell for row in rows or [first] for cell in row]
            share = sum(map(like_number, cells)) / len(cells)
            if share > most:
                best, most = separator, share
    return best or next((s for s in SEPARATORS if len(split(sample[0], s)) > 1), ",")


def split(line: str, separator: str, blank: str | None = None) -> list[str]:
    """Return the cells of a line without the space around them, or the letters of ``blank``."""
    if separator == " ":
        line = " ".join(line.split())
    if separator not in line and len(line) > csv.field_size_limit():
        return [line.strip()]  # a wide table, tried with the separator of another: too long for one cell of csv's
    return [cell.strip(blank) for cell in next(csv.reader([line], delimiter=separator, skipinitialspace=True))]


def _words(cells: Sequence[str]) -> bool:
    return not any(map(like_number, cells))


def counts(cells: Sequence[str], start: int = 0) -> bool:
    """Return whether the cells are the numbers from this one on."""
    return list(cells) == [str(number) for number in range(start, start + len(cells))]


def _is_header_of_numbers(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Return whether a first row 0, 1, 2, ... is a header written by pandas; refuse it where that is unclear."""
    start = int(first[0]) if first[0].isascii() and first[0].isdigit() and len(first[0]) < 10 else None
    if start is None or not counts(first, start) or (start > 0 and len(first) < 3):
        return False
    below = [row[0] for row in rows]
    whole = all(cell.lstrip("+-").isdigit() for row in rows for cell in row if like_number(cell))
    if start > 0 and whole:
        return False
    column = [float(first[0]), *(float(cell) if is_number(cell) else -np.inf for cell in below)]
    if start == 0 and not whole and column != sorted(column):
        return True
    shown = ",".join(first[:3]) + (",..." if len(first) > 3 else "")
    raise ValueError(f"its first row {shown} may be a header or numbers: name the columns in words, or write {start}.0")


def _has_index(path: str, layout: Layout, columns: Columns) -> bool:
    """Return whether the first column is an index: by its name, or by its values where it has no name."""
    if layout.names is None or layout.width == 1:
        return False
    if layout.numbered or index_by_name(layout.names[0]):
        return True
    if layout.names[0]:
        return False
    with closing(lines_of(path)) as lines:
        cells = (split(line, layout.separator)[0] for line in itertools.islice(lines, layout.header, None))
        try:
            values = np.fromiter(map(float, cells), dtype=float)
        except ValueError:
            return True
    if (values == np.round(values)).all() and np.unique(values).size == values.size:
        return True
    raise columns.decide("its first column has no name")


# What is wrong with it


def _fault(path: str, layout: Layout, wanted: Sequence[int]) -> ValueError | None:
    """Return the error for the first cell of the chosen columns that holds no number, or None."""
    with closing(lines_of(path)) as lines:
        for number, line in enumerate(lines, start=1):
            cells = split(line, layout.separator, string.whitespace)  # pandas reads no other space around a number
            if number <= layout.header:
                continue
            if len(cells) != layout.width:
                return ValueError(f"row {number} has {len(cells)} cells, the first row {layout.width}")
            for column in wanted:
                fault = _wrong(cells[column], f"row {number}, column {column + 1}")
                if fault:
                    return ValueError(fault)
    return None


def _wrong(cell: str, place: str) -> str | None:
    shown = cell if len(cell) <= 40 else cell[:37] + "..."
    if not is_number(cell):
        return f"{place} holds {shown!r}{fault_of(cell)}"
    if not abs(float(cell)) <= LARGEST:
        return f"{shown} in {place}: numbers must be finite and at most {LARGEST:g}"
    return None


def is_number(cell: str) -> bool:
    """Return whether a cell is a number as usual writers format it."""
    try:
        float(cell)
    except ValueError:
        return False
    return cell.isascii() and "_" not in cell


def is_missing(cell: str) -> bool:
    """Return whether a cell says that there is no value."""
    return cell.strip().lower() in MISSING


def fault_of(cell: str) -> str:
    """Return in words why a cell is not a number, where that can be told."""
    if is_missing(cell):
        return ", a missing value: leave out its row, or its column"
    if is_number(cell.translate(MINUS)):
        return ", a sign for print: write minus as -"
    if is_number(cell.strip()):
        return ", a space that is no plain one: write the number without it"
    if like_number(cell):
        return ", a decimal comma: write decimals with a point"
    return ", separators of thousands: write digits alone" if THOUSANDS.fullmatch(cell) else ""


def like_number(cell: str) -> bool:
    """Return whether a cell is a number, also with a decimal comma."""
    return is_number(cell) or is_number(cell.replace(",", ".", 1))
