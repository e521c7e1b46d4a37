"""Worker processes of our own: each performs one block at a time, and one that dies or hangs is replaced alone."""

import contextlib
import os
import signal
import sys
import threading
import time
import types
from collections.abc import Iterator, Sequence
from multiprocessing import connection, get_context, parent_process
from multiprocessing.process import BaseProcess
from typing import Any

from tsmech.engine.executors import Report, late
from tsmech.engine.tasks import perform
from tsmech.errors import CutShortError, InputError
from tsmech.experiment import Task
from tsmech.machine import compilation
from tsmech.machine.interruption import undisturbed
from tsmech.machine.threads import begin_with_one_thread, one_thread_each

STARTS = 5
"""How often in a row workers may die as they start before the run is given up."""
FAREWELL = 5.0
"""Seconds that a worker has to end when there is nothing left to do."""


class Workers:
    """A pool of worker processes.

    Each says in shared memory which task of its block it is at and since when, so that one that dies or hangs is
    known by its task.  The tasks that it had finished in this block, about a second's work, are performed again.
    """

    def __init__(self, count: int, timeout: float | None = None, script: bool = True) -> None:
        self._context: Any = get_context("spawn" if sys.platform == "win32" else "forkserver")
        self._context.set_forkserver_preload([*(["__main__"] if script else []), "tsmech.engine"])
        self._timeout = timeout
        self._script = script
        self._failed_starts = 0
        self._ever_ready = False
        self._count = count
        self._workers: list[_Worker] = []

    @property
    def hands(self) -> int:
        """Number of tasks that it performs at a time."""
        return self._count

    @property
    def remark(self) -> str:
        """What it is waiting for."""
        return compilation.WORDS if any(worker.compiling() for worker in self._workers) else ""

    @property
    def room(self) -> int:
        """Number of blocks that it takes at a time: one a worker."""
        return self._count

    @property
    def busy(self) -> int:
        """Number of blocks that it holds."""
        return sum(worker.block is not None for worker in self._workers)

    def submit(self, block: Sequence[Task], seed: int, seconds: float) -> None:
        """Give a block to a worker that has none."""
        worker = next((worker for worker in self._workers if worker.block is None), None)
        if worker is None:
            worker = _Worker(self._context, self._script)
            self._workers.append(worker)
        worker.work = (block, seed, seconds)
        worker.send()

    def collect(self, seconds: float) -> list[Report]:
        """Return what has become of blocks, after so many seconds at the latest."""
        now = time.monotonic()
        ends = [worker.began() + self._timeout for worker in self._workers if worker.block and self._timeout]
        patience = max(0.0, min([seconds, *(end - now for end in ends)]))
        connection.wait([thing for worker in self._workers for thing in (worker.pipe, worker.sentinel)], patience)
        reports = [self._look_after(position) for position in range(len(self._workers))]
        return [report for report in reports if report is not None]

    def _look_after(self, position: int) -> Report | None:
        worker = self._workers[position]
        message = worker.receive()
        if message is _READY:
            self._failed_starts, self._ever_ready, worker.ready = 0, True, True
            worker.send()
            return None
        if isinstance(message, str):
            raise CutShortError(f"the worker processes cannot take the work: {message}")
        block = worker.block
        if message is not None:
            assert block is not None
            worker.work = None
            return Report(block, message)
        if not worker.dead():
            if not (self._timeout and block and worker.ready and time.monotonic() - worker.began() > self._timeout):
                return None
            position_before = worker.position()
            worker.kill()
            hung = worker.position() == position_before
        else:
            hung = False
        self._workers[position] = _Worker(self._context, self._script)
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts > STARTS:
                raise self._cannot_start()
            self._workers[position].work = worker.work
            return None
        if block is None:
            return None
        task = block[worker.position()]
        if hung and self._timeout:
            return Report(block, [late(task, self._timeout)])
        return Report(block, [], [task])

    def _cannot_start(self) -> Exception:
        if self._ever_ready:
            return CutShortError("the worker processes die as they start; what is finished is kept")
        return InputError(
            "the worker processes die as they start: a script whose own definitions they need must guard its entry by "
            'if __name__ == "__main__":'
        )

    def finished(self) -> list[Report]:
        """Return what workers have sent."""
        found = [(worker.block, worker.receive()) for worker in self._workers if not worker.receiving]
        return [Report(block, message) for block, message in found if block and isinstance(message, list)]

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for worker in self._workers:
            if kind is None:
                worker.pipe.close()
            else:
                worker.kill()
        for worker in self._workers:
            worker.process.join(FAREWELL)
            worker.kill()


