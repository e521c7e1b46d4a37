"""Dask: the workers of a scheduler that somebody has started, who may come, go and die."""

import asyncio
import contextlib
import importlib
import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, Future
from typing import Any

from tsmech.engine.executors import Borrowed, Report, perform_in_time
from tsmech.engine.tasks import Outcome
from tsmech.errors import CutShortError, InputError
from tsmech.experiment import Task
from tsmech.machine.interruption import undisturbed
from tsmech.words import shown

SCHEDULER_SECONDS = 5.0
"""How long a scheduler is tried to be reached, at the start and when it has gone away."""
SILENCE_SECONDS = 30.0
"""How long a scheduler that is connected may take to answer."""
FAREWELL = 2.0
"""Seconds after which a Dask worker with a thread that is left to itself ends."""
CLOSE_SECONDS = 5.0
"""How long a client may take to close: what it still says later is no longer silenced."""
LOST_IN_A_ROW = 5
"""How many blocks may fail one after another by no fault of their tasks before Dask is said to be unable."""
SILENCE = logging.CRITICAL + 1
"""The level of their loggers during a run."""
SPEAKERS = ("distributed", "tornado", "asyncio")
"""Who speaks for Dask: itself, and the event loop that it runs on, which tells what a connection's end has broken."""
COUNT_SECONDS = 2.0
"""How long the number of a cluster's threads is taken for known."""


@contextlib.contextmanager
def open_cluster(scheduler: str | None, timeout: float | None) -> Iterator["Cluster"]:
    """Yield the pool of a Dask scheduler's workers.

    Raises
    ------
    InputError
        Where Dask is not installed, no address is given, or no scheduler answers there.
    """
    try:
        importlib.import_module("distributed")  # before its loggers are silenced, whose levels it sets
    except ImportError:
        raise InputError("--executor dask needs an extra: pip install 'tsmech[cluster]'") from None
    if scheduler is None:
        raise InputError(
            "--executor dask needs --scheduler ADDRESS: `dask scheduler` starts one and says its address, "
            "`dask worker ADDRESS` its workers"
        )
    with _silenced():
        client = _connect(scheduler)
        try:
            yield Cluster(client, scheduler, timeout)
        finally:
            with contextlib.suppress(OSError):
                client.close(timeout=CLOSE_SECONDS)


def _connect(scheduler: str) -> Any:
    """Return a client, started in a thread: an interruption waits until it is there, or it would be left half made."""
    made: list[Any] = []
    failed: list[Exception] = []

    def begin() -> None:
        try:
            made.append(_client(scheduler))
        except Exception as error:  # it is raised where it is waited for
            failed.append(error)

    thread = threading.Thread(target=begin, daemon=True)
    with undisturbed():
        thread.start()
    try:
        thread.join()
    except BaseException:
        thread.join(2 * SCHEDULER_SECONDS)
        for client in made:
            client.close(timeout=CLOSE_SECONDS)
        raise
    if failed:
        raise failed[0]
    return made[0]


def _client(scheduler: str) -> Any:
    """Return a client of a scheduler, or refuse it where it does not answer in time."""
    import distributed
    from distributed import Security
    from distributed.comm import get_address_host_port, parse_address, registry

    async def greet() -> None:
        # A client waits for ever where something takes the call and says nothing.
        scheme, place = parse_address(scheduler)
        connector = registry.get_backend(scheme).get_connector()
        comm = None
        while comm is None:
            try:
                comm = await connector.connect(place, deserialize=False)
            except OSError:  # it may only be starting
                await asyncio.sleep(0.1)
        try:
            await comm.write(comm.handshake_info())
            await comm.read()
        finally:
            comm.abort()

    if scheduler.startswith("tls:") and Security().get_connection_args("client").get("ssl_context") is None:
        raise InputError(
            f"scheduler = {shown(scheduler)} needs certificates: set distributed.comm.tls of Dask's settings"
        )
    try:
        get_address_host_port(scheduler)
    except ValueError:
        raise InputError(f"scheduler = {shown(scheduler)} is no address: write it as tcp://HOST:PORT") from None
    start = time.monotonic()
    try:
        asyncio.run(asyncio.wait_for(greet(), SCHEDULER_SECONDS))
        return distributed.Client(scheduler, timeout=SCHEDULER_SECONDS, set_as_default=False)
    except OSError:
        tried = time.monotonic() - start
        raise InputError(f"the Dask scheduler {shown(scheduler)} does not answer (tried for {tried:.1f} s)") from None
    except Exception as error:  # it speaks another language, or another version of this one
        words = f"{type(error).__name__}: {error}"[:200]
        raise InputError(f"{shown(scheduler)} is no Dask scheduler that can be used: {words}") from None


