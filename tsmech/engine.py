"""Runs units of work, in this process or on any executor, and yields what comes of each as it is finished."""

import hashlib
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections import Counter, deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass

import numpy as np

from tsmech.errors import IncompleteError, InputError
from tsmech.experiment import Unit
from tsmech.systems.contract import ANSWERS, Curve
from tsmech.threads import one_thread_each, one_thread_here

BLOCK_SECONDS = 0.5
"""What a block of units is meant to take: long against the cost of sending it, short against a person's patience."""
BLOCK_UNITS = 256
"""Most units in one block, so that memory and what an interruption loses stay bounded."""


SOLITARY_DEATHS = 2
"""How often a unit that runs alone may lose its worker before it is given up."""


@dataclass(frozen=True)
class Outcome:
    """What came of a unit: its curve, or the error that it raised with the traceback; and the seconds it took."""

    unit: Unit
    curve: Curve | None
    seconds: float
    error: str = ""
    trace: str = ""


def generator(unit: Unit, seed: int) -> np.random.Generator:
    """Return a unit's own random generator.

    Its address is the seed, the hash of the point, the answer and the replicate: nothing that depends on other
    points, on the order of work or on the number of workers.
    """
    point = int.from_bytes(hashlib.sha256(unit.system.key().encode()).digest()[:16])
    address = (point, ANSWERS.index(unit.answer), unit.replicate)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=address)))


def perform(units: Iterable[Unit], seed: int) -> list[Outcome]:
    """Perform units one after another; an error becomes part of the outcome and stops no other unit."""
    return [_perform_one(unit, seed) for unit in units]


def _perform_one(unit: Unit, seed: int) -> Outcome:
    start = time.perf_counter()
    try:
        rng = None if unit.answer == "theory" else generator(unit, seed)
        curve = unit.system.curve(unit.answer, rng)
        for name, values in curve.columns.items():
            if np.isnan(values).any():
                raise ArithmeticError(f"{unit.answer} returned NaN as {name}")
    except Exception as error:  # whatever a unit raises is recorded with it, and the others go on
        message = f"{type(error).__name__}: {error}"
        return Outcome(unit, None, time.perf_counter() - start, message, traceback.format_exc())
    return Outcome(unit, curve, time.perf_counter() - start)


def run(
    units: Iterable[Unit], seed: int, *, workers: int = 1, executor: Executor | None = None
) -> Generator[list[Outcome]]:
    """Perform units and yield their outcomes in lists, as blocks of them are finished.

    Parameters
    ----------
    units
        The work; it is consumed as it is performed, never held whole.
    seed
        The experiment's seed.
    workers
        Worker processes of one thread each; 1 performs the units in this process.
    executor
        Any executor to send blocks to, in place of worker processes of our own.

    Notes
    -----
    Closing the iterator, or an exception thrown into it, ends the worker processes that it started.
    """
    if workers < 1:
        raise InputError(f"workers = {workers} is not allowed: it must be a whole number of at least 1")
    blocks = _Blocks(units)
    if executor is not None:
        yield from _run_on(_Borrowed(executor), blocks, seed, in_flight=2 * max(workers, os.cpu_count() or 1))
    elif workers == 1:
        with one_thread_here():
            yield from _run_here(blocks, seed)
    else:
        with one_thread_each(), _Workers(workers) as pool:
            yield from _run_on(pool, blocks, seed, in_flight=2 * workers)


class _Blocks:
    """Cuts a stream of units into blocks of one answer that take about :data:`BLOCK_SECONDS`, as measured so far."""

    def __init__(self, units: Iterable[Unit]) -> None:
        self._units = iter(units)
        self._next: Unit | None = next(self._units, None)
        self._seconds: dict[str, float] = {}

    def take(self) -> list[Unit]:
        """Return the next block of units, empty when there are none left."""
        block: list[Unit] = []
        expected = 0.0
        while self._next is not None and len(block) < BLOCK_UNITS:
            seconds = self._seconds.get(self._next.answer)
            # What has not been measured yet goes alone, and so does what outlasts a block.
            expected += BLOCK_SECONDS if seconds is None else seconds
            if block and expected > BLOCK_SECONDS:
                break
            block.append(self._next)
            self._next = next(self._units, None)
        return block

    def learn(self, outcomes: Iterable[Outcome]) -> None:
        """Take the time that units took into account: the recent ones most."""
        for outcome in outcomes:
            answer = outcome.unit.answer
            before = self._seconds.get(answer, outcome.seconds)
            self._seconds[answer] = 0.7 * before + 0.3 * outcome.seconds


