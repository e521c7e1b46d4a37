"""Interruptions: heeded while compiled code runs, kept from processes that have no say in them."""

import contextlib
import contextvars
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")

HEARTBEAT = 0.2
"""Seconds after which a wait begins anew: where the system lets no signal end it."""
GRACE = 0.5
"""Seconds after a signal in which work may come to its end by itself."""
LEAST_PRIORITY = 19
NAME = "tsmech-work"
"""What threads are called that work for the main thread."""


def interruptible(work: Callable[[], T]) -> T:
    """Return what ``work()`` returns, or raise what it raises; Ctrl-C is answered although compiled code runs.

    Python's handlers of signals wait until compiled code returns to the main thread.  So a thread of its own does the
    work, and the main thread waits for it.  What a handler raises is raised in both: Python code ends at once, and
    a kernel that does not end within :data:`GRACE` is left to itself until it returns, with the least priority, and its
    result is dropped.  A thread that gets no signals, and one that works for another already, does its work itself.
    Signals wait for what holds the interpreter's lock, as no kernel and none of NumPy's linear algebra does: singular
    values, eigenvectors and least squares are found without it.  SciPy's Cholesky factor holds it, which is faster than
    NumPy's and takes some 2 s at 6000 rows.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    returned: list[T] = []
    raised: list[BaseException] = []
    ended = threading.Event()

    def perform() -> None:
        try:
            returned.append(work())
        except BaseException as error:
            raised.append(error)
        ended.set()

    thread = threading.Thread(target=contextvars.copy_context().run, args=(perform,), name=NAME, daemon=True)
    thread.start()
    try:
        while not ended.wait(HEARTBEAT):
            pass
    except BaseException as error:  # of a handler
        kind = ctypes.py_object(type(error))
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), kind)
        if not ended.wait(GRACE) and sys.platform == "linux" and thread.native_id is not None:
            with contextlib.suppress(OSError):  # where it has just ended
                os.setpriority(os.PRIO_PROCESS, thread.native_id, LEAST_PRIORITY)  # there a thread has its own
        raise
    if raised:
        raise raised.pop()
    return returned.pop()


def is_left_computing() -> bool:
    """Return whether a kernel that was left to itself still computes."""
    return any(thread.name == NAME for thread in threading.enumerate())


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Start processes, and threads, that Ctrl-C does not reach, from their first moment on."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # it unblocks what is blocked
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
