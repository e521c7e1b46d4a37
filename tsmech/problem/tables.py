"""A person's table with targets among its columns: read, told apart, checked, and what is wrong with its rows."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.problem.columns import Columns, Heading, matching
from tsmech.problem.files import read_named_table, state
from tsmech.problem.text_tables import is_missing, is_number
from tsmech.words import shown

Array = NDArray[np.float64]
Rows = NDArray[np.intp]

FEWEST_ROWS = 20
BLOCK = 1 << 20
"""Rows times columns that are moved at once."""
ALIKE = 1e-12
"""Relative scatter below which a column counts as constant."""
REPEATED = 0.1
"""Share of rows with the inputs of an earlier one from which on that is said."""
COPIED = 1e-6
"""Largest distance of a column from the target in other units, over the column's spread: as what is printed rounds."""
SAME = 1e-6
"""Share of a column's variance between repeats of one stimulus from which on that is said."""
LEAST, MOST = 1e-50, 1e50
"""Least spread and largest number of a column: fourth powers of errors must be numbers too."""


class Repeats(NamedTuple):
    """How often each stimulus was shown, and how far its repeats lie apart."""

    counts: Array
    """Shape (rows,)."""
    squares: Array
    """Sums of squared distances of the repeats from their mean, shape (rows, targets)."""
    apart: float
    """Share of the inputs' variance between repeats of one stimulus, that of the column where it is largest."""

    def explainable(self, targets: Array, rows: Rows | None = None) -> tuple[Array, Array]:
        r"""Return by target the share of the variance over some rows that is no noise, and its standard error.

        .. math::
            1 - s^2\, \overline{1/r} \big/ \operatorname{var} \bar y , \qquad s^2 = \sum_i S_i \Big/ \sum_i (r_i - 1)

        with the r repeats of each stimulus and the sum S of their squared distances from the mean; nan where none of
        the rows was repeated.

        References
        ----------
        theory/learning_curve.md, eq. 24.
        """
        at = slice(None) if rows is None else rows
        counts, squares, targets = self.counts[at], self.squares[at], targets[at]
        free = counts - 1.0
        if not free.any():
            return (np.full(targets.shape[1], np.nan),) * 2
        within = squares.sum(axis=0) / free.sum()
        error = np.sqrt(((squares - free[:, None] * within) ** 2).sum(axis=0)) / free.sum()
        of_mean = (1.0 / counts).mean()
        variance = np.maximum(targets.var(axis=0, ddof=1), 1e-30 * within)
        return 1.0 - within * of_mean / variance, error * of_mean / variance


class Table(NamedTuple):
    """Inputs and targets of one table, a row an example."""

    inputs: Array
    """Shape (rows, columns)."""
    targets: Array
    """Shape (rows, targets)."""
    names: tuple[str, ...]
    """Of the targets."""
    repeats: Repeats | None
    """Of the rows, which are means over them; None where rows are single ones."""
    duplicates: int
    """Number of rows that equal one before."""
    repeated: int
    """Number of rows that equal one before in all inputs, but not in all targets."""
    told: tuple[str, ...] = ()
    """By target, where it was two words: its name and which of them is 1."""
    two_valued: tuple[str, ...] = ()
    """Targets with two values, which are -1 and 1 here."""
    copies: tuple[str, ...] = ()
    """In words, inputs that are a target in other units."""
    columns: tuple[str, ...] = ()
    """Names of the inputs; none in a made-up table."""

    def oddities(self) -> list[str]:
        """Return in words what is odd about the rows."""
        words, count = list(self.copies[:3]), len(self.inputs)
        if self.two_valued:
            several = len(self.two_valued) > 1
            named = ", ".join(self.two_valued[:3]) + (", ..." if len(self.two_valued) > 3 else "")
            words.append(f"{named} {'have' if several else 'has'} two values: {'they are' if several else 'it is'} "
                         "regressed on as -1 and 1")  # fmt: skip
        if self.repeats is not None and self.repeats.apart > SAME:
            words.append(
                f"repeats of one stimulus have different inputs (up to {100 * self.repeats.apart:.1g} % of a column's "
                "variance): the mean inputs are taken"
            )
        if self.duplicates:
            words.append(
                f"{self.duplicates} of {count} rows are duplicates of earlier ones: a copy of a training row among the "
                "rows that are left or held out makes errors look too small"
            )
        if self.repeated > REPEATED * count:
            words.append(
                f"{self.repeated} of {count} rows have all inputs of an earlier one: if they repeat a stimulus, errors "
                "are those on stimuli that were seen, and repeats averages them"
            )
        return words


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
        Where a column is missing, constant or both input and target, under whatever name, where a cell holds no
        number, or where there are fewer than 20 rows.
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
    for place in wanted:
        _refuse_missing(numbers[:, place], headings[place], f"{name} = {path}: the target")
    if stimulus is not None:
        _refuse_missing(numbers[:, stimulus], headings[stimulus], f"{name} = {path}: the column of repeats")
    targets = np.ascontiguousarray(numbers[:, list(wanted)])
    told = [_classes(targets[:, i], headings[place], f"{name} = {path}") for i, place in enumerate(wanted)]
    groups = None if stimulus is None else numbers[:, stimulus].copy()
    inputs = _kept(numbers, given)
    table = checked(
        inputs, targets, [names[i] for i in given], tuple(names[i] for i in wanted), groups, f"{name} = {path}"
    )
    return table._replace(told=tuple(told), two_valued=tuple(filter(None, told)))


