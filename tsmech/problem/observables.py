"""What answers report, and along which coordinates: numbers, vectors and matrices, entry by entry."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Scale = Literal["linear", "logarithmic"]
SHARE = 0.0, 1.0
"""Bounds of a probability, of a share, or of 1 or 0 for what happens in a draw or does not."""


@dataclass(frozen=True)
class Observable:
    """A quantity that answers report.

    Parameters
    ----------
    symbol, label
        Its symbol, as in formulas, and its name in words.
    unit
        Unit or scaling, in words; none where it has none.
    scale
        Whether its values are best seen on a linear or a logarithmic axis.
    axes
        What its indices count: none for a number, ``("mode",)`` for a vector, ``("student unit", "teacher unit")`` for
        a matrix.
    single
        Whether it is a plain number, without indices, where all its axes have one entry.
    summary
        Whether it is one value of a whole curve, not one of each coordinate.
    undefined
        Whether it may be undefined (NaN), such as a time that never comes.
    bounds
        Least and largest value that it can have, :data:`SHARE` of a probability or of a share; None where it may have
        any.  It says what draws that are all alike tell of their mean.
    """

    symbol: str
    label: str
    unit: str = ""
    scale: Scale = "linear"
    axes: tuple[str, ...] = ()
    single: bool = False
    summary: bool = False
    undefined: bool = False
    bounds: tuple[float, float] | None = None


@dataclass(frozen=True)
class Coordinate:
    """What curves run along: a number such as time, or names such as those of tasks.

    Parameters
    ----------
    symbol, label
        Its symbol, as in formulas, and its name in words.
    unit
        Unit or scaling, in words.
    names
        Whether its values are names, which have no order, are never averaged over and are not joined by a line.
    """

    symbol: str
    label: str
    unit: str = ""
    names: bool = False


def entries(
    name: str, axes: Sequence[str], shape: Sequence[int], labels: Mapping[str, Sequence[str]]
) -> list[tuple[str, tuple[int, ...]]]:
    """Return the entries of an observable: for each its column's name, such as ``R[0, 1]``, and its index.

    Parameters
    ----------
    name
        The observable's name, which is that of its only entry where it is a number.
    axes, shape
        What its indices count, and how many values each takes.
    labels
        By axis the names of its indices, which then stand in place of numbers.

    Examples
    --------
    >>> entries("R", ("student unit", "teacher unit"), (1, 2), {"teacher unit": ("left", "right")})
    [('R[0, left]', (0, 0)), ('R[0, right]', (0, 1))]
    """
    if not axes:
        return [(name, ())]
    words = [labels.get(axis, range(count)) for axis, count in zip(axes, shape, strict=True)]
    indices = itertools.product(*map(range, shape))
    return [
        (f"{name}[{', '.join(str(listed[i]) for listed, i in zip(words, index, strict=True))}]", index)
        for index in indices
    ]


def observable_of(column: str) -> str:
    """Return the name of the observable that a column holds an entry of."""
    return column.partition("[")[0]
