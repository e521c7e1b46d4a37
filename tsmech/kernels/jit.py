"""The one place that says how kernels are compiled.

Every kernel is decorated with ``kernel``; a kernel whose results must not depend on the order of a
sum, or that tests for NaN and infinity, uses ``strict_kernel``.  A helper that a kernel calls in its inner loop is an
``inlined_kernel``: left to LLVM, the call is optimised in one way where the caller is compiled and in another where it
comes from the cache, and the last digits differ.  Parallelism is over points and replicates, outside the kernels, so
none is parallel and all release the GIL.
"""

from numba import njit

from tsmech.machine import compilation

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