def _classes(target: Array, heading: Heading, where: str) -> str:
    """Turn a target of two words into -1 and 1, 1 for the last in order, and return its name and which is 1."""
    words = sorted(heading.words)
    strange = [word for word in words if not is_number(word)]
    if len(words) > 2 and 0 < len(strange) < len(words):
        row = int(np.argmax(target == heading.words.index(strange[0]))) + 1
        raise InputError(
            f"{where}: the target {heading.name} holds {shown(strange[0], 40)!r} in row {row} of its cells, and "
            "numbers in others"
        )
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


def _refuse_missing(column: Array, heading: Heading, what: str) -> None:
    """Refuse a column of words, of which ``column`` has the numbers, with a word that says that there is no value."""
    for number, word in enumerate(heading.words):
        if is_missing(word):
            row = int(np.argmax(column == number)) + 1
            raise InputError(
                f"{what} {heading.name} holds {word!r} in row {row} of its cells, a missing value: leave out such rows"
            )


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
    repeats = None
    if groups is not None:
        inputs, targets, repeats = _averaged(inputs, targets, groups)
        _refuse_noise(targets, repeats, names)
    if len(inputs) < FEWEST_ROWS:
        what = "rows" if groups is None else "stimuli"
        raise InputError(f"{where} has {len(inputs)} {what}: at least {FEWEST_ROWS} are needed")
    for kind, values, called in (("target", targets, names), ("column", inputs, columns)):
        low, high = values.min(axis=0), values.max(axis=0)
        largest = np.maximum(abs(low), abs(high))
        constant = [called[i] for i in np.flatnonzero(high - low <= ALIKE * largest)]
        if constant and kind == "target":
            raise InputError(f"{where}: the target {constant[0]} is constant")
        if constant:
            words = "columns = " + ",".join(f"-{one}" for one in constant)
            few = f" and {len(constant) - 1} more are" if len(constant) > 1 else " is"
            raise InputError(f"{where}: column {constant[0]}{few} constant: leave out by {shown(words, 200)}")
        extreme = (high - low < LEAST) | (largest > MOST)
        if extreme.any():
            i = int(np.argmax(extreme))
            raise InputError(
                f"{where}: the {kind} {called[i]} lies between {low[i]:.3g} and {high[i]:.3g}: give it in other units, "
                f"so that it varies by {LEAST:g} at least and is at most {MOST:g}"
            )
    _refuse_copies(inputs, targets, columns, names, where)
    copies = _copies(inputs, targets, columns, names)
    return Table(inputs, targets, names, repeats, *_repeated(inputs, targets), copies=copies, columns=tuple(columns))


def signed(table: Table, rows: Rows) -> Table:
    """Return a table whose targets are -1 and 1 where they have two values over some rows: no other row decides."""
    if table.repeats is not None:
        return table
    seen = table.targets[rows]
    low, high = seen.min(axis=0), seen.max(axis=0)
    signs = ((seen == low) | (seen == high)).all(axis=0) & (high > low)
    if not signs.any():
        return table
    targets = table.targets.copy()
    low, high = low[signs], high[signs]
    targets[:, signs] = ((targets[:, signs] - low) - (high - targets[:, signs])) / (high - low)
    told = table.told or ("",) * len(table.names)
    two_valued = tuple(words or one for one, words, sign in zip(table.names, told, signs, strict=True) if sign)
    return table._replace(targets=targets, two_valued=two_valued)


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


