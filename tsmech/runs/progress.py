"""Shows the progress of a run on stderr: a bar on a terminal, a line at intervals elsewhere."""

import math
import sys
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from tsmech.machine import compilation

QUIET_SECONDS = 10.0
"""Time between lines where stderr is no terminal."""
NOTEBOOK_SECONDS = 0.5
"""Time between changes of the line in a notebook."""
BEAT = 1.0
"""Time after which what is known is shown again, though nothing new be: one task may take minutes."""


@dataclass
class Progress:
    """How far a run is: points and tasks that it had still to perform, those finished, and those of them that failed.

    ``trouble`` is the latest error of a task, ``error`` the largest relative standard error above the target,
    ``remark`` what is waited for, ``left`` the seconds that are left: infinity where that is not known yet, None where
    it is to be judged by the rate so far.
    """

    total: int
    points: int = 0
    finished: int = 0
    finished_points: int = 0
    failed: int = 0
    trouble: str = ""
    error: float | None = None
    remark: str = ""
    left: float | None = None


def can_be_shown() -> bool:
    """Return whether progress can be displayed: stderr is a terminal, or this is a notebook."""
    return _is_terminal() or _is_notebook()


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def _is_notebook() -> bool:
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return hasattr(shell, "kernel")


class Meter:
    """A context in which :meth:`show` displays the progress of a run, ended by a line of totals where any was.

    Between two calls a thread shows the latest progress again, for the time that goes by in a single task.
    """

    def __init__(self, name: str, quiet: bool = False) -> None:
        self._name = name
        self._quiet = quiet or sys.stderr is None
        self._start = self._last = self._looked = time.monotonic()
        self._compiled, self._told = 0.0, False
        self._bar: Any = None
        self._task: Any = None
        self._length = 0
        self._shown: Progress | None = None
        self._latest: Progress | None = None
        self._one_at_a_time, self._ended = threading.RLock(), threading.Event()

    def __enter__(self) -> "Meter":
        if not self._quiet:
            threading.Thread(target=self._beat, daemon=True).start()
        return self

    def _beat(self) -> None:
        while not self._ended.wait(BEAT):
            with self._one_at_a_time:
                if self._latest is not None and not self._ended.is_set():
                    self.show(self._latest)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._one_at_a_time:
            self._ended.set()
        if self._bar is not None:
            self._bar.stop()
        if self._length:
            print(file=sys.stderr)
        if self._shown is not None and kind is None:
            print(f"{self._name}: {', '.join(self._totals(self._shown))}", file=sys.stderr)

    def show(self, progress: Progress) -> None:
        """Display the progress."""
        with self._one_at_a_time:
            self._latest = progress
            self._show(progress)

    def _show(self, progress: Progress) -> None:
        now = time.monotonic()
        compiles = progress.remark == compilation.WORDS
        if compiles:
            self._compiled += now - self._looked
        self._looked = now
        if self._quiet or progress.total == 0:
            return
        if _is_terminal():
            self._shown = progress
            self._draw(progress)
        elif compiles > self._told or now - self._last >= (NOTEBOOK_SECONDS if _is_notebook() else QUIET_SECONDS):
            self._shown, self._last, self._told = progress, now, self._told or compiles
            self._write(f"{self._name}: {', '.join(self._words(progress))}")

    def _write(self, line: str) -> None:
        """Write a line; in a notebook over the one before."""
        if _is_notebook():
            print("\r" + line.ljust(self._length), end="", file=sys.stderr, flush=True)
            self._length = len(line)
        else:
            print(line, file=sys.stderr)

    def _words(self, progress: Progress) -> list[str]:
        words = [f"{progress.finished} of {progress.total}", *_points(progress), f"{self._rate(progress):.3g} a second"]
        return [*words, self._left(progress), *_remarks(progress)]

    def _rate(self, progress: Progress) -> float:
        return progress.finished / max(time.monotonic() - self._start, 1e-9)

    def _left(self, progress: Progress) -> str:
        """Return what the time is spent with, or how much is left."""
        rate = self._rate(progress)
        judged = (progress.total - progress.finished) / rate if rate else math.inf
        left = judged if progress.left is None else progress.left
        return progress.remark or (f"{_duration(left)} left" if left < math.inf else "time left unknown")

    def _totals(self, progress: Progress) -> list[str]:
        words = f"{progress.finished} tasks in {_duration(time.monotonic() - self._start)}"
        compiled = f", {_duration(self._compiled)} of it compiling (once)" if self._compiled >= 0.5 else ""
        return [words + compiled, *_remarks(progress)]

    def _draw(self, progress: Progress) -> None:
        if self._bar is None:
            from rich import progress as rich
            from rich.console import Console

            columns = [
                rich.TextColumn("{task.description}", markup=False),
                rich.BarColumn(bar_width=20),
                rich.MofNCompleteColumn(),
                rich.TextColumn("{task.fields[state]}", markup=False),
            ]
            self._bar = rich.Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(self._name, total=progress.total, state="")
        words = [*_points(progress), f"{self._rate(progress):.3g}/s", self._left(progress), *_remarks(progress)]
        self._bar.update(self._task, completed=progress.finished, total=progress.total, state=", ".join(words))


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
