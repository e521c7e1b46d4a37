"""Shards: shares of an experiment for independent jobs."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from tsmech.errors import InputError
from tsmech.experiment import Experiment, Task
from tsmech.words import shown

MOST_DIGITS = 6
"""Digits of a number of shards: there are fewer than a million."""


@dataclass(frozen=True)
class Shard:
    """One of ``count`` shares of an experiment, numbered from 1: every ``count``-th task in the experiment's order.

    Where replicates are added until an error is reached a point must be judged as a whole, and the share is every
    ``count``-th point.
    """

    number: int
    count: int

    @classmethod
    def read(cls, words: str) -> "Shard":
        """Return the shard that is written as ``3/10``."""
        number, slash, count = str(words).partition("/")
        digits = slash and all(part.isdecimal() and len(part) <= MOST_DIGITS for part in (number, count))
        if not (digits and 1 <= int(number) <= int(count)):
            raise InputError(f"shard = {shown(words)} is not allowed: it must be a number of a count, such as 3/10")
        return cls(int(number), int(count))

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @property
    def suffix(self) -> str:
        """What the name of its run directory ends with."""
        return f".{self.number}-of-{self.count}"

    def tasks(self, experiment: Experiment) -> Iterator[Task]:
        """Yield its share of an experiment's tasks."""
        first = self.number - 1
        if experiment.target_error is None:
            return experiment.tasks(first, self.count)
        points = itertools.islice(experiment.points(), first, None, self.count)
        return itertools.chain.from_iterable(map(experiment.tasks_at, points))


WHOLE = Shard(1, 1)
