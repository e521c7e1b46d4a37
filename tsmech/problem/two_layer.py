"""A two-layer student and its two-layer teacher: parameters, starts and observables of the systems that train one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.problem.observables import Observable
from tsmech.problem.overlaps import Overlaps
from tsmech.problem.parameters import LARGEST_DIMENSION, parameter

MOST_UNITS = 10_000
"""Hidden units beyond which the overlaps alone, a number for each pair of them, do not fit a computer."""
ACTIVATIONS = ("erf", "relu", "linear", "quadratic", "tanh", "leaky_relu")
NORMALISATIONS: dict[str, Callable[[int], float]] = {
    "committee": lambda units: 1.0,
    "1/sqrt(K)": lambda units: units**-0.5,
    "1/K": lambda units: 1.0 / units,
}
STARTS = {"random": 1.0, "small": 1e-3, "informed": 0.1, "denoising": 0.1}
"""Kinds of start, with the default scale of the random part of the student's weights."""

SMALLEST = 1e-8
"""Scale of the first weights of a ReLU unit that is given none: ε_g differs by about as much from its limit."""

OBSERVABLES = {
    "generalization_error": Observable("ε_g", "generalization error"),
    "test_error": Observable("ε_test", "test error"),
    "specialization": Observable("S", "mean specialization of the student's units"),
    "Q": Observable("Q", "student-student overlaps", axes=("student unit", "student unit")),
    "R": Observable("R", "student-teacher overlaps", axes=("student unit", "teacher unit")),
    "v": Observable("v", "student's second layer", axes=("student unit",)),
}


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


def _activation(which: str, default: Any) -> dict[str, Any]:
    return {
        "symbol": "g",
        "help": f"activation of {which}: erf(x/√2), max(x, 0), x, x², tanh x or max(x, x/100); from Python also a pair "
        "(g, g')",
        "default": default,
        "choices": ACTIVATIONS,
    }


_FIELDS: dict[str, dict[str, Any]] = {
    "student_units": {
        "symbol": "K",
        "help": "hidden units of the student",
        "default": 2,
        "minimum": 1,
        "maximum": MOST_UNITS,
    },
    "teacher_units": {
        "symbol": "M",
        "help": "hidden units of the teacher",
        "default": 2,
        "minimum": 1,
        "maximum": MOST_UNITS,
    },
    "activation": _activation("the teacher, and of the student unless it has its own", "erf"),
    "student_activation": _activation("the student, where it differs", None),
    "learning_rate": {"symbol": "η", "help": "learning rate of the first layer", "default": 0.5, "minimum": 0},
    "second_layer_rate": {
        "symbol": "η_v",
        "help": "learning rate of the second layer; 0 keeps it fixed",
        "default": 0.0,
        "minimum": 0,
    },
    "noise": {"symbol": "σ", "help": "standard deviation of the label noise", "default": 0.0, "minimum": 0},
    "weight_decay": {
        "symbol": "κ",
        "help": "weight decay: a step shrinks the weights by 1 - κ/N",
        "default": 0.0,
        "minimum": 0,
    },
    "batch": {"symbol": "B", "help": "examples a step", "default": 1, "minimum": 1},
    "normalisation": {
        "symbol": "c",
        "help": "factor of the outputs: 1, or one over √K or K for the student and over √M or M for the teacher",
        "default": "committee",
        "choices": tuple(NORMALISATIONS),
    },
    "teacher_second_layer": {
        "symbol": "A",
        "help": "second layer of the teacher, M numbers (default: ones)",
        "default": None,
    },
    "initial": {
        "symbol": "w_0",
        "help": "the student's start: random; small: random but small; informed: near the teacher; denoising: each "
        "teacher unit shared by several; or overlaps",
        "default": "random",
        "choices": tuple(STARTS),
    },
    "initial_scale": {
        "symbol": "s_0",
        "help": "standard deviation of the random part of the first weights (default: 1 random, 0.001 small, else 0.1)",
        "default": None,
        "minimum": 0,
    },
    "start_seed": {
        "symbol": "#",
        "help": "seed of the start that answers and replicates share",
        "default": 0,
        "minimum": 0,
    },
    "dimension": {
        "symbol": "N",
        "help": "input dimension of the simulations, and of the start",
        "default": 1000,
        "minimum": 1,
        "maximum": LARGEST_DIMENSION,
    },
}


def declare(name: str) -> Any:
    """Declare a field that describes student, teacher or steps: the same in every system that has it."""
    return parameter(**_FIELDS[name])


