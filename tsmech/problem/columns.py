"""Which columns of a table are inputs: those that the user chooses, otherwise all but an index column."""

import fnmatch
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsmech.problem.parameters import LARGEST
from tsmech.words import nearest

MARK = "columns: "
CHOICE = "names, numbers from 0 (0,2,age) or patterns (unit_*); -id,-3 to leave columns out, all to take even an index"
"""What a parameter may say that chooses columns."""
FEW, MANY = 3, 20
"""Rows from which a column 0, 1, 2, ... or 1, 2, 3, ... may be an index: the first of a text or Parquet file, any."""
INDEX = ("id", "idx", "index", "row", "row_id", "rowid", "row_names", "rownames")
"""Names of columns that are an index where they are whole numbers, each of them once."""


class Heading(NamedTuple):
    """Where a column lies in its file, from 0, and its name: that in the header, or else its number.

    Of a column of words, those of which its numbers 0, 1, 2, ... are.
    """

    place: int
    name: str
    words: tuple[str, ...] = ()


class Columns(NamedTuple):
    """The user's choice of columns, and whether the system has a parameter ``columns`` at all.

    ``0,2,age`` takes columns by number (from 0, as they lie in the file), by the name in the header or by a pattern of
    names (``unit_*``), ``-id,-3`` takes all but these, ``all`` takes even what looks like an index.  The columns that
    ``also`` names, in the same three ways, are taken besides, whatever the words say.  Those that ``named`` names may
    hold words in place of numbers: each word becomes a number of its own.
    """

    words: str | None = None
    parameter: bool = False
    also: tuple[str, ...] = ()
    named: tuple[str, ...] = ()

    @property
    def decided(self) -> bool:
        """Whether the choice covers every column, so that an index column cannot be taken by mistake."""
        return self.words is not None and not all(piece.startswith("-") for piece in self._pieces())

    def _pieces(self) -> list[str]:
        return [piece.strip() for piece in (self.words or "").split(",")]

    def choose(self, names: Sequence[str] | None, width: int) -> list[int]:
        """Return the numbers of the chosen columns of a table with this width and these names in its header."""
        chosen = self.chosen(names, width)
        if not self.also:
            return chosen
        return sorted({*chosen, *(column for word in self.also for column in matching(word, names, width))})

    def chosen(self, names: Sequence[str] | None, width: int) -> list[int]:
        """Return the numbers of the columns that the words take."""
        everything = list(range(width))
        if self.words in (None, "all"):
            return everything
        known = list(names or [])
        taken, dropped = set[int](), set[int]()
        for piece in self._pieces():
            if piece.startswith("-") and piece not in known:
                dropped.update(matching(piece[1:], known, width, MARK))
            else:
                taken.update(matching(piece, known, width, MARK))
        if taken and dropped:
            raise ValueError(f"columns = {self.words} both takes columns and drops some: do one of them")
        wanted = sorted(taken) if taken else [column for column in everything if column not in dropped]
        if not wanted:
            raise ValueError(f"columns = {self.words} leaves no column")
        return wanted

    def with_words(self, names: Sequence[str] | None, width: int) -> list[int]:
        """Return the numbers of the columns that may hold words."""
        return [column for word in self.named for column in matching(word, names, width)]

    def decide(self, question: str, column: str = "0") -> ValueError:
        """Return the error for a table one of whose columns, usually the first, may be an index or an input."""
        way = f"columns = -{column} leaves it out, columns = all takes it"
        way = way if self.parameter else "write the file without it"
        return ValueError(f"{question}: it may be an index or an input ({way})")


class Codes(dict[str, float]):
    """Numbers for words, 0, 1, 2, ... in the order in which they come."""

    def of(self, word: str) -> float:
        """Return the number of a word, whatever space is around it."""
        return self[word.strip()]

    def __missing__(self, word: str) -> float:
        """Give a new word the next number."""
        return self.setdefault(word, float(len(self)))


