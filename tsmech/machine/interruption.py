"""Interruptions: heeded by a thread where the interpreter computes, kept from processes that have no say in them."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from multiprocessing import resource_tracker

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


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Start processes, and threads, that Ctrl-C does not reach, from their first moment on."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # it unblocks what is blocked
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
