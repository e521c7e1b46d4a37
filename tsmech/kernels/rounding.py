"""Sums of a product and a number that are rounded once, on every machine and in whatever code they are written."""

import ctypes
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from numba import types
from numba.extending import lower_builtin, type_callable


def _exact(a: float, b: float, c: float) -> float:
    return float(Fraction(a) * Fraction(b) + Fraction(c))


def _of_library() -> Callable[[float, float, float], float]:
    """Return C's function, which Python has from 3.13 on, or a slow one where none is found."""
    try:
        found = ctypes.CDLL(None).fma
    except (AttributeError, OSError, TypeError):
        return _exact
    found.argtypes, found.restype = [ctypes.c_double] * 3, ctypes.c_double
    rounded: Callable[[float, float, float], float] = found
    return lambda a, b, c: rounded(a, b, c)  # Numba knows of ctypes' functions, and would call this one


fused: Any = getattr(math, "fma", None) or _of_library()
"""Returns a b + c of finite numbers, rounded once: in kernels one instruction where the processor has it.

Left to itself (``contract``) the compiler takes it where it likes, and the last digit with it.
"""


@type_callable(fused)
def _kind(context):  # type: ignore[no-untyped-def]
    return lambda a, b, c: types.float64 if (a, b, c) == (types.float64,) * 3 else None


@lower_builtin(fused, types.float64, types.float64, types.float64)  # type: ignore[no-untyped-call]
def _instruction(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
    return builder.fma(*arguments)
