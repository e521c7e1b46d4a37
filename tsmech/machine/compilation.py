"""How long Numba compiles: once for each kernel on a machine, and not to be taken for the work itself."""

import contextlib
import importlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

WORDS = "compiling (once)"

_mine = threading.local()
_tell: list[Callable[[bool], None]] = []
_begun = 0
_lock = threading.Lock()


def seconds() -> float:
    """Return the seconds in which kernels have been compiled for this thread."""
    return float(getattr(_mine, "seconds", 0.0))


@contextlib.contextmanager
def telling(tell: Callable[[bool], None]) -> Iterator[None]:
    """Call ``tell`` when compilation in this process begins (with True) and when it has ended, within this context."""
    _tell.append(tell)
    try:
        yield
    finally:
        _tell.remove(tell)


def listen() -> None:
    """Take note of what Numba compiles from now on; what it finds in its cache is not compiled."""
    event: Any = importlib.import_module("numba.core.event")  # it has no types
    heeding = {"on_start": lambda self, event: _begin(), "on_end": lambda self, event: _end()}
    event.register("numba:compile", type("Listener", (event.Listener,), heeding)())


def _begin() -> None:
    """Note that a compilation begins: of a kernel, or within it of one that it calls."""
    _mine.depth = getattr(_mine, "depth", 0) + 1
    if _mine.depth == 1:
        _mine.began = time.perf_counter()
        _count(1)


def _end() -> None:
    _mine.depth -= 1
    if _mine.depth == 0:
        _mine.seconds = seconds() + time.perf_counter() - _mine.began
        _count(-1)


def _count(change: int) -> None:
    global _begun
    with _lock:
        before, _begun = _begun, _begun + change
    if (before == 0) != (_begun == 0):
        for tell in _tell:
            tell(_begun > 0)