class Cluster(Borrowed):
    """A Dask cluster, whose workers may come, go and die.

    Dask itself performs the block of a worker that died again, up to its ``allowed-failures``; a block that is given up
    then is performed task by task.
    """

    def __init__(self, client: Any, name: str, timeout: float | None) -> None:
        super().__init__(client.get_executor(pure=False), 1, timeout)
        self._client = client
        self._name = name
        self._counted = -COUNT_SECONDS
        self._gone: float | None = None
        self._lost_in_a_row = 0
        self._asked: Future[dict[str, int]] | None = None
        self._asked_at = 0.0
        self.in_time = perform_in_time_there

    @property
    def hands(self) -> int:
        """Number of the workers' threads."""
        if time.monotonic() - self._counted >= COUNT_SECONDS and self._client.status == "running":
            self._count()
        return self._hands

    def _count(self) -> None:
        """Ask for the number of threads, or take the answer where it is there; nothing waits for it."""
        if self._asked is None:
            question = self._client.scheduler.ncores()
            self._asked = asyncio.run_coroutine_threadsafe(question, self._client.loop.asyncio_loop)
            self._asked_at = time.monotonic()
        elif self._asked.done():
            with contextlib.suppress(OSError, CancelledError):
                threads = sum(self._asked.result().values())
                self._hands = max(1, threads)
                self.remark = "" if threads else f"the Dask scheduler {self._name} has no workers: waiting for them"
            self._asked, self._counted = None, time.monotonic()

    def collect(self, seconds: float) -> list[Report]:
        """Return what has come back."""
        reports = super().collect(seconds)
        self._check()
        return reports

    def _check(self) -> None:
        """End the run where the scheduler has been away for too long: what it held is lost."""
        if self._client.status == "running":
            self._gone = None
            if time.monotonic() - self._counted >= COUNT_SECONDS:
                self._count()
            if self._asked is not None and time.monotonic() - self._asked_at >= SILENCE_SECONDS:
                raise self._lost()
            return
        self._gone = self._gone or time.monotonic()
        if time.monotonic() - self._gone >= SCHEDULER_SECONDS:
            raise self._lost()

    def _lost(self) -> CutShortError:
        return CutShortError(f"the Dask scheduler {self._name} is gone; what is finished is kept")

    def report(self, future: "Future[list[Outcome]]", block: Sequence[Task]) -> Report:
        """Return what became of a block: one that cost too many workers is under suspicion as a whole."""
        import distributed

        if future.cancelled():
            raise self._lost()
        error = future.exception()
        if isinstance(error, distributed.KilledWorker):
            return Report(block, [], block)
        # A result can also be lost on its way, with the worker that held it: then the block is performed once more.
        self._lost_in_a_row = 0 if error is None else self._lost_in_a_row + 1
        if 0 < self._lost_in_a_row <= LOST_IN_A_ROW:
            return Report(block, [])
        return super().report(future, block)


def perform_in_time_there(tasks: Sequence[Task], seed: int, seconds: float, timeout: float) -> list[Outcome]:
    """Perform tasks on a Dask worker, each in its time; where one is late, the worker is replaced by its nanny."""
    import distributed

    outcomes = perform_in_time(tasks, seed, seconds, timeout)
    if any(outcome.final and outcome.seconds == timeout for outcome in outcomes) and distributed.get_worker().nanny:
        threading.Timer(FAREWELL, os._exit, (1,)).start()  # when the outcomes have been fetched
    return outcomes


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """Keep Dask's own words, and its event loop's, from stderr: what matters of them is said by us, in one line."""
    names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] in SPEAKERS]
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(SILENCE)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