def _run_here(blocks: _Blocks, seed: int) -> Iterator[list[Outcome]]:
    while block := blocks.take():
        outcomes: list[Outcome] = []
        try:
            for unit in block:
                outcomes.append(_perform_one(unit, seed))
        except KeyboardInterrupt:
            yield outcomes
            raise
        blocks.learn(outcomes)
        yield outcomes


class _Borrowed:
    """Somebody else's executor: it is used as it is, and neither replaced nor shut down."""

    def __init__(self, executor: Executor) -> None:
        self.executor = executor

    def replace(self) -> None:
        raise IncompleteError("the executor lost its workers")


class _Workers:
    """Worker processes of our own, replaced when one of them dies, and ended with the context."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._others = set(multiprocessing.active_children())
        self.executor = self._start()

    def _start(self) -> Executor:
        from concurrent.futures import ProcessPoolExecutor

        context = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
        executor = ProcessPoolExecutor(self._count, mp_context=context, initializer=_start_worker)
        try:
            executor.submit(os.getpid).result()
        except BrokenExecutor:
            raise InputError(
                "the worker processes die as they start: a script that uses more than one must guard its entry by "
                'if __name__ == "__main__":'
            ) from None
        return executor

    def replace(self) -> None:
        self._end()
        self.executor = self._start()

    def _end(self) -> None:
        for process in set(multiprocessing.active_children()) - self._others:
            process.kill()
        self.executor.shutdown(wait=False, cancel_futures=True)

    def __enter__(self) -> "_Workers":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.executor.shutdown()
        else:
            self._end()


def _run_on(pool: "_Borrowed | _Workers", blocks: _Blocks, seed: int, in_flight: int) -> Iterator[list[Outcome]]:
    """Keep a bounded number of blocks in flight, and yield outcomes as they come.

    When a worker dies, every block in flight is lost with it: their units run again one at a time, and one that is
    alone when its worker dies :data:`SOLITARY_DEATHS` times is recorded as failed.
    """
    running: dict[Future[list[Outcome]], list[Unit]] = {}
    suspects: deque[Unit] = deque()
    deaths: Counter[Unit] = Counter()
    try:
        while True:
            limit = 1 if suspects else in_flight
            while len(running) < limit and (block := [suspects.popleft()] if suspects else blocks.take()):
                running[pool.executor.submit(perform, block, seed)] = block
            if not running:
                return
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            outcomes: list[Outcome] = []
            lost: list[list[Unit]] = []
            for future in finished:
                block = running.pop(future)
                try:
                    outcomes += future.result()
                except BrokenExecutor:
                    lost.append(block)
            if lost:
                alone = len(lost) == 1 and not running and len(lost[0]) == 1
                lost += running.values()
                running.clear()
                pool.replace()
                for unit in (unit for block in lost for unit in block):
                    deaths[unit] += alone
                    if deaths[unit] == SOLITARY_DEATHS:
                        outcomes.append(Outcome(unit, None, 0.0, "the worker process died (killed, or out of memory)"))
                    else:
                        suspects.append(unit)
            blocks.learn(outcomes)
            yield outcomes
    except KeyboardInterrupt:
        whole = [future for future in running if future.done() and not (future.cancelled() or future.exception())]
        yield [outcome for future in whole for outcome in future.result()]
        raise
    finally:
        for future in running:
            future.cancel()


def _start_worker() -> None:
    """Leave signals that ask for an end to the coordinator, and end when it is gone."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: "multiprocessing.process.BaseProcess") -> None:
    parent.join()
    os._exit(1)
