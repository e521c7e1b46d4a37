"""In which order the points of a run's file lie along its axes."""

import json
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsmech.experiment import Experiment, in_order
from tsmech.problem.written import plain

STRETCH = 10_000
"""Points whose places are held at a time."""
BLOCK = 2_000
"""Points that are read at a time where no rows are made of them: few stay in the processor's caches."""


class Order(NamedTuple):
    """The points of a run, or of its lines, in the order of its axes: their numbers in the file and their places."""

    numbers: NDArray[np.int64]
    places: list[NDArray[np.int64]]
    """By axis the position of each point's value among the ``values``."""
    values: list[list[Any]]

    def between(self, first: int, last: int) -> list[tuple[Any, ...]]:
        """Return the values of the axes at the points of some positions, both ends among them."""
        if not self.values:
            return [()] * (last - first + 1)
        columns = (
            map(values.__getitem__, places[first : last + 1].tolist())
            for values, places in zip(self.values, self.places, strict=True)
        )
        return list(zip(*columns, strict=True))

    def part(self, positions: list[int]) -> "Order":
        """Return the points of some positions alone."""
        return Order(self.numbers[positions], [places[positions] for places in self.places], self.values)

    def stretches(self) -> Iterator[tuple[int, int]]:
        """Yield the first and last positions of stretches of numbers that follow one another, none of them too long."""
        ends = np.flatnonzero((np.diff(self.numbers) != 1) | (np.arange(1, max(len(self.numbers), 1)) % STRETCH == 0))
        firsts, lasts = np.append(0, ends + 1), np.append(ends, len(self.numbers) - 1)
        return zip(firsts.tolist(), lasts.tolist(), strict=True) if len(self.numbers) else iter(())


def read_order(connection: sqlite3.Connection, experiment: Experiment, line: str | None) -> Order:
    """Return the points of a run in the order of its axes, or those on the lines along a parameter."""
    axes = experiment.axes
    values: list[list[Any]] = [[] for _ in axes]
    codes: list[dict[Any, int]] = [{} for _ in axes]
    spelt: list[dict[str, int]] = [{} for _ in axes]  # the codes by how a value is written; -1 of those left out
    known = [None if line in (None, name) else {*map(in_order, plain(axes[name]))} for name in axes]
    written = _writing(experiment)
    parts: list[tuple[NDArray[np.int64], ...]] = []
    query = "SELECT parameters, id FROM points WHERE line = ? ORDER BY id"
    found = connection.execute(query, (bool(line),))
    while rows := found.fetchmany(BLOCK):
        texts, numbers = zip(*rows, strict=True)
        columns = zip(*map(written, texts), strict=True) if axes else ()
        places = []
        for n, column in enumerate(columns):
            for words in dict.fromkeys(column):
                if words in spelt[n]:
                    continue
                value = json.loads(words)
                key, allowed = in_order(value), known[n]
                if allowed is not None and key not in allowed:  # it belongs to no line
                    spelt[n][words] = -1
                    continue
                spelt[n][words] = codes[n].setdefault(key, len(values[n]))
                values[n] += [value] if len(values[n]) < len(codes[n]) else []
            places.append(np.fromiter(map(spelt[n].__getitem__, column), np.int64, len(rows)))
        kept = np.all([place >= 0 for place in places], axis=0) if places else np.ones(len(rows), bool)
        parts.append(tuple(column[kept] for column in (np.array(numbers, dtype=np.int64), *places)))
    order, *places = (
        (np.concatenate(column) for column in zip(*parts, strict=True))
        if parts
        else (np.empty(0, np.int64) for _ in range(1 + len(axes)))
    )
    keys = [_ranks(listed)[at] for listed, at in zip(values, places, strict=True) if listed]
    sorting = np.lexsort([order, *reversed(keys)])
    return Order(order[sorting], [at[sorting] for at in places], values)


def _writing(experiment: Experiment) -> Callable[[str], Sequence[str]]:
    """Return what finds how the values of a run's axes are written, in the parameters of one of its points."""
    declared = experiment.system.parameters()
    numbers = all({*declared[name].kinds} <= {"int", "float", "bool"} for name in experiment.axes)
    pattern = re.compile(".*?".join(f'"{name}": ([^,}}]+)' for name in experiment.axes))

    def find(text: str) -> Sequence[str]:
        if numbers and (found := pattern.search(text)) is not None:
            return found.groups()
        parameters = json.loads(text)
        return [json.dumps(parameters[name]) for name in experiment.axes]

    return find


def _ranks(values: Sequence[Any]) -> NDArray[np.int64]:
    """Return the place of each value when all of them are in order."""
    ordered = sorted(range(len(values)), key=lambda position: in_order(values[position]))
    return np.argsort(ordered)
