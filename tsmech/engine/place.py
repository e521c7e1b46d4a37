"""Where work is performed: how many workers it has, and the pool that is opened for it."""

import contextlib
import math
import multiprocessing
import os
import pickle
import sys
from collections.abc import Iterator
from concurrent.futures import Executor
from typing import Any

from tsmech.engine.executors import Borrowed, Here, Pool
from tsmech.errors import InputError
from tsmech.experiment import whole
from tsmech.machine.threads import can_be_one_thread, cores, one_thread_here
from tsmech.words import shown

BUILT_IN = ("local", "dask")
MOST_WORKERS = 1024
"""Worker processes that one machine is asked for."""


def place(work: Any, simulated: bool, workers: int | None) -> tuple[int, str | None]:
    """Return how many workers some work has, and the executor, where none is named.

    Simulations have a worker a core, unless a number is given.  What is theory alone, or would need a person's script
    or notebook to be imported by the workers, is performed in this process; so is everything where no process can be
    started.  One worker is this process, where it can be held to one thread: the numbers are the same everywhere.

    Parameters
    ----------
    work
        What the tasks are made of.
    simulated
        Whether there are simulations.
    workers
        The number that a person gave, or None.
    """
    if workers is not None and workers != 1:
        return workers, None
    elsewhere = needs_script(work) is False and _can_start()
    if elsewhere and not can_be_one_thread():
        return workers or (cores() if simulated else 1), "local"
    if elsewhere and simulated and workers is None:
        return cores(), "local"
    return 1, None


def needs_script(work: Any) -> bool | None:
    """Return whether some work holds what a person's own script or notebook defines; None where it cannot be sent."""
    try:
        return b"__main__" in pickle.dumps(work)
    except Exception:  # a lambda, an open file: whatever it is, it has to stay here
        return None


def _can_start() -> bool:
    """Return whether this process can start others: not a daemon, nor one that is still reading its script."""
    process = multiprocessing.current_process()
    return bool(sys.executable) and not process.daemon and not getattr(process, "_inheriting", False)


@contextlib.contextmanager
def open_pool(
    *,
    workers: int = 1,
    executor: str | Executor | None = None,
    scheduler: str | None = None,
    timeout: float | None = None,
    script: bool = True,
) -> Iterator[Pool]:
    """Yield a pool; leaving the context by an exception ends at once all that was started for it.

    Parameters
    ----------
    workers
        Worker processes of one thread each; 1, where no executor is named, is this process.
    executor
        ``"local"``: worker processes of our own, one or more; ``"dask"``: a Dask cluster; or any
        ``concurrent.futures.Executor``, which is used as it is and not shut down.
    scheduler
        Address of the Dask scheduler, whose workers they are then.
    timeout
        Seconds that a task may take; one that takes longer fails.  A worker of our own is replaced then; on
        another executor the task's thread is left to itself.
    script
        Whether worker processes of our own need what the script that is run defines, and have to import it: then it
        must guard its entry (``if __name__ == "__main__":``).

    Raises
    ------
    InputError
        Where any of these is not allowed, or the scheduler cannot be reached.
    """
    whole("workers", workers, 1, MOST_WORKERS)
    if timeout is not None and not (isinstance(timeout, (int, float)) and 0 < timeout < math.inf):
        raise InputError(f"timeout = {shown(timeout)} is not allowed: it must be a number of seconds above 0")
    if isinstance(executor, str) and executor not in BUILT_IN:
        raise InputError(f"executor = {shown(executor)} is unknown: it must be one of {', '.join(BUILT_IN)}")
    if scheduler is not None and executor != "dask":
        raise InputError(f"scheduler = {shown(scheduler)} needs the executor dask: --executor dask")
    if isinstance(executor, Executor):
        with one_thread_here():  # where it is one of threads
            yield Borrowed(executor, max(workers, os.cpu_count() or 1), timeout)
    elif executor == "dask":
        from tsmech.engine.cluster import open_cluster

        with open_cluster(scheduler, timeout) as pool:
            yield pool
    elif executor == "local" or workers > 1 or timeout is not None:
        from tsmech.engine.workers import Workers

        with Workers(workers, timeout, script) as own:
            yield own
    else:
        with one_thread_here():
            yield Here()
