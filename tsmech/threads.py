"""One thread a process: sweeps are parallel over processes, and no result depends on how many threads there are."""

import contextlib
import os
from collections.abc import Iterator

ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
        "NUMBA_NUM_THREADS",
    ),
    "1",
)
"""The environment that says so; it is read when NumPy and Numba are imported."""


@contextlib.contextmanager
def one_thread_each() -> Iterator[None]:
    """Give processes that start within this context one thread each for linear algebra and for Numba."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def one_thread_here() -> Iterator[None]:
    """Compute with one thread in this process, whose libraries are loaded already, within this context.

    That takes threadpoolctl (``tsmech[threads]``); without it the last digits of dense linear algebra can depend on
    the number of threads.
    """
    if all(os.environ.get(name) == count for name, count in ONE_THREAD.items()):
        yield
        return
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        yield
        return
    with threadpool_limits(1):
        yield
