"""An interruption that the interpreter itself cannot heed in time, because it is computing: heeded by a thread."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator

GRACE = 1.5
"""Seconds after a signal in which the process may come to its end by itself."""


@contextlib.contextmanager
def end_in_time(end: Callable[[], None]) -> Iterator[None]:
    """Call ``end`` where this context has not been left within :data:`GRACE` of SIGINT or SIGTERM.

    Python's own handlers wait until compiled code returns.  The system's handler writes the signal's number into a
    pipe at once, and a thread reads it there.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    left = threading.Event()

    def watch() -> None:
        while number := os.read(reading, 1):
            if number[0] in (signal.SIGINT, signal.SIGTERM) and not left.wait(GRACE):
                end()
        os.close(reading)

    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        left.set()
        signal.set_wakeup_fd(before)
        os.close(writing)
