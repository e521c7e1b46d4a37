"""One thread a process: sweeps are parallel over processes, and no result depends on how many threads there are."""

import contextlib
import importlib
import importlib.util
import os
import threading
from collections.abc import Iterable, Iterator
from typing import Any

LINEAR_ALGEBRA = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
ONE_THREAD = dict.fromkeys((*LINEAR_ALGEBRA, "NUMBA_NUM_THREADS"), "1")
"""The environment that says so; a library reads it when it is loaded."""


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def one_thread_each(names: Iterable[str] = tuple(ONE_THREAD)) -> Iterator[None]:
    """Give processes that start, and libraries that are loaded, within this context one thread each."""
    before = {name: os.environ.get(name) for name in names}
    os.environ.update({name: ONE_THREAD[name] for name in before})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def begin_with_one_thread(module: str, function: str, *arguments: Any) -> None:
    """Call a module's function in a process that has just begun, before any library with threads is loaded in it.

    What started the process may itself have been started by somebody else, without :func:`one_thread_each`.
    """
    os.environ.update(ONE_THREAD)
    getattr(importlib.import_module(module), function)(*arguments)


def can_be_one_thread() -> bool:
    """Return whether linear algebra in this process has one thread, or can be held to it."""
    return _says_so() or importlib.util.find_spec("threadpoolctl") is not None


def _says_so() -> bool:
    return all(os.environ.get(name) == ONE_THREAD[name] for name in LINEAR_ALGEBRA)


_lock = threading.Lock()
_inside = 0
_outermost = contextlib.ExitStack()


@contextlib.contextmanager
def one_thread_here() -> Iterator[None]:
    """Compute with one thread in this process within this context, which several of its threads may enter.

    SciPy brings linear algebra of its own, so it is loaded before loaded libraries are limited, which takes
    threadpoolctl (``tsmech[threads]``); what is loaded later reads the environment.  Without threadpoolctl the last
    digits of dense linear algebra can depend on the number of threads, unless :func:`can_be_one_thread`.
    """
    global _inside
    with _lock:
        _inside += 1
        if _inside == 1:
            _limit(_outermost)
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _outermost.close()


def _limit(stack: contextlib.ExitStack) -> None:
    if not _says_so():
        import scipy.linalg  # noqa: F401  (it must be loaded when the limit is set)

        stack.enter_context(one_thread_each(LINEAR_ALGEBRA))
    with contextlib.suppress(ImportError):
        from threadpoolctl import threadpool_limits

        stack.enter_context(threadpool_limits(1))
