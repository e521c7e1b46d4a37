"""Runs units of work wherever they can be performed, and yields what comes of each as it is finished."""

import hashlib
import math
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tsmech.errors import TsmechError
from tsmech.experiment import Unit
from tsmech.machine import compilation
from tsmech.problem.system import ANSWERS, Curve
from tsmech.words import printable

if TYPE_CHECKING:
    from tsmech.engine.executors import Pool

BLOCK_SECONDS = 1.0
"""What a block of units takes: long against the cost of sending it, short against a person's patience."""
BLOCK_UNITS = 1000
"""Most units in one block, so that memory stays bounded."""
ATTEMPTS = 3
"""How often a unit that raises is performed, with the same random numbers, before its error is recorded."""
DEATHS = 2
"""How often a unit may lose its worker, the last time alone, before it is given up."""
HEARTBEAT = 0.5
"""Seconds after which the engine yields, though it be nothing, so that its caller can write and report."""


@dataclass(frozen=True)
class Outcome:
    """What came of a unit: its curve, or the error that it raised with the traceback; and the seconds it took.

    A failure that is ``final`` is one that the same numbers would bring about again: it is not retried.  The seconds
    are those of the work alone, without what Numba compiled for it, which is done once.
    """

    unit: Unit
    curve: Curve | None
    seconds: float
    error: str = ""
    trace: str = ""
    final: bool = False


def generator(unit: Unit, seed: int) -> np.random.Generator:
    """Return a unit's own random generator.

    Its address is the seed, the hash of the point, the answer and the replicate: nothing that depends on other
    points, on the order of work or on the number of workers.
    """
    point = int.from_bytes(hashlib.sha256(unit.system.key().encode()).digest()[:16])
    address = (point, ANSWERS.index(unit.answer), unit.replicate)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=address)))


def perform(
    units: Iterable[Unit],
    seed: int,
    seconds: float = math.inf,
    begin: Callable[[int], None] = lambda position: None,
) -> list[Outcome]:
    """Perform units one after another until so many seconds have passed, at least one of them.

    An error becomes part of the outcome and stops no other unit.  ``begin`` is called with each unit's position.
    """
    outcomes: list[Outcome] = []
    end = time.monotonic() + seconds
    for position, unit in enumerate(units):
        begin(position)
        outcomes.append(perform_one(unit, seed))
        if time.monotonic() >= end:
            break
    return outcomes


def perform_one(unit: Unit, seed: int) -> Outcome:
    """Perform one unit."""
    start, compiled = time.perf_counter(), compilation.seconds()

    def outcome(curve: Curve | None, **more: Any) -> Outcome:
        seconds = time.perf_counter() - start - (compilation.seconds() - compiled)
        return Outcome(unit, curve, max(seconds, 0.0), **more)

    try:
        rng = None if unit.answer == "theory" else generator(unit, seed)
        curve = unit.system.curve(unit.answer, rng)
        for name, values in curve.columns.items():
            if np.isnan(values).any():
                raise ArithmeticError(f"{unit.answer} returned NaN as {name}")
    except Exception as error:  # whatever a unit raises is recorded with it, and the others go on
        message, trace = printable(f"{type(error).__name__}: {error}"), printable(traceback.format_exc())
        final = isinstance(error, TsmechError)
        return outcome(None, error=message, trace=trace, final=final)
    return outcome(curve)


def run(
    units: Iterable[Unit],
    seed: int,
    *,
    workers: int = 1,
    executor: "str | Executor | None" = None,
    scheduler: str | None = None,
    timeout: float | None = None,
    script: bool = True,
) -> Generator[list[Outcome]]:
    """Perform units and yield their outcomes in lists, as blocks of them are finished.

    Parameters
    ----------
    units
        The work; it is consumed as it is performed, never held whole.
    seed
        The experiment's seed.
    workers, executor, scheduler, timeout, script
        Where the units are performed, as in :func:`tsmech.engine.executors.open_pool`.

    Notes
    -----
    A list may be empty: one comes at least every :data:`HEARTBEAT`.  Closing the iterator, or an exception thrown
    into it, ends the worker processes that it started.
    """
    from tsmech.engine.executors import open_pool

    with open_pool(workers=workers, executor=executor, scheduler=scheduler, timeout=timeout, script=script) as pool:
        yield from drive(pool, units, seed)


def drive(pool: "Pool", units: Iterable[Unit], seed: int) -> Generator[list[Outcome]]:
    """Keep a pool supplied with blocks of units, and yield final outcomes as they come.

    A unit that raises is performed again, :data:`ATTEMPTS` times in all.  One whose worker dies is performed again
    alone, when nothing else is under way, and is given up when it has lost :data:`DEATHS` workers.
    """
    blocks = _Blocks(units)
    suspects: deque[Unit] = deque()
    attempts: Counter[Unit] = Counter()
    deaths: Counter[Unit] = Counter()
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
                    unit = outcome.unit
                    if outcome.curve is None and not outcome.final:
                        attempts[unit] += 1
                        if attempts[unit] < ATTEMPTS:
                            blocks.give_back([unit])
                            continue
                    if attempts or deaths:
                        attempts.pop(unit, None)
                        deaths.pop(unit, None)
                    finished.append(outcome)
                alone = len(report.block) == 1 and not pool.busy
                for unit in report.suspects:
                    deaths[unit] += 1
                    if alone and deaths[unit] >= DEATHS:
                        del deaths[unit]
                        words = "the worker process died (killed, or out of memory)"
                        finished.append(Outcome(unit, None, 0.0, words, final=True))
                    else:
                        suspects.append(unit)
                blocks.give_back(report.rest())
            blocks.learn(finished)
            yield finished
    except KeyboardInterrupt:
        yield [outcome for report in pool.finished() for outcome in report.outcomes if outcome.curve is not None]
        raise


class _Blocks:
    """Cuts a stream of units into blocks that take about :data:`BLOCK_SECONDS`, as measured so far."""

    def __init__(self, units: Iterable[Unit]) -> None:
        self._units = iter(units)
        self._returned: deque[Unit] = deque()
        self._next: Unit | None = next(self._units, None)
        self._seconds: dict[str, float] = {}

    def take(self) -> list[Unit]:
        """Return the next block of units, empty when there are none left."""
        block: list[Unit] = []
        expected = 0.0
        while (unit := self._returned[0] if self._returned else self._next) and len(block) < BLOCK_UNITS:
            seconds = self._seconds.get(unit.answer)
            # What has not been measured yet goes alone, and so does what outlasts a block.
            expected += BLOCK_SECONDS if seconds is None else seconds
            if block and expected > BLOCK_SECONDS:
                break
            block.append(unit)
            if self._returned:
                self._returned.popleft()
            else:
                self._next = next(self._units, None)
        return block

    def give_back(self, units: list[Unit]) -> None:
        """Take units back that were not performed: they come next."""
        self._returned.extendleft(reversed(units))

    def learn(self, outcomes: Iterable[Outcome]) -> None:
        """Take the time that units took into account: the recent ones most."""
        for outcome in outcomes:
            answer = outcome.unit.answer
            before = self._seconds.get(answer, outcome.seconds)
            self._seconds[answer] = 0.7 * before + 0.3 * outcome.seconds
