"""The one place that says how kernels are compiled.

Every kernel is decorated with :data:`kernel`; a kernel whose results must not depend on the order of a
sum, or that tests for NaN and infinity, uses :data:`strict_kernel`.  Parallelism is over points and replicates,
outside the kernels, so neither is parallel and both release the GIL.
"""

from numba import njit

kernel = njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
strict_kernel = njit(cache=True, nogil=True, error_model="numpy")