def check(system: Any) -> None:
    """Refuse units, second layers and overlaps that do not fit together."""
    K, M, N = system.student_units, system.teacher_units, system.dimension
    if N < K + M:
        raise InputError(f"dimension = {N} is not allowed: it must be at least student_units + teacher_units = {K + M}")
    if system.teacher_second_layer is not None and len(system.teacher_second_layer) != M:
        raise InputError(f"teacher_second_layer has {len(system.teacher_second_layer)} numbers: it must have {M}")
    if isinstance(system.initial, Overlaps) and np.shape(system.initial.R) != (K, M):
        raise InputError(
            f"initial has overlaps of {np.shape(system.initial.R)} units: student and teacher have {K}, {M}"
        )
    given = system.initial.A if isinstance(system.initial, Overlaps) else None
    if system.teacher_second_layer is not None and given not in (None, (1.0,) * M, system.teacher_second_layer):
        raise InputError("teacher_second_layer and the A of initial are both given, and differ: give one")


def start(system: Any) -> tuple[NDArray[np.float64], ...]:
    """Return the overlaps Q, R and T and the second layers v and A that all answers of a system start from.

    A ReLU unit without weights has no slope, a leaky one that of one side; where its second layer is not zero it starts
    from the limit of small weights, in a direction of its own, which does not matter: ``theory/online_sgd.md``,
    section 4.
    """
    Q, R, T, v, A = _given_start(system)
    if (system.student_activation or system.activation) in ("relu", "leaky_relu"):
        asleep = np.flatnonzero((np.diag(Q) == 0.0) & (v != 0.0))
        Q = Q.copy()
        Q[asleep, asleep] = SMALLEST**2
    return Q, R, T, v, A


def _given_start(system: Any) -> tuple[NDArray[np.float64], ...]:
    if isinstance(system.initial, Overlaps):
        Q, R, T, v, A = system.initial.arrays()
        return Q, R, T, v, A if system.teacher_second_layer is None else np.array(system.teacher_second_layer)
    from tsmech.sims.two_layer.starts import random_overlaps

    K, M = system.student_units, system.teacher_units
    scale = STARTS[system.initial] if system.initial_scale is None else system.initial_scale
    teacher, student, second = np.random.default_rng(system.start_seed).spawn(3)
    Q, R, T = random_overlaps(K, M, system.dimension, scale, teacher_rng=teacher, student_rng=student, orthonormal=True)
    A = np.ones(M) if system.teacher_second_layer is None else np.array(system.teacher_second_layer)
    v = np.ones(K)
    if system.initial in ("random", "small"):
        return Q, R, T, second.normal(0.0, scale, K) if system.second_layer_rate else v, A
    chosen = np.eye(K, M) if system.initial == "informed" else np.eye(M)[np.arange(K) % M]
    sharing = np.maximum(chosen.sum(axis=0), 1.0)
    known = chosen.sum(axis=1) > 0.0
    v[known] = (chosen @ (A / sharing))[known] * factor(system, M) / factor(system, K)
    return Q + chosen @ R.T + R @ chosen.T + chosen @ chosen.T, R + chosen, T, v, A


def factor(system: Any, units: int) -> float:
    """Return the factor of the outputs of a network of as many units, which is part of v and A in theory and sims."""
    return NORMALISATIONS[system.normalisation](units)


def activations(system: Any) -> dict[str, Any]:
    """Return the activations as theory and simulations take them, by argument: each a name, or the pair (g, g')."""
    teacher = _functions(system.activation)
    student = teacher if system.student_activation is None else _functions(system.student_activation)
    return {"student_activation": student, "teacher_activation": teacher}


def observe(
    system: Any,
    Q: NDArray[np.float64],
    R: NDArray[np.float64],
    T: NDArray[np.float64],
    v: NDArray[np.float64],
    A: NDArray[np.float64],
    error: NDArray[np.float64] | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Return the observables ``OBSERVABLES`` from overlaps; v has the factor of the outputs in it, A has not."""
    from tsmech.theory.overlaps import generalization_error, specialization

    if error is None:
        error = generalization_error(Q, R, T, v, factor(system, A.size) * A, independent=True, **activations(system))
    return {
        "generalization_error": error,
        "test_error": error + system.noise**2 / 2,
        "specialization": specialization(Q, R, T).mean(axis=-1),
        "Q": Q,
        "R": R,
        "v": v / factor(system, system.student_units),
    }


def _functions(activation: str | Activation) -> Any:
    return (activation.g, activation.slope) if isinstance(activation, Activation) else activation
