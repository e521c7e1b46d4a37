"""Counts the tasks of a run, hands them out in order and writes their outcomes in batches."""

import itertools
import math
import operator
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from tsmech.engine import Outcome
from tsmech.engine.executors import Pool
from tsmech.errors import InputError
from tsmech.experiment import Experiment, Task
from tsmech.problem.system import System
from tsmech.runs import lines
from tsmech.runs.progress import Progress
from tsmech.store import Store

WRITE_SECONDS = 0.2
"""Time after which finished tasks are written, those of several small blocks in one transaction."""
WRITE_TASKS = 2000
"""Finished tasks that are not kept waiting."""


def _by_point(tasks: Iterable[Task]) -> Iterator[tuple[System, Iterator[Task]]]:
    return itertools.groupby(tasks, operator.attrgetter("system"))


class Work:
    """The tasks of a run: counted, handed out in order, their outcomes written in batches."""

    def __init__(self, store: Store, pool: Pool, answers: Sequence[str]) -> None:
        self.progress = Progress(0, left=math.inf)
        self.seed = store.experiment.seed
        self._store = store
        self._pool = pool
        self._both = len({store.experiment.simulates(answer) for answer in answers}) == 2
        self._waiting: list[Outcome] = []
        self._written = time.monotonic()
        self._under_way: Counter[str] = Counter()
        """By the key of each point the tasks that are not done, and one more while tasks of it are still to come."""
        self._ahead: set[Task] = set()
        """Predictions that are under way, ahead of the rest of their points."""
        self._lines: list[Task] = []
        self._on_lines = False
        self._left: Counter[str] = Counter()
        self._seconds: dict[str, float] = {}

    def expect(self, tasks: Iterable[Task]) -> None:
        """Count what the store lacks of tasks, and the points that they belong to."""
        point = None
        for task in self._store.remaining(tasks):
            self.progress.total += 1
            self._left[task.answer] += 1
            if task.system is not point:
                point = task.system
                self.progress.points += 1

    def expect_of(self, experiment: Experiment, total: int, points: int) -> None:
        """Count the tasks that the store lacks of a whole experiment, of which the totals are known."""
        self.progress.total, self.progress.points = total, points
        finished = self._store.counts()
        for answer in experiment.answers:
            asked = experiment.size * experiment.draws(answer)
            self._left[answer] = max(asked - finished.get(answer, 0), 0)

    def expect_lines(self) -> None:
        """Count what the store lacks of the points between those of the sweep that the lines of its picture need."""
        try:
            x = lines.axis(self._store.experiment)
        except InputError:  # said again when the picture is drawn
            return
        if x is not None:
            self._lines = list(self._store.remaining(lines.tasks(self._store.experiment, x)))
            self.progress.total += len(self._lines)
            self._left += Counter(task.answer for task in self._lines)

    def lines(self) -> Iterator[Task]:
        """Yield those points, when all else is finished; what comes of them is stored as that of lines."""
        if self._lines and not self._store.is_empty():
            self._on_lines = True
            yield from self._lines

    def taken(self, lacking: Callable[[], Iterable[Task]]) -> Iterator[Task]:
        """Yield the tasks that are lacking, predictions first, and keep in mind which points are under way."""
        if self.progress.total - len(self._lines) <= self.progress.finished:
            return  # where nothing is lacking there is no need to look for it
        if self._both:
            for point, tasks in _by_point(lacking()):
                ahead, simulated = [], False
                for task in tasks:
                    if self._store.experiment.simulates(task.answer):
                        simulated = True
                    else:
                        ahead.append(task)
                self._ahead.update(ahead if simulated else ())
                yield from ahead if simulated else self._begun(point, ahead)
        for point, tasks in _by_point(lacking()):
            simulates = self._store.experiment.simulates
            yield from self._begun(point, (task for task in tasks if simulates(task.answer) or not self._both))

    def _begun(self, point: System, tasks: Iterable[Task]) -> Iterator[Task]:
        key = point.key()
        some = False
        for task in tasks:
            self._under_way[key] += 1 if some else 2
            some = True
            yield task
        if some:
            self._settle(key)

    def _settle(self, key: str) -> None:
        self._under_way[key] -= 1
        if not self._under_way[key]:
            del self._under_way[key]
            self.progress.finished_points += 1

    def done(self, outcomes: Sequence[Outcome]) -> None:
        """Count outcomes, and write them when it is time."""
        for outcome in outcomes:
            task = outcome.task
            self.progress.finished += 1
            self._left[task.answer] -= 1
            if outcome.curve is None and not self._on_lines:
                self.progress.failed += 1
                self.progress.trouble = outcome.error
            before = self._seconds.get(task.answer, outcome.seconds)
            self._seconds[task.answer] = 0.9 * before + 0.1 * outcome.seconds
            if task in self._ahead:
                self._ahead.remove(task)
            elif not self._on_lines:
                self._settle(task.system.key())
        self.progress.remark = self._pool.remark
        self.progress.left = self._time_left()
        self._waiting += outcomes
        if len(self._waiting) >= WRITE_TASKS or time.monotonic() - self._written >= WRITE_SECONDS:
            self.write()

    def _time_left(self) -> float:
        """Return the seconds that are left, by what a task of each answer has taken; infinity where one is unknown."""
        left = [count * self._seconds.get(answer, math.inf) for answer, count in self._left.items() if count > 0]
        return sum(left) / self._pool.hands

    def write(self) -> None:
        """Write what is waiting, in one transaction."""
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            self._store.add(waiting, line=self._on_lines)
        self._written = time.monotonic()
