"""Kernels that are interpreted at first: compiling them takes seconds, and a few hundred calls of them less.

Without ``fastmath`` Numba does what Python does, operation after operation in the order that is written, in the
arithmetic that all processors share: the Python function of such a kernel returns the same bits.  So nothing but time
depends on which of the two is called, and kernels that are at hand, compiled before or in Numba's cache, are.
"""

import functools
import types
from collections.abc import Callable
from typing import Any

import numpy as np

WORK = 4_000_000
"""What interpreted calls may cost in a process before all are compiled, in units of half a microsecond.

Averages of n fields cost up to n⁴ operations, the square of the size of their covariance.  Of one right-hand side of
two students and two teachers it is 2000: all that is interpreted takes about as long as compiling does.
"""


def squared(*arguments: Any) -> float:
    """Return the square of the size of the largest array."""
    return float(max((each.size for each in arguments if isinstance(each, np.ndarray)), default=1) ** 2)


def defer(kernel: Any, work: Callable[..., float] = squared) -> Any:
    """Return a kernel that is compiled when its calls from Python have become many; from kernels nothing changes.

    ``work`` says what an interpreted call with some arguments costs, in the units of ``WORK``.

    It may be a kernel only that adds in the order that is written (``strict_kernel``), and that fills what it is given
    without reading what was there.  In it whole powers are products, sums are loops and no library multiplies
    matrices: there NumPy and Numba round differently.
    """
    if hasattr(kernel, "py_func"):  # else Numba is told to compile nothing
        kernel._compile_for_args = _Deferred(kernel, work)
    return kernel


def plain(kernel: Any) -> Callable[..., Any]:
    """Return the Python function of a deferred kernel, with deferred kernels that it calls as Python functions too."""
    found: Callable[..., Any] = kernel._compile_for_args.function
    return found


class _Deferred:
    """What a kernel calls to have itself compiled for arguments of types that it does not know yet."""

    done = 0.0
    """The work of all interpreted calls."""

    def __init__(self, kernel: Any, work: Callable[..., float]) -> None:
        self._kernel, self._compile, self._work, self._absent = kernel, kernel._compile_for_args, work, False

    def __call__(self, *arguments: Any) -> Callable[..., Any]:
        """Return what is to be called with the arguments."""
        if _Deferred.done < WORK:
            self._absent = self._absent or self._is_missing(arguments)
            work = self._work(*arguments)
            if self._absent and _Deferred.done + work < WORK:
                _Deferred.done += work
                return self._interpreted
        compiled: Callable[..., Any] = self._compile(*arguments)
        return compiled

    def _is_missing(self, arguments: tuple[Any, ...]) -> bool:
        """Return whether Numba's cache lacks the kernel for such arguments."""
        cache = self._kernel._cache
        if not hasattr(cache, "_cache_file"):  # nothing is kept where no folder can be written
            return True
        key = cache._index_key(tuple(map(self._kernel.typeof_pyval, arguments)), self._kernel.targetctx.codegen())
        return key not in cache._cache_file._load_index()

    def _interpreted(self, *arguments: Any) -> Any:
        try:
            with np.errstate(all="ignore"):
                return _as_compiled(self.function(*arguments))
        except (ArithmeticError, ValueError):  # Python's for what is infinite, or no number, in compiled code
            return self._compile(*arguments)(*arguments)

    @functools.cached_property
    def function(self) -> Callable[..., Any]:
        """The Python function, which calls those of other deferred kernels."""
        function: types.FunctionType = self._kernel.py_func
        names = dict(function.__globals__)
        for name in function.__code__.co_names:
            if isinstance(getattr(names.get(name), "_compile_for_args", None), _Deferred):
                names[name] = plain(names[name])
        return types.FunctionType(function.__code__, names, function.__name__, function.__defaults__)


def _as_compiled(value: Any) -> Any:
    """Return numbers as compiled code does, in Python's types."""
    if isinstance(value, tuple):
        return tuple(map(_as_compiled, value))
    return value.item() if isinstance(value, np.generic) else value
