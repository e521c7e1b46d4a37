"""Where blocks of tasks are performed: in this process, in worker processes of our own, on anybody's executor."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass, field
from typing import Protocol

from tsmech.engine.tasks import Outcome, perform, perform_one, performed
from tsmech.errors import CutShortError
from tsmech.experiment import Task
from tsmech.machine.interruption import interruptible
from tsmech.machine.threads import one_thread_here


@dataclass(frozen=True)
class Report:
    """What became of a block: the outcomes of some of its tasks, and those that may have ended their worker."""

    block: Sequence[Task]
    outcomes: Sequence[Outcome]
    suspects: Sequence[Task] = field(default=())

    def rest(self) -> list[Task]:
        """Return the tasks that were not performed, through no fault of their own."""
        if len(self.outcomes) == len(self.block):
            return []
        accounted = {*self.suspects, *(outcome.task for outcome in self.outcomes)}
        return [task for task in self.block if task not in accounted]


class Pool(Protocol):
    """Performs blocks: it takes them while it has ``room``, holds ``busy`` of them, and reports what became of each."""

    @property
    def remark(self) -> str:
        """What it is waiting for, in words, or nothing."""

    @property
    def hands(self) -> int:
        """Number of tasks that it performs at a time."""

    @property
    def room(self) -> int:
        """Number of blocks that it takes at a time."""

    @property
    def busy(self) -> int:
        """Number of blocks that it holds."""

    def submit(self, block: Sequence[Task], seed: int, seconds: float) -> None:
        """Take a block, of which it performs what it can in so many seconds."""

    def collect(self, seconds: float) -> list[Report]:
        """Return what has become of blocks, after so many seconds at the latest."""

    def finished(self) -> list[Report]:
        """Return what is there without waiting: the last thing that is asked of it when it is interrupted."""


class Here:
    """The process itself: a block is performed when it is collected."""

    remark = ""

    def __init__(self) -> None:
        self.room = self.hands = 1
        self._given: tuple[Sequence[Task], int, float] | None = None
        self._done: list[Outcome] = []

    @property
    def busy(self) -> int:
        """Number of blocks that it holds."""
        return int(self._given is not None)

    def submit(self, block: Sequence[Task], seed: int, seconds: float) -> None:
        """Take a block."""
        self._given = block, seed, seconds

    def collect(self, seconds: float) -> list[Report]:
        """Perform the block."""
        assert self._given is not None
        block, seed, budget = self._given
        self._done = []
        interruptible(lambda: self._done.extend(performed(block, seed, budget)))
        self._given = None
        return [Report(block, self._done)]

    def finished(self) -> list[Report]:
        """Return what was performed of the block before it was interrupted."""
        return [Report(self._given[0], self._done)] if self._given else []


class Borrowed:
    """Any executor: it is used as it is, and neither replaced nor shut down.

    ``in_time`` is what is sent to it to perform a block with a limit of time for each task.
    """

    in_time: Callable[[Sequence[Task], int, float, float], list[Outcome]]
    remark: str = ""

    def __init__(self, executor: Executor, hands: int, timeout: float | None) -> None:
        self._executor = executor
        self._hands = hands
        self._timeout = timeout
        self.in_time = perform_in_time
        self.running: dict[Future[list[Outcome]], Sequence[Task]] = {}

    @property
    def hands(self) -> int:
        """Number of tasks that it performs at a time, as far as is known."""
        return self._hands

    @property
    def room(self) -> int:
        """Number of blocks that it takes at a time: two a hand, so that none waits for its next."""
        return 2 * self.hands

    @property
    def busy(self) -> int:
        """Number of blocks that it holds."""
        return len(self.running)

    def submit(self, block: Sequence[Task], seed: int, seconds: float) -> None:
        """Send a block."""
        try:
            if self._timeout is None:
                future = self._executor.submit(perform_there, block, seed, seconds)
            else:
                future = self._executor.submit(self.in_time, block, seed, seconds, self._timeout)
        except RuntimeError as error:  # broken, or shut down
            raise CutShortError(f"the executor takes no more work: {error}") from None
        self.running[future] = block

    def collect(self, seconds: float) -> list[Report]:
        """Return what has come back."""
        done, _ = wait(self.running, seconds, FIRST_COMPLETED)
        return [self.report(future, self.running.pop(future)) for future in done]

    def report(self, future: "Future[list[Outcome]]", block: Sequence[Task]) -> Report:
        """Return what became of a block whose future is done."""
        try:
            return Report(block, future.result())
        except BrokenExecutor:
            raise CutShortError("the executor lost its workers; what is finished is kept") from None
        except Exception as error:  # what the work is made of cannot be sent, or imported there
            raise CutShortError(f"the executor cannot perform the work: {type(error).__name__}: {error}") from error

    def finished(self) -> list[Report]:
        """Return what has come back, and ask for nothing more."""
        whole = [future for future in self.running if future.done() and not (future.cancelled() or future.exception())]
        for future in self.running:
            future.cancel()
        return [Report(self.running[future], future.result()) for future in whole]


def late(task: Task, timeout: float) -> Outcome:
    """Return the outcome of a task that took too long."""
    return Outcome(task, None, timeout, f"TimeoutError: not finished within {timeout:g} s", final=True)


def perform_there(tasks: Sequence[Task], seed: int, seconds: float) -> list[Outcome]:
    """Perform tasks on somebody else's worker, whose libraries may have more than one thread."""
    with one_thread_here():
        return perform(tasks, seed, seconds)


def perform_in_time(tasks: Iterable[Task], seed: int, seconds: float, timeout: float) -> list[Outcome]:
    """Perform tasks as :func:`tsmech.engine.tasks` does, each in a thread that is left to itself when it is late."""
    outcomes: list[Outcome] = []
    end = time.monotonic() + seconds
    with one_thread_here():
        for task in tasks:
            found: list[Outcome] = []
            thread = threading.Thread(
                target=lambda task=task, found=found: found.append(perform_one(task, seed)), daemon=True
            )
            thread.start()
            thread.join(timeout)
            outcomes.append(found[0] if found else late(task, timeout))
            if time.monotonic() >= end:
                break
    return outcomes
