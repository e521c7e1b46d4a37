"""Work in the background of a page: a lane performs the latest question in a worker process of its own.

A lane is a thread that keeps one worker process supplied and tells what comes of it.  A new question takes the place of
the one under way: what the worker is at is waited for a moment, since a new process costs more, and then killed.
"""

import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tsmech.engine import Outcome
from tsmech.engine.place import needs_script
from tsmech.engine.workers import Workers
from tsmech.experiment import Experiment, Task
from tsmech.explore.wording import sentence
from tsmech.problem.curve import Curve
from tsmech.store.summary import summarise
from tsmech.words import one_line

PATIENCE = 0.5
"""Seconds that a worker has to end what nobody asks for any more."""
POLL = 0.02
BLOCK = 0.15
"""Seconds that a block of tasks may take, so that news comes often."""
FIRST = 100
"""Tasks of the first block, of which news come at once."""
MOST = 400
"""Tasks of later ones."""
TELL = 0.1
"""Seconds between two news of one question, at the least."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """What a lane is asked: an experiment and the tasks of it that it performs.

    Parameters
    ----------
    number
        Tells questions apart: news carry the number of theirs.
    experiment
        What is asked.
    stages
        Makes the tasks, stage by stage, in the lane's thread.
    total
        How many tasks there are, where it is to be told.
    whole
        Whether news have the rows of whole stages alone.
    remarks
        Makes what a reader must know, one after another in the lane's thread when all tasks are done; it may be long.
    """

    number: int
    experiment: Experiment
    stages: Callable[[], Iterable[Iterable[Task]]]
    total: int = 0
    whole: bool = False
    remarks: Callable[[], Iterable[str | None]] = tuple


@dataclass(frozen=True)
class News:
    """What has come of a question so far.

    Parameters
    ----------
    number
        That of the question.
    rows
        Summary rows of all that is finished, as a run's table has them; the same list where nothing is new.
    finished, total
        How many tasks are done, and how many there are.
    compiling
        Whether Numba is compiling for it.
    failures
        In words, each once, what tasks raised.
    ended
        Whether no more rows will come.
    remarks
        What a reader must know, once all of it is known; None before.
    """

    number: int
    rows: Sequence[Row]
    finished: int = 0
    total: int = 0
    compiling: bool = False
    failures: Sequence[str] = ()
    ended: bool = False
    remarks: Sequence[str] | None = None


class Lane:
    """Performs one question at a time in a worker process, and tells of it; ``tell`` is called in its thread."""

    def __init__(self, tell: Callable[[News], None]) -> None:
        self._tell = tell
        self._asked: Question | None = None
        self._closed = False
        self._change = threading.Condition()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def ask(self, question: Question) -> None:
        """Take up a question in place of the one under way."""
        with self._change:
            self._asked = question
            self._change.notify()

    def cancel(self) -> None:
        """Leave the question under way."""
        with self._change:
            self._asked = None
            self._change.notify()

    def close(self) -> None:
        """End the thread and its process."""
        with self._change:
            self._closed, self._asked = True, None
            self._change.notify()

    @property
    def closed(self) -> bool:
        """Whether it takes no more questions."""
        return self._closed

    def join(self, seconds: float) -> None:
        """Wait for the end of the thread."""
        self._thread.join(seconds)

    def _run(self) -> None:
        pool: Workers | None = None
        while True:
            with self._change:
                while self._asked is None and not self._closed:
                    self._change.wait()
                if self._closed:
                    break
                question = self._asked
            assert question is not None
            try:
                asked = question.experiment.system, question.experiment.parameters
                pool = pool or Workers(1, script=bool(needs_script(asked)))
                ended = self._perform(pool, question)
            except Exception as error:  # whatever it is, the page says it and goes on
                self._tell(News(question.number, [], failures=[one_line(sentence(error))], ended=True))
                ended = False
            if not ended and pool is not None:
                _kill(pool)
                pool = None
            with self._change:
                if self._asked is question:
                    self._asked = None
        if pool is not None:
            _kill(pool)

    def _left(self, question: Question) -> bool:
        return self._asked is not question

    def _perform(self, pool: Workers, question: Question) -> bool:
        """Perform a question, and return whether its worker is free again."""
        waiting, total = iter(question.stages()), question.total
        upcoming = next(waiting, None)
        summary = Summary(question.experiment)
        stage: list[Task] = []
        rows: list[Row] = []
        told, size, compiling = -math.inf, FIRST, False

        def tell(ended: bool = False) -> None:
            if not self._left(question):
                failures = list(summary.failures)
                self._tell(News(question.number, rows, summary.finished, total, compiling, failures, ended))

        while not self._left(question):
            if not pool.busy:
                while not stage and upcoming is not None:
                    stage, upcoming = list(upcoming), next(waiting, None)
                if not stage:
                    break
                block, stage = stage[:size], stage[size:]
                pool.submit(block, question.experiment.seed, BLOCK)
                size = MOST
            for report in pool.collect(POLL):
                summary.add(report.outcomes)
                summary.lose(report.suspects)
                stage = [*report.rest(), *stage]
            now, before = time.monotonic(), compiling
            compiling = bool(pool.remark)
            done = not stage and not pool.busy
            fresh = summary.changed and now - told >= TELL and (upcoming is not None if done else not question.whole)
            if fresh:
                told, rows = now, summary.rows()
            if fresh or compiling != before:
                tell()
        if self._left(question):
            return _freed(pool)
        compiling, rows = False, summary.rows() if summary.changed else rows
        tell(ended=True)
        self._remark(question, rows, summary, total)
        return True

    def _remark(self, question: Question, rows: Sequence[Row], summary: "Summary", total: int) -> None:
        """Tell what a reader must know, unless another question comes before all of it is known."""
        found: dict[str | None, None] = {}
        for remark in question.remarks():
            if self._left(question):
                return
            found[remark] = None
        words = [remark for remark in found if remark]
        failures = list(summary.failures)
        self._tell(News(question.number, rows, summary.finished, total, False, failures, True, words))


def _freed(pool: Workers) -> bool:
    """Wait a moment for what a worker is at, and return whether it is free."""
    end = time.monotonic() + PATIENCE
    while pool.busy and time.monotonic() < end:
        pool.collect(POLL)
    return not pool.busy


def _kill(pool: Workers) -> None:
    pool.__exit__(KeyboardInterrupt, None, None)


@dataclass
class Summary:
    """The summary rows of outcomes, made anew only where outcomes have come."""

    experiment: Experiment
    finished: int = 0
    failures: list[str] = field(default_factory=list)
    changed: bool = False
    _curves: dict[tuple[Any, ...], list[Curve]] = field(default_factory=dict)
    _rows: dict[tuple[Any, ...], list[Row]] = field(default_factory=dict)

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Take outcomes up."""
        for outcome in outcomes:
            self.finished += 1
            self.changed = True
            task = outcome.task
            if outcome.curve is None:
                self._fail(outcome.error)
                continue
            place = (task.answer, *(getattr(task.system, name) for name in self.experiment.axes))
            self._curves.setdefault(place, []).append(outcome.curve)
            self._rows.pop(place, None)

    def lose(self, tasks: Iterable[Task]) -> None:
        """Take up that tasks ended their worker."""
        for task in tasks:
            self.finished += 1
            self._fail(f"the worker process died in {task.answer} (killed, or out of memory)")

    def _fail(self, words: str) -> None:
        self.changed = True
        kind, _, rest = words.partition(": ")
        said = one_line(rest if rest and kind.endswith("Error") else words, 300)
        if said not in self.failures and len(self.failures) < 3:
            self.failures.append(said)

    def rows(self) -> list[Row]:
        """Return the rows of all curves, answer by answer in the order of the tasks."""
        self.changed = False
        system = self.experiment.system
        for place, curves in self._curves.items():
            if place in self._rows:
                continue
            answer = place[0]
            head = {"system": system.name, "answer": answer, **dict(zip(self.experiment.axes, place[1:], strict=True))}
            diverged = [curve.diverged_at for curve in curves if curve.diverged_at is not None]
            tail = {"diverged_at": min(diverged)} if diverged else {}
            predicts = not self.experiment.simulates(answer)
            self._rows[place] = [head | row | tail for row in summarise(curves, system, predicts=predicts)]
        return [row for place in self._curves for row in self._rows[place]]