def _averaged(inputs: Array, targets: Array, groups: Array) -> tuple[Array, Array, Repeats]:
    """Return the means over the repeats of each stimulus, and what repeats say of the noise."""
    _, place, counts = np.unique(groups, return_inverse=True, return_counts=True)
    if counts.max() == 1:
        raise InputError("repeats: no stimulus is shown more than once")

    def mean(values: Array) -> Array:
        total = np.zeros((counts.size, values.shape[1]))
        np.add.at(total, place, values)
        return total / counts[:, None]

    means = mean(targets)
    within = np.zeros_like(means)
    np.add.at(within, place, (targets - means[place]) ** 2)
    centres, squares = mean(inputs), np.zeros(inputs.shape[1])
    step = max(1, BLOCK // squares.size)
    for first in range(0, len(inputs), step):
        at = slice(first, first + step)
        squares += ((inputs[at] - centres[place[at]]) ** 2).sum(axis=0)
    total = squares + counts @ (centres - counts @ centres / len(inputs)) ** 2
    apart = float((squares / np.where(total > 0, total, 1.0)).max())
    return centres, means, Repeats(counts.astype(float), within, apart)


def _refuse_noise(targets: Array, repeats: Repeats, names: tuple[str, ...]) -> None:
    """Refuse targets whose repeats have nothing in common."""
    silent = [one for one, value in zip(names, repeats.explainable(targets)[0], strict=True) if not value > 0]
    if silent:
        words = f"target {silent[0]} varies" if len(silent) == 1 else f"targets {shown(', '.join(silent), 200)} vary"
        raise InputError(f"repeats: the {words} between stimuli no more than between repeats: leave out of target")


def _refuse_copies(inputs: Array, targets: Array, columns: list[str], names: tuple[str, ...], where: str) -> None:
    """Refuse inputs that are a target, under another name."""
    for i, target in enumerate(names):
        for column in np.flatnonzero((inputs[:2] == targets[:2, i, None]).all(axis=0)):
            if (inputs[:, column] == targets[:, i]).all():
                raise InputError(
                    f"{where}: column {columns[column]} is the target {target} itself: leave it out by "
                    f"columns = -{columns[column]}"
                )


def _copies(inputs: Array, targets: Array, columns: list[str], names: tuple[str, ...]) -> tuple[str, ...]:
    """Return in words which inputs are a target in other units: a line through its ends meets all rows."""
    found = []
    for i, target in enumerate(names):
        y = targets[:, i]
        low, high = int(y.argmin()), int(y.argmax())
        share = (y - y[low]) / (y[high] - y[low])
        spread = inputs[high] - inputs[low]
        left = np.abs(inputs[:FEWEST_ROWS] - inputs[low] - share[:FEWEST_ROWS, None] * spread)
        for column in np.flatnonzero((left <= COPIED * np.abs(spread)).all(axis=0) & (spread != 0.0)):
            apart = np.abs(inputs[:, column] - inputs[low, column] - share * spread[column]).max()
            if apart <= COPIED * abs(spread[column]):
                name = columns[column]
                found.append(f"column {name} is the target {target} in other units: leave it out by columns = -{name}")
    return tuple(found)


def _repeated(inputs: Array, targets: Array) -> tuple[int, int]:
    """Return how many rows equal one before, and how many do in their inputs alone.

    Rows that are alike along a random direction are compared in full.
    """
    rng = np.random.default_rng(0)
    along = inputs @ rng.standard_normal(inputs.shape[1])
    order = np.argsort(along, kind="stable")
    close = np.diff(along[order]) <= 1e-9 * np.abs(along[order][1:])
    group = np.empty(order.size, dtype=np.intp)
    group[order] = np.concatenate([[0], np.cumsum(~close)])
    order = np.lexsort((targets @ rng.standard_normal(targets.shape[1]), group))
    pairs = np.flatnonzero(np.diff(group[order]) == 0)
    found = [0, 0]
    step = max(1, BLOCK // inputs.shape[1])
    for first in range(0, pairs.size, step):
        at = pairs[first : first + step]
        one, other = order[at], order[at + 1]
        same = (inputs[one] == inputs[other]).all(axis=1)
        whole = same & (targets[one] == targets[other]).all(axis=1)
        found[0] += int(whole.sum())
        found[1] += int((same & ~whole).sum())
    return found[0], found[1]
