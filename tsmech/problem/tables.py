"""A person's table with targets among its columns: read, told apart, checked, and what is wrong with its rows."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.problem.columns import Columns, Heading, matching
from tsmech.problem.files import read_named_table, state
from tsmech.words import shown

Array = NDArray[np.float64]

FEWEST_ROWS = 20
BLOCK = 1 << 20
"""Rows times columns that are moved at once."""
ALIKE = 1e-12
"""Relative scatter below which a column counts as constant."""


class Table(NamedTuple):
    """Inputs and targets of one table, a row an example."""

    inputs: Array
    """Shape (rows, columns)."""
    targets: Array
    """Shape (rows, targets)."""
    names: tuple[str, ...]
    """Of the targets."""
    explainable: Array | None
    """By target the share of the variance that repeats of a row have in common; None without repeats."""
    two_valued: tuple[str, ...]
    """Targets with two values, which are -1 and 1 here."""
    duplicates: int
    """Number of rows that are there before."""


def read_targets(
    path: str,
    name: str,
    target: tuple[str, ...],
    columns: str | None = None,
    repeats: str | None = None,
    words: Sequence[str] = (),
) -> Table:
    """Return the inputs and the targets of a table in a file.

    Parameters
    ----------
    path, name
        The file, and the parameter that errors name.
    target
        Names of columns, numbers from 0, or patterns of names such as ``neuron_*``.  Two words in a column are -1 and
        1, the latter for the last in alphabetical order, as of False and True.
    columns
        Which of the other columns are inputs, as :class:`~tsmech.problem.columns.Columns` reads it.
    repeats
        The column that says which stimulus a row shows: rows of one stimulus are averaged.
    words
        What the parameter may be other than a file, for the error where there is none.

    Raises
    ------
    InputError
        Where a column is missing, constant or both input and target, where a cell holds no number, or where there are
        fewer than 20 rows.
    """
    return _read(path, *state(path, name, words), name, target, columns, repeats)


@functools.lru_cache(maxsize=2)
def _read(
    path: str, changed: int, size: int, name: str, target: tuple[str, ...], columns: str | None, repeats: str | None
) -> Table:
    named = () if repeats is None else (repeats,)
    chosen = _Targets(columns, parameter=True, also=target + named, named=target + named)
    numbers, headings = read_named_table(path, name, chosen)
    names = [heading.name for heading in headings]
    wanted = dict.fromkeys(place for word in target for place in _places(word, headings))
    stimulus = None if repeats is None else _places(repeats, headings)[0]
    if stimulus in wanted:
        raise InputError(f"repeats = {repeats} is a target too: it must be the column that names the stimulus")
    given = [i for i in range(len(names)) if i not in wanted and i != stimulus]
    if not given:
        raise InputError(f"{name} = {path} has no column beside the targets that could be an input")
    targets = np.ascontiguousarray(numbers[:, list(wanted)])
    told = [_classes(targets[:, i], headings[place], f"{name} = {path}") for i, place in enumerate(wanted)]
    groups = None if stimulus is None else numbers[:, stimulus].copy()
    inputs = _kept(numbers, given)
    table = checked(
        inputs, targets, [names[i] for i in given], tuple(names[i] for i in wanted), groups, f"{name} = {path}"
    )
    known = zip(told, table.names, strict=True)
    return table._replace(two_valued=tuple(one or other for one, other in known if one or other in table.two_valued))


def _classes(target: Array, heading: Heading, where: str) -> str:
    """Turn a target of two words into -1 and 1, 1 for the last in order, and return its name and which is 1."""
    words = sorted(heading.words)
    if "" in words:
        raise InputError(f"{where}: the target {heading.name} has words, and no word in some rows")
    if len(words) > 2:
        held = ", ".join(words[:4]) + (", ..." if len(words) > 4 else "")
        raise InputError(
            f"{where}: the target {heading.name} holds {len(words)} different words ({shown(held, 100)}): two are "
            "regressed on as -1 and 1; of more, make a column of 0 and 1 for each"
        )
    if len(words) < 2:
        return ""
    target[:] = np.where(target == heading.words.index(words[1]), 1.0, -1.0)
    return f"{heading.name} (1 is {shown(words[1], 40)}, -1 is {shown(words[0], 40)})"


class _Targets(Columns):
    """Columns among which targets are: none of these may be chosen as an input by name."""

    __slots__ = ()

    def choose(self, names: list[str] | None, width: int) -> list[int]:  # type: ignore[override]
        chosen = self.chosen(names, width)
        if self.decided and self.words != "all":
            for word in self.also:
                for place in matching(word, names, width):
                    if place in chosen:
                        called = (names or [""] * width)[place] or place
                        raise ValueError(f"columns = {self.words} takes the target {called}: leave it out")
        return super().choose(names, width)


def checked(
    inputs: Array, targets: Array, columns: list[str], names: tuple[str, ...], groups: Array | None, where: str
) -> Table:
    """Return a table of these inputs and targets, or refuse it; ``where`` begins the message."""
    explainable = None
    if groups is not None:
        inputs, targets, explainable = _averaged(inputs, targets, groups, names)
    if len(inputs) < FEWEST_ROWS:
        what = "rows" if groups is None else "stimuli"
        raise InputError(f"{where} has {len(inputs)} {what}: at least {FEWEST_ROWS} are needed")
    for kind, values, called in (("target", targets, names), ("column", inputs, columns)):
        low, high = values.min(axis=0), values.max(axis=0)
        constant = [called[i] for i in np.flatnonzero(high - low <= ALIKE * np.maximum(abs(low), abs(high)))]
        if constant and kind == "target":
            raise InputError(f"{where}: the target {constant[0]} is constant")
        if constant:
            words = "columns = " + ",".join(f"-{one}" for one in constant)
            few = f" and {len(constant) - 1} more are" if len(constant) > 1 else " is"
            raise InputError(f"{where}: column {constant[0]}{few} constant: leave out by {shown(words, 200)}")
    two_valued = []
    for i, one in enumerate(names):
        low, high = targets[:, i].min(), targets[:, i].max()
        if groups is None and ((targets[:, i] == low) | (targets[:, i] == high)).all():
            targets[:, i] = np.where(targets[:, i] == high, 1.0, -1.0)
            two_valued.append(one)
    return Table(inputs, targets, names, explainable, tuple(two_valued), _duplicates(inputs, targets))


def _places(word: str, headings: list[Heading]) -> list[int]:
    """Return the places of a name, a number or a pattern among the columns that were read."""
    names = [heading.name for heading in headings]
    if word in names:
        return [names.index(word)]
    numbered = [i for i, heading in enumerate(headings) if str(heading.place) == word]
    return numbered or matching(word, names, len(names))


def _kept(numbers: Array, columns: list[int]) -> Array:
    """Return some columns of a table, moved to its left edge in place, so that no second table is made."""
    if columns != list(range(len(columns))):
        step = max(1, BLOCK // numbers.shape[1])
        for first in range(0, len(numbers), step):
            numbers[first : first + step, : len(columns)] = numbers[first : first + step, columns]
    return numbers[:, : len(columns)]


def _averaged(inputs: Array, targets: Array, groups: Array, names: tuple[str, ...]) -> tuple[Array, Array, Array]:
    """Return the means over the repeats of each stimulus, and the share of their variance that is no noise."""
    _, place, counts = np.unique(groups, return_inverse=True, return_counts=True)
    repeated = counts > 1
    if not repeated.any():
        raise InputError("repeats: no stimulus is shown more than once")

    def mean(values: Array) -> Array:
        total = np.zeros((counts.size, values.shape[1]))
        np.add.at(total, place, values)
        return total / counts[:, None]

    means = mean(targets)
    within = np.zeros_like(means)
    np.add.at(within, place, (targets - means[place]) ** 2)
    noise = (within[repeated] / ((counts - 1) * counts)[repeated, None]).mean(axis=0)
    variance = means.var(axis=0, ddof=1)
    share = 1.0 - noise / np.where(variance > 0, variance, 1.0)
    silent = [one for one, value in zip(names, share, strict=True) if value <= 0]
    if silent:
        words = f"target {silent[0]} varies" if len(silent) == 1 else f"targets {shown(', '.join(silent), 200)} vary"
        raise InputError(f"repeats: the {words} between stimuli no more than between repeats: leave out of target")
    return mean(inputs), means, share


def _duplicates(inputs: Array, targets: Array) -> int:
    """Return how many rows are equal to one before: rows alike along a random direction are compared in full."""
    rng = np.random.default_rng(0)
    along = inputs @ rng.standard_normal(inputs.shape[1]) + targets @ rng.standard_normal(targets.shape[1])
    order = np.argsort(along, kind="stable")
    close = np.diff(along[order]) <= 1e-9 * np.abs(along[order][1:])
    found = 0
    for i in np.flatnonzero(close):
        one, other = order[i], order[i + 1]
        found += bool((inputs[one] == inputs[other]).all() and (targets[one] == targets[other]).all())
    return found
