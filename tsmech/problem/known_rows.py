"""The rows of a table that are held out and those that are known, and what is made of them once for many problems.

A sweep has many problems of one table; which rows are known, their decomposition and their features are remembered.
"""

import functools
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.machine.memory import shortage
from tsmech.problem.feature_maps import FeatureMap
from tsmech.problem.tables import Table, signed

if TYPE_CHECKING:
    from tsmech.theory.learning_curve import KnownRows, Population

Array = NDArray[np.float64]
Rows = NDArray[np.intp]
Kind = TypeVar("Kind")

FEWEST = 10
"""Least number of known rows."""
FARTHEST = 1e5
"""Mean of a column, in its own deviations, beyond which squares about zero lose what varies."""
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


class Sample(NamedTuple):
    """A table, which of its rows theory knows and which it never sees, and what ridge regression works on."""

    table: Table
    """Its targets of two values are -1 and 1, by what the known rows say."""
    held: Rows
    """The rows that are held out, in the order of the file."""
    pool: Rows
    """All others."""
    known: Rows
    """Those of the others that theory is given."""
    features: FeatureMap
    intercept: bool
    standardise: bool

    def constant(self, rows: Rows) -> str | None:
        """Return the name of a target that is constant over some rows."""
        still = np.flatnonzero(np.ptp(self.table.targets[rows], axis=0) == 0.0)
        return self.table.names[still[0]] if still.size else None

    def check(self) -> None:
        """Refuse what theory can make nothing of, and what does not fit into memory."""
        table, known, count = self.table, self.known, len(self.table.inputs)
        if known.size < FEWEST:
            raise InputError(f"known: {known.size} of {count} rows are known to theory: at least {FEWEST} must be")
        if still := self.constant(known):
            raise InputError(
                f"over the {known.size} rows that are known to theory the target {still} is constant: know more rows"
            )
        if not self.intercept and self.features.kind == "none":
            mean, spread = table.inputs[known].mean(axis=0), table.inputs[known].std(axis=0)
            if (far := abs(mean) > FARTHEST * spread).any():
                i = int(np.argmax(far))
                raise InputError(
                    f"intercept = no is not allowed here: column {table.columns[i] if table.columns else i} lies about "
                    f"{mean[i]:.3g}, over {FARTHEST:g} times its deviation from 0: subtract something from it"
                )
        if table.repeats is not None and not (table.repeats.explainable(table.targets, known)[0] > 0).all():
            raise InputError(
                "repeats: over the rows that are known to theory targets vary between stimuli no more than between "
                "repeats: know more rows"
            )
        columns = table.inputs.shape[1]
        self.features.check(columns, count)
        side = min(known.size, self.features.number(columns, known.size))
        if short := shortage(3.0 * 8 * side**2, f"the decomposition of {known.size} rows"):
            raise InputError(f"known is not allowed here: {short}")

    def inputs(self) -> Array:
        """Return the features of all rows, scaled by those that are not held out, shape (rows, features)."""
        if self.features.kind == "none":
            return self.table.inputs
        return _map(self.features, Same(self.table), self.pool.tobytes())

    def decomposed(self) -> "KnownRows":
        """Return what the known rows say; no other row is looked at."""
        return _decompose(Same(self.table), self.known.tobytes(), self.features, self.intercept, self.standardise)

    def population(self) -> "Population":
        """Return the estimate from the known rows; a kernel has directions without end."""
        return _estimate(Same(self.decomposed()), self.features.kind == "kernel")


def sample(
    table: Table,
    held_out: float,
    known: float | None,
    number: int,
    features: FeatureMap,
    intercept: bool,
    standardise: bool,
) -> Sample:
    """Return a table's rows as :func:`split` splits them; the other parameters are those of :class:`Sample`."""
    held, pool, seen = split(len(table.inputs), held_out, known, number)
    if seen.size:
        table = _signs(Same(table), seen.tobytes())
    return Sample(table, held, pool, seen, features, intercept, standardise)


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
def _map(features: FeatureMap, table: Same[Table], pool: bytes) -> Array:
    inputs = table.value.inputs
    return features.of(inputs, inputs[np.frombuffer(pool, dtype=np.intp)])
