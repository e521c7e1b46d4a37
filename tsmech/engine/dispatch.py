"""Keeps a pool supplied with tasks wherever they are performed, and yields what comes of each as it is finished."""

from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable

from tsmech.engine.executors import Pool
from tsmech.engine.tasks import Outcome
from tsmech.experiment import Task
from tsmech.machine import compilation

BLOCK_SECONDS = 1.0
"""What a block of tasks takes: long against the cost of sending it, short against a person's patience."""
BLOCK_TASKS = 1000
"""Most tasks in one block, so that memory stays bounded."""
ATTEMPTS = 3
"""How often a task that raises is performed, with the same random numbers, before its error is recorded."""
DEATHS = 2
"""How often a task may lose its worker, the last time alone, before it is given up."""
HEARTBEAT = 0.5
"""Seconds after which the engine yields, though it be nothing, so that its caller can write and report."""


def drive(
    pool: Pool, tasks: Iterable[Task], seed: int, tell: Callable[[str], None] = lambda words: None
) -> Generator[list[Outcome]]:
    """Keep a pool supplied with blocks of tasks, and yield final outcomes in lists as they come.

    The tasks are consumed as they are performed, never held whole.  A list may be empty: one comes at least every
    :data:`HEARTBEAT`.

    ``tell`` is called with the words for it when Numba begins to compile in this process, and with none when it has
    ended; what worker processes wait for is the pool's ``remark``.

    A task that raises is performed again, :data:`ATTEMPTS` times in all.  One whose worker dies is performed again
    alone, when nothing else is under way, and is given up when it has lost :data:`DEATHS` workers.
    """
    with compilation.telling(lambda compiling: tell(compilation.WORDS if compiling else "")):
        yield from _driven(pool, tasks, seed)


def _driven(pool: Pool, tasks: Iterable[Task], seed: int) -> Generator[list[Outcome]]:
    blocks = _Blocks(tasks)
    suspects: deque[Task] = deque()
    attempts: Counter[Task] = Counter()
    deaths: Counter[Task] = Counter()
    try:
        while True:
            while pool.busy < (1 if suspects else pool.room):
                block = [suspects.popleft()] if suspects else blocks.take()
                if not block:
                    break
                pool.submit(block, seed, BLOCK_SECONDS)
            if not pool.busy:
                return
            finished: list[Outcome] = []
            for report in pool.collect(HEARTBEAT):
                for outcome in report.outcomes:
                    task = outcome.task
                    if outcome.curve is None and not outcome.final:
                        attempts[task] += 1
                        if attempts[task] < ATTEMPTS:
                            blocks.give_back([task])
                            continue
                    if attempts or deaths:
                        attempts.pop(task, None)
                        deaths.pop(task, None)
                    finished.append(outcome)
                alone = len(report.block) == 1 and not pool.busy
                for task in report.suspects:
                    deaths[task] += 1
                    if alone and deaths[task] >= DEATHS:
                        del deaths[task]
                        words = "the worker process died (killed, or out of memory)"
                        finished.append(Outcome(task, None, 0.0, words, final=True))
                    else:
                        suspects.append(task)
                blocks.give_back(report.rest())
            blocks.learn(finished)
            yield finished
    except KeyboardInterrupt:
        yield [outcome for report in pool.finished() for outcome in report.outcomes if outcome.curve is not None]
        raise


class _Blocks:
    """Cuts a stream of tasks into blocks that take about :data:`BLOCK_SECONDS`, as measured so far."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        self._tasks = iter(tasks)
        self._returned: deque[Task] = deque()
        self._next: Task | None = next(self._tasks, None)
        self._seconds: dict[str, float] = {}

    def take(self) -> list[Task]:
        """Return the next block of tasks, empty when there are none left."""
        block: list[Task] = []
        expected = 0.0
        while (task := self._returned[0] if self._returned else self._next) and len(block) < BLOCK_TASKS:
            seconds = self._seconds.get(task.answer)
            # What has not been measured yet goes alone, and so does what outlasts a block.
            expected += BLOCK_SECONDS if seconds is None else seconds
            if block and expected > BLOCK_SECONDS:
                break
            block.append(task)
            if self._returned:
                self._returned.popleft()
            else:
                self._next = next(self._tasks, None)
        return block

    def give_back(self, tasks: list[Task]) -> None:
        """Take tasks back that were not performed: they come next."""
        self._returned.extendleft(reversed(tasks))

    def learn(self, outcomes: Iterable[Outcome]) -> None:
        """Take the time that tasks took into account: the recent ones most."""
        for outcome in outcomes:
            answer = outcome.task.answer
            before = self._seconds.get(answer, outcome.seconds)
            self._seconds[answer] = 0.7 * before + 0.3 * outcome.seconds
