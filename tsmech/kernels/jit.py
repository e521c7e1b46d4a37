"""The one place that says how kernels are compiled.

Every kernel is decorated with ``kernel``; a kernel whose results must not depend on the order of a
sum, or that tests for NaN and infinity, uses ``strict_kernel``.  Parallelism is over points and replicates,
outside the kernels, so neither is parallel and both release the GIL.
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
