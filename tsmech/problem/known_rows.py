"""The rows of a table that are held out and those that are known, and what is made of them once for many problems.

A sweep has many problems of one table; which rows are known, their decomposition and their features are remembered.
"""

import functools
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from tsmech.problem.feature_maps import FeatureMap
from tsmech.problem.tables import Table, signed

if TYPE_CHECKING:
    from tsmech.theory.learning_curve import KnownRows, Population

Array = NDArray[np.float64]
Rows = NDArray[np.intp]
Kind = TypeVar("Kind")

STREAM = 15
"""First number of the seeds of the splits."""


class Same(Generic[Kind]):
    """A value that is told from others by what it is, not by its contents: arrays as arguments of what remembers."""

    def __init__(self, value: Kind) -> None:
        self.value = value

    def __hash__(self) -> int:
        """Return a number that this value alone has."""
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        """Return whether the other is the same value."""
        return isinstance(other, Same) and self.value is other.value


@functools.lru_cache(maxsize=64)
def split(count: int, held_out: float, known: float | None, number: int) -> tuple[Rows, Rows, Rows]:
    """Return the rows that are held out, all others, and those of the others that are known, in order.

    Parameters
    ----------
    count
        The number of rows.
    held_out, known
        Shares of all rows; None knows all that are not held out.
    number
        Each number is another random split.
    """
    order = np.random.default_rng(np.random.SeedSequence([STREAM, number])).permutation(count)
    held = round(held_out * count)
    pool = order[held:]
    seen = pool if known is None else pool[: round(known * count)]
    return np.sort(order[:held]), np.sort(pool), np.sort(seen)


def as_signs(table: Table, known: Rows) -> Table:
    """Return the table with targets of two values as -1 and 1, by what the known rows say."""
    return _signs(Same(table), known.tobytes())


def decomposed(table: Table, known: Rows, features: FeatureMap, intercept: bool, standardise: bool) -> "KnownRows":
    """Return what the known rows say; no other row is looked at."""
    return _decompose(Same(table), known.tobytes(), features, intercept, standardise)


def estimated(known: "KnownRows", endless: bool) -> "Population":
    """Return the estimate from the known rows; where ``endless`` there are directions without end, as of a kernel."""
    return _estimate(Same(known), endless)


def mapped(features: FeatureMap, table: Table, rows: Rows, pool: Rows) -> Array:
    """Return the features of some rows, scaled by those of the pool."""
    return _map(features, Same(table), rows.tobytes(), pool.tobytes())


@functools.lru_cache(maxsize=4)
def _signs(table: Same[Table], known: bytes) -> Table:
    return signed(table.value, np.frombuffer(known, dtype=np.intp))


@functools.lru_cache(maxsize=4)
def _decompose(
    table: Same[Table], known: bytes, features: FeatureMap, intercept: bool, standardise: bool
) -> "KnownRows":
    from tsmech.theory.learning_curve import decompose

    found, rows = table.value, np.frombuffer(known, dtype=np.intp)
    if features.kind == "none":
        return decompose(found.inputs, found.targets, rows, intercept=intercept, standardise=standardise)
    inputs = found.inputs[rows]
    return decompose(features.of(inputs, inputs), found.targets[rows], intercept=intercept, standardise=standardise)


@functools.lru_cache(maxsize=4)
def _estimate(known: "Same[KnownRows]", endless: bool) -> "Population":
    from tsmech.theory.learning_curve import estimate

    return estimate(known.value, directions=np.inf if endless else None)


@functools.lru_cache(maxsize=2)
def _map(features: FeatureMap, table: Same[Table], rows: bytes, pool: bytes) -> Array:
    at, reference = (np.frombuffer(part, dtype=np.intp) for part in (rows, pool))
    return features.of(table.value.inputs[at], table.value.inputs[reference])
