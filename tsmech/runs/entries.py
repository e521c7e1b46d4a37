"""The numbers of a run one by one: which entry of which observable a column of the table is, and a row for each."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tsmech.problem.declarations import COLUMNS
from tsmech.problem.system import System
from tsmech.store import Store

Row = dict[str, Any]


class Entry(NamedTuple):
    """One entry of an observable: a number, or one of a vector or a matrix."""

    observable: str
    place: tuple[int, ...]
    labels: dict[str, Any]
    """By dimension the index at this place: its name where the run names it, else its number from 0."""


def dimensions(system: type[System], observable: str) -> list[str]:
    """Return what the axes of an observable are called in files: names without spaces, each another.

    A second axis of one name has a number, and one that is called like something else of the system an ending.
    """
    taken = {*system.parameters(), *system.coordinates, *system.observables, *COLUMNS}
    seen: Counter[str] = Counter()
    found = []
    for axis in system.observables[observable].axes:
        name = axis.replace(" ", "_")
        name = f"{name}_index" if name in taken else name
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return found


def known(store: Store) -> dict[str, Entry]:
    """Return the entries that the columns of a run's table hold, without their standard errors."""
    system = store.experiment.system
    found = {}
    for column, observable, index, labels in store.entries():
        words = [labels.get(axis) for axis in system.observables[observable].axes[: len(index)]]
        named = [at if names is None else names[at] for at, names in zip(index, words, strict=True)]
        found[column] = Entry(
            observable, index, dict(zip(dimensions(system, observable)[: len(index)], named, strict=True))
        )
    return found


def columns(store: Store) -> list[str]:
    """Return the names of the columns of :func:`rows`."""
    system = store.experiment.system
    indices = dict.fromkeys(name for entry in known(store).values() for name in entry.labels)
    head = ["system", "answer", *store.experiment.axes, *system.coordinates, "observable", *indices]
    return [*head, "value", "sem", "replicates", "diverged_at"]


def rows(store: Store) -> Iterator[Row]:
    """Yield a row for each number of the table: its observable, its indices, the value and its standard error.

    All rows have the same columns; what a number does not have is None, and so are all errors of a prediction that has
    none.
    """
    names = columns(store)
    entries = known(store)
    shared: Mapping[str, None] = dict.fromkeys(names)
    for row in store.rows():
        head = {name: value for name, value in row.items() if name in shared}
        for column, entry in entries.items():
            if column in row:
                numbers = {"value": row[column], "sem": row.get(f"{column}_sem")}
                yield {**shared, **head, "observable": entry.observable, **entry.labels, **numbers}