def matching(word: str, names: Sequence[str] | None, width: int, mark: str = "") -> list[int]:
    """Return the numbers of the columns that a name, a number or a pattern of names such as ``neuron_*`` means.

    Errors begin with ``mark``.
    """
    known = list(names or [])
    if word not in known and any(letter in word for letter in "*?["):
        found = [column for column, name in enumerate(known) if fnmatch.fnmatchcase(name, word)]
        if not found:
            named = [name for name in known if name][:20]
            hint = f"known: {', '.join(named)}" if named else "the file names none: give numbers, from 0"
            raise ValueError(f"{mark}no column has a name like {word} ({hint})")
        return found
    return [_find(word, known, width, mark)]


def _find(piece: str, names: Sequence[str], width: int, mark: str) -> int:
    if not piece:
        raise ValueError(f"{mark}a name or a number is missing between two commas")
    number = int(piece) if piece.isascii() and piece.isdigit() and len(piece) < 10 else None
    places = [i for i, name in enumerate(names) if name == piece]
    if len(places) > 1:
        raise ValueError(f"{mark}{len(places)} columns have the name {piece}: give the number of one, from 0")
    if places and number is not None and number < width and number != places[0]:
        raise ValueError(
            f"{mark}{piece} is the name of column {places[0]} and the number of another: name the columns in words"
        )
    if places:
        return places[0]
    if number is None:
        named = [name for name in names if name][:20]
        hint = nearest(piece, named) if named else "the file names none: give numbers, from 0"
        raise ValueError(f"{mark}no column has the name {piece} ({hint})")
    if number >= width:
        raise ValueError(f"{mark}there is no column {number}: they are numbered 0 to {width - 1}")
    return number


def index_by_name(name: str) -> bool:
    """Return whether pandas gives this name to an index that has none."""
    return name.startswith(("__index_level_", "Unnamed: 0"))


def all_finite(table: NDArray[np.float64]) -> bool:
    """Return whether all numbers of a non-empty table are finite and at most ``LARGEST`` in size."""
    return bool(table.min() >= -LARGEST and table.max() <= LARGEST)


def refuse_a_count(
    table: NDArray[np.float64], wanted: Sequence[int], names: Sequence[str] | None, columns: Columns, first: int = FEW
) -> None:
    """Refuse a table one of whose columns numbers the rows, in any order, unless the user chose that column.

    ``wanted`` says where the table's columns lie in the file, whose names are ``names``; from ``first`` rows on the
    first column of the file may be an index.
    """
    rows, width = table.shape
    if columns.decided or rows < FEW or width < 2:
        return
    low, high = table.min(axis=0), table.max(axis=0)
    named = [names is not None and names[place].lower() in INDEX for place in wanted]
    likely = (((low == 0.0) | (low == 1.0)) & (high - low == rows - 1.0)) | np.array(named)
    chosen = {place for word in columns.also for place in matching(word, names, max(wanted) + 1)} if any(likely) else ()
    for column in np.flatnonzero(likely).tolist():
        place, values = wanted[column], table[:, column]
        if place in chosen or rows < (MANY if place else first) or not _numbers_rows(values):
            continue
        name = names[place] if names else ""
        which = f"column {name or f'number {place} (from 0)'}" if place else "first column"
        called = f" ({name[:40]})" if name and not place else ""
        counts = ", ".join(f"{number:.15g}" for number in values[:3])
        says = "counts" if (np.diff(values) == 1.0).all() else "numbers the rows"
        raise columns.decide(f"its {which}{called} {says} {counts}, ...", (place and name) or str(place))


def _numbers_rows(values: NDArray[np.float64]) -> bool:
    """Return whether numbers count the rows, or are whole and all different where rows are many."""
    if (np.diff(values) == 1.0).all():
        return True
    return len(values) >= MANY and bool((values == np.round(values)).all()) and np.unique(values).size == len(values)
