"""Activation functions: their names, tags, formulas and derivatives, and which Gaussian averages of them are known.

Compiled code takes an activation as its integer tag: a jitted function that is passed as an argument is recompiled in
every process, a tag is found in Numba's cache.  A function of one's own is a pair (g, g') or an :class:`Activation`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.words import shown

FloatArray = NDArray[np.float64]
Function = Callable[[FloatArray], FloatArray]
Pair = tuple[Function, Function]
"""g and g', functions of arrays."""

ERF, RELU, LINEAR, QUADRATIC, TANH, LEAKY_RELU, SIGN = range(7)

LEAK = 0.01
"""The slope of leaky ReLU where a ReLU is zero."""


class BuiltIn(NamedTuple):
    """An activation function that has a name."""

    tag: int
    formula: str
    g: Function
    slope: Function
    averages: Literal["closed", "sum", "quadrature"]
    """How Gaussian averages are taken: by closed forms (:mod:`tsmech.theory.fields.gaussian`), as those of a sum of
    activations with closed forms (:mod:`tsmech.theory.fields.mixtures`), or by quadrature."""
    trainable: bool = True
    """Whether gradient descent can train a layer of it; not where the derivative is zero almost everywhere."""


def _erf(x: FloatArray) -> FloatArray:
    from scipy.special import erf

    return np.asarray(erf(x / math.sqrt(2.0)))


BUILT_IN = {
    "erf": BuiltIn(ERF, "erf(x/√2)", _erf, lambda x: math.sqrt(2.0 / math.pi) * np.exp(-0.5 * x * x), "closed"),
    "relu": BuiltIn(RELU, "max(x, 0)", lambda x: np.maximum(x, 0.0), lambda x: (x > 0.0).astype(np.float64), "closed"),
    "linear": BuiltIn(LINEAR, "x", lambda x: x, np.ones_like, "closed"),
    "quadratic": BuiltIn(QUADRATIC, "x²", lambda x: x * x, lambda x: 2.0 * x, "closed"),
    "tanh": BuiltIn(TANH, "tanh x", np.tanh, lambda x: 1.0 / np.cosh(np.minimum(np.abs(x), 350.0)) ** 2, "sum"),
    "leaky_relu": BuiltIn(
        LEAKY_RELU,
        "max(x, x/100)",
        lambda x: np.maximum(x, LEAK * x),
        lambda x: np.where(x > 0.0, 1.0, LEAK),
        "sum",
    ),
    "sign": BuiltIn(SIGN, "sign x (of a teacher)", np.sign, np.zeros_like, "closed", trainable=False),
}


def built_in(name: str) -> BuiltIn:
    """Return the activation of a name, or refuse the name."""
    if name not in BUILT_IN:
        raise InputError(f"activation {shown(repr(name))} is unknown: one of {', '.join(BUILT_IN)} or a pair (g, g')")
    return BUILT_IN[name]


def functions(activation: str | Pair) -> Pair:
    """Return g and g' as functions of arrays, of a name or of a pair, or refuse what is neither."""
    if isinstance(activation, str):
        found = built_in(activation)
        return found.g, found.slope
    if not isinstance(activation, tuple) or len(activation) != 2 or not all(callable(f) for f in activation):
        raise InputError(f"activation {shown(repr(activation))} must be a pair (g, g') of functions of arrays")
    return activation


def check_trainable(activation: object, advice: str = "") -> None:
    """Refuse the activation of a student if its derivative is zero almost everywhere, so that it cannot be trained."""
    if isinstance(activation, str) and not built_in(activation).trainable:
        trainable = ", ".join(name for name, known in BUILT_IN.items() if known.trainable)
        raise InputError(
            f"activation {activation!r} is not allowed for a student whose first layer is trained, as its derivative "
            f"is zero: it must be one of {trainable}{advice}"
        )


@dataclass(frozen=True)
class Activation:
    """An activation function of one's own, from Python: its name, g(x) and g'(x), functions of arrays and numbers.

    Where one is expected, the pair (g, g') will do; it is named after g.  To reach worker processes both functions
    have to be defined at the top level of a module.

    Raises
    ------
    InputError
        Where g or g' is no function, or not finite at some of x = -3, -2, ..., 3, or where differences of g say that g'
        is not its derivative, kinks apart.
    """

    name: str
    g: Callable[[Any], Any]
    slope: Callable[[Any], Any]

    def __post_init__(self) -> None:
        """Refuse what is no function of real numbers."""
        for field, function in (("g", self.g), ("slope", self.slope)):
            try:
                values = np.asarray(function(np.arange(-3.0, 4.0)), dtype=float)
            except (TypeError, ValueError):
                raise InputError(f"activation {self.name}: {field} must be a function of an array of numbers") from None
            if values.shape not in ((), (7,)) or not np.isfinite(values).all():
                raise InputError(f"activation {self.name}: {field} must be finite numbers, one for each x")
        x = np.sin(np.arange(1.0, 42.0)) * 3.0
        slope = np.broadcast_to(np.asarray(self.slope(x), dtype=float), x.shape)
        misses = np.full(x.shape, np.inf)
        for h in (1e-3, 1e-4, 1e-5, 1e-6):
            with np.errstate(all="ignore"):
                difference = (np.asarray(self.g(x + h), dtype=float) - np.asarray(self.g(x - h), dtype=float)) / (
                    2.0 * h
                )
            misses = np.fmin(misses, np.abs(difference - slope))
        wrong = np.flatnonzero(misses > 1e-3 * (1.0 + np.abs(slope)))
        if wrong.size > 1:  # one point may lie beside a kink
            at, found = float(x[wrong[0]]), float(slope[wrong[0]])
            raise InputError(f"activation {self.name}: slope({at:.4g}) = {found:.4g} is not the derivative of g there")

    def __reduce__(self) -> tuple[Any, ...]:
        """Refuse functions that no other process could find by their names."""
        for function in (self.g, self.slope):
            if "<" in getattr(function, "__qualname__", ""):
                raise InputError(
                    f"activation {self.name} cannot be sent to workers: define its functions at the top level of a "
                    "module, or take workers = 1"
                )
        return Activation, (self.name, self.g, self.slope)

    @classmethod
    def from_functions(cls, g: Callable[[Any], Any], slope: Callable[[Any], Any]) -> "Activation":
        """Return the activation of a pair (g, g'), named after g."""
        return cls(str(getattr(g, "__qualname__", getattr(g, "__name__", "g"))), g, slope)
