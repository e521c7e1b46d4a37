"""The one place that says how kernels are compiled.

Every kernel is decorated with ``kernel``; a kernel whose results must not depend on the order of a
sum, or that tests for NaN and infinity, uses ``strict_kernel``.  A helper that a kernel calls in its inner loop is an
``inlined_kernel``: left to LLVM, the call is optimised in one way where the caller is compiled and in another where it
comes from the cache, and the last digits differ.  What theory calls from Python a few hundred times is a
``deferred_kernel``, a strict one that waits for more calls before it is compiled; its helpers are each a
``deferred_inlined_kernel``, since a call that LLVM leaves costs time, though no digit.  Parallelism is over points and
replicates, outside the kernels, so none is parallel and all release the GIL.
"""

from collections.abc import Callable
from typing import TypeVar

from numba import njit

from tsmech.kernels.deferral import defer, squared
from tsmech.machine import compilation

Function = TypeVar("Function")

compilation.listen()


def _can_be_cached() -> bool:
    """Return whether compiled kernels can be kept on disk; where no folder can be written, each process compiles."""
    try:
        njit(cache=True)(lambda: None)
    except RuntimeError:
        return False
    return True


_CACHE = _can_be_cached()

kernel = njit(cache=_CACHE, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
strict_kernel = njit(cache=_CACHE, nogil=True, error_model="numpy")
inlined_kernel = njit(forceinline=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})


def deferred_kernel(function: Function) -> Function:
    """Return a strict kernel that is interpreted at first: see :mod:`tsmech.kernels.deferral`."""
    return deferred_kernel_of(squared)(function)


def deferred_kernel_of(work: Callable[..., float]) -> Callable[[Function], Function]:
    """Return what makes such kernels, whose calls cost so much interpreted."""

    def decorate(function: Function) -> Function:
        deferred: Function = defer(strict_kernel(function), work)
        return deferred

    return decorate


def deferred_inlined_kernel(function: Function) -> Function:
    """Return a helper in the inner loops of deferred kernels, interpreted where they are."""
    deferred: Function = defer(njit(forceinline=True, nogil=True, error_model="numpy")(function))
    return deferred