class _Ready:
    """What a worker sends when it has started."""


_READY = _Ready


class _Worker:
    """One worker process, and the block that it has, if any."""

    def __init__(self, context: Any, script: bool) -> None:
        self.ready = False
        self.receiving = False
        self.work: tuple[Sequence[Task], int, float] | None = None
        # The position in the block, when that task was begun, and whether Numba is compiling.
        self._state = context.RawArray("d", 3)
        self.pipe, theirs = context.Pipe()
        arguments = (__name__, _work.__name__, theirs, self._state)
        self.process: BaseProcess = context.Process(target=begin_with_one_thread, args=arguments, daemon=True)
        with one_thread_each(), undisturbed(), contextlib.nullcontext() if script else _without_script():
            self.process.start()
        theirs.close()
        self.sentinel = self.process.sentinel

    @property
    def block(self) -> Sequence[Task] | None:
        """The block that it has."""
        return self.work and self.work[0]

    def send(self) -> None:
        """Send the work that it has, once it is ready; a worker that is dead is found to be so later."""
        if self.ready and self.work:
            self._state[:] = [0.0, time.monotonic(), 0.0]
            with contextlib.suppress(OSError):
                self.pipe.send(self.work)

    def receive(self) -> Any:
        """Return what it sent, or None."""
        self.receiving = True
        message = None
        with contextlib.suppress(EOFError, OSError):
            if self.pipe.poll():
                message = self.pipe.recv()
        self.receiving = False
        return message

    def position(self) -> int:
        """Return the position of the task that it is at."""
        return int(self._state[0])

    def began(self) -> float:
        """Return when it began the task that it is at."""
        return float(self._state[1])

    def compiling(self) -> bool:
        """Return whether Numba is compiling for the task that it is at."""
        return bool(self._state[2]) and self.block is not None

    def dead(self) -> bool:
        """Return whether it has ended."""
        return not self.process.is_alive()

    def kill(self) -> None:
        """End it, and wait for its end."""
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


@contextlib.contextmanager
def _without_script() -> Iterator[None]:
    """Start processes that leave a person's script alone: it is not needed there, and it may have no guard."""
    with _one_at_a_time:
        script = sys.modules["__main__"]
        sys.modules["__main__"] = types.ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = script


_one_at_a_time = threading.Lock()


def _work(pipe: Any, state: Any) -> None:
    """Perform blocks until the pipe is closed."""
    _prepare()

    def begin(position: int) -> None:
        state[1] = time.monotonic()
        state[0] = position

    def tell(compiling: bool) -> None:
        state[2] = compiling

    with contextlib.suppress(EOFError, OSError), compilation.telling(tell):  # the run may be over before it has begun
        pipe.send(_READY)
        while True:
            try:
                block, seed, seconds = pipe.recv()
            except (EOFError, OSError):
                raise
            except Exception as error:  # what the experiment is made of cannot be imported here, say
                pipe.send(f"{type(error).__name__}: {error}")
                return
            pipe.send(perform(block, seed, seconds, begin))


def _prepare() -> None:
    """Leave Ctrl-C to the coordinator, end with it, and be the first to go when memory runs out."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = parent_process()
    if parent is not None and not _ends_with(parent.sentinel):
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("1000")
    _limit_memory()


def _ends_with(sentinel: int) -> bool:
    """Let the system end this process with its coordinator, though compiled code lets no thread run.

    Its end of the sentinel's pipe closes when it ends; SIGIO is sent then, which ends a process that does not heed it.
    Return whether that can be had.
    """
    try:
        import fcntl

        fcntl.fcntl(sentinel, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(sentinel, fcntl.F_SETFL, fcntl.fcntl(sentinel, fcntl.F_GETFL) | os.O_ASYNC)
        return True
    except (ImportError, OSError, AttributeError):
        return False


def _limit_memory() -> None:
    """Let an allocation beyond the machine's whole memory fail in the task that asks for it."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        if soft == resource.RLIM_INFINITY or soft > total:
            resource.setrlimit(resource.RLIMIT_DATA, (total, hard))


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)
