"""Tasks performed in a pool of their own, for the tests of engines."""

from collections.abc import Generator, Iterable
from typing import Any

from tsmech.engine import Outcome, drive
from tsmech.engine.place import open_pool
from tsmech.experiment import Task


def run(tasks: Iterable[Task], seed: int, **places: Any) -> Generator[list[Outcome]]:
    """Yield outcomes in lists, from the pool that the places name, as of :func:`tsmech.engine.place.open_pool`."""
    with open_pool(**places) as pool:
        yield from drive(pool, tasks, seed)
