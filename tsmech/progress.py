"""Shows how far long work is: a bar on a terminal, a line now and then elsewhere, on stderr."""

import sys
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any

QUIET_SECONDS = 10.0
"""Time between lines where stderr is no terminal."""


@dataclass
class Progress:
    """How far a run is: points and units that it had still to perform, those finished, and those of them that failed.

    ``trouble`` is the latest error of a unit, ``error`` the largest relative standard error above the target.
    """

    total: int
    points: int = 0
    finished: int = 0
    finished_points: int = 0
    failed: int = 0
    trouble: str = ""
    error: float | None = None


class Meter:
    """A context in which :meth:`show` displays how far a run is."""

    def __init__(self, name: str, quiet: bool = False) -> None:
        self._name = name
        self._quiet = quiet
        self._start = self._last = time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> "Meter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, progress: Progress) -> None:
        """Display the state of the work."""
        if self._quiet or progress.total == 0:
            return
        if sys.stderr.isatty():
            self._draw(progress)
        elif (now := time.monotonic()) - self._last >= QUIET_SECONDS:
            self._last = now
            rate = progress.finished / (now - self._start)
            left = f"{_duration((progress.total - progress.finished) / rate)} left" if rate else "time left unknown"
            words = [f"{progress.finished} of {progress.total}", *_points(progress), f"{rate:.3g} a second", left]
            print(f"{self._name}: {', '.join([*words, *_remarks(progress)])}", file=sys.stderr)

    def _draw(self, progress: Progress) -> None:
        if self._bar is None:
            from rich import progress as rich
            from rich.console import Console

            columns = [
                rich.TextColumn("{task.description}", markup=False),
                rich.BarColumn(bar_width=20),
                rich.MofNCompleteColumn(),
                rich.TextColumn("{task.fields[state]}", markup=False),
                rich.TimeRemainingColumn(),
            ]
            self._bar = rich.Progress(*columns, console=Console(stderr=True))
            self._bar.start()
            self._task = self._bar.add_task(self._name, total=progress.total, state="")
        rate = progress.finished / max(time.monotonic() - self._start, 1e-9)
        state = ", ".join([*_points(progress), f"{rate:.3g}/s", *_remarks(progress)])
        self._bar.update(self._task, completed=progress.finished, total=progress.total, state=state)


def _points(progress: Progress) -> list[str]:
    return [f"{progress.finished_points} of {progress.points} points"] if progress.points else []


def _remarks(progress: Progress) -> list[str]:
    """Return what is worth saying beside numbers: the error that is left, failures and the latest of their errors."""
    words = [f"error {progress.error:.2g}"] if progress.error else []
    trouble = " ".join(progress.trouble.split())
    if progress.failed:
        words.append(f"{progress.failed} failed" + (f" ({trouble[:60]})" if trouble else ""))
    return words


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
