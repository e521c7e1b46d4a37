"""Which columns of a table are inputs: those that the user chooses, otherwise all but an index column."""

import fnmatch
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsmech.problem.parameters import LARGEST, nearest

FEW = 3
"""Rows from which a first column 0, 1, 2, ... or 1, 2, 3, ... may be an index."""


class Heading(NamedTuple):
    """Where a column lies in its file, from 0, and its name: that in the header, or else its number.

    Of a column of words, those of which its numbers 0, 1, 2, ... are.
    """

    place: int
    name: str
    words: tuple[str, ...] = ()


class Columns(NamedTuple):
    """The user's choice of columns, and whether the system has a parameter ``columns`` at all.

    ``0,2,age`` takes columns by number (from 0, as they lie in the file) or by the name in the header, ``-id,-3`` takes
    all but these, ``all`` takes even what looks like an index.  The columns that ``also`` names, by numbers, names or
    patterns of names (``neuron_*``), are taken besides, whatever the words say.  Those that ``named`` names may hold
    words in place of numbers: each word becomes a number of its own.
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
        taken, dropped = set(), set()
        for piece in self._pieces():
            if piece.startswith("-") and piece not in known:
                dropped.add(_find(piece[1:], known, width))
            else:
                taken.add(_find(piece, known, width))
        if taken and dropped:
            raise ValueError(f"columns = {self.words} both takes columns and drops some: do one of them")
        wanted = sorted(taken) if taken else [column for column in everything if column not in dropped]
        if not wanted:
            raise ValueError(f"columns = {self.words} leaves no column")
        return wanted

    def with_words(self, names: Sequence[str] | None, width: int) -> list[int]:
        """Return the numbers of the columns that may hold words."""
        return [column for word in self.named for column in matching(word, names, width)]

    def decide(self, question: str) -> ValueError:
        """Return the error for a table whose first column may be an index or an input."""
        way = "columns = -0 leaves it out, columns = all takes it" if self.parameter else "write the file without it"
        return ValueError(f"{question}: it may be an index or an input ({way})")


class Codes(dict[str, float]):
    """Numbers for words, 0, 1, 2, ... in the order in which they come."""

    def __missing__(self, word: str) -> float:
        """Give a new word the next number."""
        return self.setdefault(word, float(len(self)))


def matching(word: str, names: Sequence[str] | None, width: int) -> list[int]:
    """Return the numbers of the columns that a name, a number or a pattern of names such as ``neuron_*`` means."""
    known = list(names or [])
    if word not in known and any(letter in word for letter in "*?["):
        found = [column for column, name in enumerate(known) if fnmatch.fnmatchcase(name, word)]
        if not found:
            named = [name for name in known if name][:20]
            hint = f"known: {', '.join(named)}" if named else "the file names none: give numbers, from 0"
            raise ValueError(f"no column has a name like {word} ({hint})")
        return found
    return [_find(word, known, width, "")]


def _find(piece: str, names: Sequence[str], width: int, mark: str = "columns: ") -> int:
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


def refuse_a_count(table: NDArray[np.float64], name: str | None, columns: Columns) -> None:
    """Refuse a table whose first column counts the rows, unless the user chose that column."""
    if columns.decided or table.shape[0] < FEW or table.shape[1] < 2:
        return
    if table[0, 0] in (0.0, 1.0) and (np.diff(table[:, 0]) == 1.0).all():
        called = "" if name is None else f" ({name[:40]})"
        raise columns.decide(f"its first column{called} counts {table[0, 0]:g}, {table[1, 0]:g}, {table[2, 0]:g}, ...")
