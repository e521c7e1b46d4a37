"""A two-layer student and its two-layer teacher: the parameters, starts and observables of systems that train one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.kernels.activations import BUILT_IN, Activation, check_trainable
from tsmech.problem.observables import Observable
from tsmech.problem.overlaps import Overlaps
from tsmech.problem.parameters import LARGEST_DIMENSION, Numbers, parameter
from tsmech.problem.references import Reference
from tsmech.problem.system import System

if TYPE_CHECKING:
    from tsmech.kernels.rule import Rule

FloatArray = NDArray[np.float64]

MOST_UNITS = 10_000
"""Hidden units beyond which the overlaps alone, a number for each pair of them, do not fit a computer."""
ACTIVATIONS = tuple(BUILT_IN)
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


GOLDT = Reference(
    "S. Goldt, M. S. Advani, A. M. Saxe, F. Krzakala, L. Zdeborová",
    2019,
    "Dynamics of stochastic gradient descent for two-layer neural networks in the teacher-student setup",
    "NeurIPS 2019",
    arxiv="1906.08632",
)


def _activation(which: str, names: tuple[str, ...], default: str | None) -> Any:
    *formulas, last = (BUILT_IN[name].formula for name in names)
    return parameter(
        "g",
        f"activation of {which}: {', '.join(formulas)} or {last}; from Python also a pair (g, g')",
        default=default,
        choices=names,
    )


@dataclass(frozen=True, kw_only=True)
class TwoLayerNetwork(System):
    """A system in which a two-layer student learns from a two-layer teacher by SGD."""

    student_units: int = parameter(
        "K", "hidden units of the student", default=2, minimum=1, maximum=MOST_UNITS, range=(1, 10)
    )
    teacher_units: int = parameter(
        "M", "hidden units of the teacher", default=2, minimum=1, maximum=MOST_UNITS, range=(1, 10)
    )
    activation: str | Activation = _activation(
        "the teacher, and of the student unless it has its own", ACTIVATIONS, "erf"
    )
    student_activation: str | Activation | None = _activation(
        "the student, where it differs", tuple(name for name in ACTIVATIONS if BUILT_IN[name].trainable), None
    )
    learning_rate: float = parameter(
        "η", "learning rate of the first layer", default=0.5, minimum=0, scale="logarithmic", range=(0.01, 10.0)
    )
    second_layer_rate: float = parameter(
        "η_v", "learning rate of the second layer; 0 keeps it fixed", default=0.0, minimum=0, range=(0.0, 2.0)
    )
    noise: float = parameter("σ", "standard deviation of the label noise", default=0.0, minimum=0, range=(0.0, 1.0))
    weight_decay: float = parameter(
        "κ", "weight decay: a step shrinks the weights by 1 - κ/N", default=0.0, minimum=0, range=(0.0, 1.0)
    )
    batch: int = parameter("B", "examples a step", default=1, minimum=1, scale="logarithmic", range=(1, 100))
    normalisation: str = parameter(
        "c",
        "factor of the outputs: 1, or one over √K or K for the student and over √M or M for the teacher",
        default="committee",
        choices=tuple(NORMALISATIONS),
    )
    teacher_second_layer: Numbers | None = parameter(
        "A", "second layer of the teacher, M numbers (default: ones)", default=None
    )
    initial: str | Overlaps | Mapping[str, Any] = parameter(
        "w_0",
        "the student's start: random; small: random but small; informed: near the teacher; denoising: each teacher "
        "unit shared by several; or overlaps",
        default="random",
        choices=tuple(STARTS),
    )
    initial_scale: float | None = parameter(
        "s_0",
        "standard deviation of the random part of the first weights (default: 1 random, 0.001 small, else 0.1)",
        default=None,
        minimum=0,
        scale="logarithmic",
        range=(1e-3, 1.0),
    )
    start_seed: int = parameter(
        "#", "seed of the start that answers and replicates share", default=0, minimum=0, range=(0, 100)
    )
    dimension: int = parameter(
        "N",
        "input dimension of the simulations, and of the start",
        default=1000,
        minimum=1,
        maximum=LARGEST_DIMENSION,
        scale="logarithmic",
        range=(10, 100_000),
    )

    def __post_init__(self) -> None:
        """Refuse units, activations, second layers and overlaps that do not fit together."""
        super().__post_init__()
        K, M, N = self.student_units, self.teacher_units, self.dimension
        if N < K + M:
            raise InputError(
                f"dimension = {N} is not allowed: it must be at least student_units + teacher_units = {K + M}"
            )
        if self.student_activation is None:
            check_trainable(self.activation, "; for a teacher of it give student_activation")
        if self.teacher_second_layer is not None and len(self._second_layer()) != M:
            raise InputError(f"teacher_second_layer has {len(self._second_layer())} numbers: it must have {M}")
        if isinstance(self.initial, Overlaps) and np.shape(self.initial.R) != (K, M):
            raise InputError(
                f"initial has overlaps of {np.shape(self.initial.R)} units: student and teacher have {K}, {M}"
            )
        given = self.initial.A if isinstance(self.initial, Overlaps) else None
        if self.teacher_second_layer is not None and given not in (None, (1.0,) * M, self.teacher_second_layer):
            raise InputError("teacher_second_layer and the A of initial are both given, and differ: give one")

    def start(self) -> tuple[FloatArray, ...]:
        """Return the overlaps Q, R and T and the second layers v and A that all answers start from.

        A ReLU unit without weights has no slope, a leaky one that of one side; where its second layer is not zero it
        starts from the limit of small weights, in a direction of its own, which does not matter:
        ``theory/online_sgd.md``, section 4.
        """
        Q, R, T, v, A = self._given_start()
        if (self.student_activation or self.activation) in ("relu", "leaky_relu"):
            without = np.flatnonzero((np.diag(Q) == 0.0) & (v != 0.0))
            Q = Q.copy()
            Q[without, without] = SMALLEST**2
        return Q, R, T, v, A

    def _given_start(self) -> tuple[FloatArray, ...]:
        if isinstance(self.initial, Overlaps):
            Q, R, T, v, A = self.initial.arrays()
            return Q, R, T, v, A if self.teacher_second_layer is None else self._second_layer()
        from tsmech.sims.two_layer.starts import random_overlaps

        K, M = self.student_units, self.teacher_units
        kind = str(self.initial)
        scale = STARTS[kind] if self.initial_scale is None else self.initial_scale
        teacher, student, second = np.random.default_rng(self.start_seed).spawn(3)
        Q, R, T = random_overlaps(
            K, M, self.dimension, scale, teacher_rng=teacher, student_rng=student, orthonormal=True
        )
        A = self._second_layer()
        v = np.ones(K)
        if kind in ("random", "small"):
            return Q, R, T, second.normal(0.0, scale, K) if self.second_layer_rate else v, A
        chosen = np.eye(K, M) if kind == "informed" else np.eye(M)[np.arange(K) % M]
        sharing = np.maximum(chosen.sum(axis=0), 1.0)
        known = chosen.sum(axis=1) > 0.0
        v[known] = (chosen @ (A / sharing))[known] * self._factor(M) / self._factor(K)
        return Q + chosen @ R.T + R @ chosen.T + chosen @ chosen.T, R + chosen, T, v, A

    def _second_layer(self) -> FloatArray:
        given = self.teacher_second_layer
        return np.ones(self.teacher_units) if given is None else np.array(given, dtype=np.float64)

    def _factor(self, units: int) -> float:
        """Return the factor of the outputs of a network of as many units."""
        return NORMALISATIONS[self.normalisation](units)

    def scaled_layers(self, v: FloatArray, A: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return second layers as theory and simulations take them, with the factors of the outputs."""
        return self._factor(v.size) * v, self._factor(A.size) * A

    def rule(self) -> "Rule":
        """Return the learning rule as theory and simulations take it, the rate of layers with the outputs' factor."""
        from tsmech.kernels.rule import Rule

        teacher = _functions(self.activation)
        student = teacher if self.student_activation is None else _functions(self.student_activation)
        return Rule(
            student=student,
            teacher=teacher,
            schedule=self.rates(),
            second_layer_rate=self.second_layer_rate * self._factor(self.student_units) ** 2,
            noise=self.noise,
            weight_decay=self.weight_decay,
            batch=self.batch,
        )

    def rates(self) -> FloatArray:
        """Return the learning rate as a table of :mod:`tsmech.kernels.schedules`: here a constant."""
        return np.array([[0.0, self.learning_rate, 1.0, 0.0]])

    def observe(
        self,
        Q: FloatArray,
        R: FloatArray,
        T: FloatArray,
        v: FloatArray,
        A: FloatArray,
        error: FloatArray | None = None,
    ) -> dict[str, FloatArray]:
        """Return the observables ``OBSERVABLES`` from overlaps; v has the factor of the outputs in it, A has not."""
        from tsmech.theory.overlaps import generalization_error, specialization

        if error is None:
            rule = self.rule()
            error = generalization_error(
                Q, R, T, v, self._factor(A.size) * A, rule.student, rule.teacher, independent=True
            )
        return {
            "generalization_error": error,
            "test_error": error + self.noise**2 / 2,
            "specialization": specialization(Q, R, T).mean(axis=-1),
            "Q": Q,
            "R": R,
            "v": v / self._factor(self.student_units),
        }


def _functions(activation: str | Activation) -> Any:
    return (activation.g, activation.slope) if isinstance(activation, Activation) else activation
