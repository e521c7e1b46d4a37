"""Performs tasks one after another in this process: what comes of each is its curve or its error."""

import itertools
import math
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tsmech.errors import TsmechError
from tsmech.experiment import Task
from tsmech.machine import compilation
from tsmech.problem.curve import Curve
from tsmech.words import printable

TOGETHER = 250
"""Most points at which a prediction is computed at once."""


@dataclass(frozen=True)
class Outcome:
    """What came of a task: its curve, or the error that it raised with the traceback; and the seconds it took.

    A failure that is ``final`` is one that the same numbers would bring about again: it is not retried.  The seconds
    are those of the work alone, without what Numba compiled for it, which is done once.
    """

    task: Task
    curve: Curve | None
    seconds: float
    error: str = ""
    trace: str = ""
    final: bool = False


def perform(
    tasks: Iterable[Task],
    seed: int,
    seconds: float = math.inf,
    begin: Callable[[int], None] = lambda position: None,
) -> list[Outcome]:
    """Perform tasks one after another until so many seconds have passed, at least one of them.

    An error becomes part of the outcome and stops no other task.  ``begin`` is called with each task's position.
    """
    return list(performed(tasks, seed, seconds, begin))


def performed(
    tasks: Iterable[Task],
    seed: int,
    seconds: float = math.inf,
    begin: Callable[[int], None] = lambda position: None,
) -> Iterator[Outcome]:
    """Yield the outcomes of :func:`perform` as they come, predictions at many points at once where the system can."""
    end = time.monotonic() + seconds
    position = 0
    for (_, answer), alike in itertools.groupby(tasks, key=lambda task: (type(task.system), task.answer)):
        while some := list(itertools.islice(alike, TOGETHER)):
            begin(position)
            if together := _perform_together(answer, some):
                position += len(some)
                yield from together
                if time.monotonic() >= end:
                    return
                continue
            for task in some:
                begin(position)
                position += 1
                yield perform_one(task, seed)
                if time.monotonic() >= end:
                    return


def _perform_together(answer: str, tasks: Sequence[Task]) -> list[Outcome]:
    """Return the outcomes of tasks that differ in their points alone, or nothing where they are performed singly."""
    system = type(tasks[0].system)
    if len(tasks) == 1 or not hasattr(system, f"{answer}_points"):
        return []
    start = time.perf_counter()
    try:
        curves = system.curves(answer, [task.system for task in tasks])
    except Exception:  # which task it is, and why, is found where each is performed by itself
        return []
    each = (time.perf_counter() - start) / len(tasks)
    return [Outcome(task, curve, each) for task, curve in zip(tasks, curves or (), strict=bool(curves))]


def perform_one(task: Task, seed: int) -> Outcome:
    """Perform one task."""
    start, compiled = time.perf_counter(), compilation.seconds()

    def outcome(curve: Curve | None, **more: Any) -> Outcome:
        seconds = time.perf_counter() - start - (compilation.seconds() - compiled)
        return Outcome(task, curve, max(seconds, 0.0), **more)

    try:
        predicts = task.system.answers[task.answer].predicts
        rng = None if predicts else task.system.stream(task.answer, seed, task.replicate)
        curve = task.system.curve(task.answer, rng)
    except Exception as error:  # whatever a task raises is recorded with it, and the others go on
        message, trace = printable(f"{type(error).__name__}: {error}"), printable(traceback.format_exc())
        final = isinstance(error, TsmechError)
        return outcome(None, error=message, trace=trace, final=final)
    return outcome(curve)
