"""Shows how far long work is: a bar on a terminal, a line now and then elsewhere, on stderr."""

import sys
import time
from types import TracebackType
from typing import Any

QUIET_SECONDS = 10.0
"""Time between lines where stderr is no terminal."""


class Meter:
    """A context in which :meth:`show` displays how many units are finished, of how many, and how many failed."""

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

    def show(self, finished: int, total: int, failed: int = 0) -> None:
        """Display the state of the work."""
        if self._quiet or total == 0:
            return
        if sys.stderr.isatty():
            self._draw(finished, total, failed)
        elif (now := time.monotonic()) - self._last >= QUIET_SECONDS:
            self._last = now
            rate = finished / (now - self._start)
            left = f"{(total - finished) / rate:.0f} s left" if rate else "time left unknown"
            print(f"{self._name}: {finished} of {total}, {left}{_failures(failed)}", file=sys.stderr)

    def _draw(self, finished: int, total: int, failed: int) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = [
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
            ]
            self._bar = Progress(*columns, console=Console(stderr=True))
            self._bar.start()
            self._task = self._bar.add_task(self._name, total=total)
        self._bar.update(self._task, completed=finished, total=total, description=self._name + _failures(failed))


def _failures(failed: int) -> str:
    return f", {failed} failed" if failed else ""
