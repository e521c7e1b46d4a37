"""Online SGD of a two-layer student that learns from a two-layer teacher, each example seen once."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.systems.contract import Curve, Observable, System
from tsmech.systems.files import read_table, state
from tsmech.systems.parameters import parameter
from tsmech.systems.sampling import declare_samples, declare_spacing, sample_times
from tsmech.systems.start import Overlaps

ACTIVATIONS = ("erf", "relu", "linear", "quadratic")
NORMALISATIONS: dict[str, Callable[[int], float]] = {
    "committee": lambda units: 1.0,
    "1/sqrt(K)": lambda units: units**-0.5,
    "1/K": lambda units: 1.0 / units,
}
STARTS = {"random": 1.0, "small": 1e-3, "informed": 0.1, "denoising": 0.1}
"""Kinds of start, with the default scale of the random part of the student's weights."""
INPUTS = ("gaussian", "binary", "uniform")


@dataclass(frozen=True)
class Activation:
    """An activation function of one's own, from Python: its name, g(x) and g'(x), functions of arrays and numbers."""

    name: str
    g: Callable[[Any], Any]
    slope: Callable[[Any], Any]


@dataclass(frozen=True)
class Steps:
    """A learning rate that changes in steps: from each time ``alpha`` on it is ``factor`` times ``learning_rate``."""

    alpha: tuple[float, ...]
    factor: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse times that do not begin at 0 and increase, and factors that are not as many, or negative."""
        times, factors = (np.asarray(values, dtype=float) for values in (self.alpha, self.factor))
        if times.shape != factors.shape or times.ndim != 1 or times.size == 0 or not np.isfinite(factors).all():
            raise InputError("schedule: alpha and factor must be two lists of as many numbers")
        if times[0] != 0.0 or not (np.diff(times) > 0.0).all() or (factors < 0.0).any():
            raise InputError("schedule: alpha must begin at 0 and increase, and factor must not be negative")
        object.__setattr__(self, "alpha", tuple(times.tolist()))
        object.__setattr__(self, "factor", tuple(factors.tolist()))


def _activation(which: str, default: Any) -> Any:
    return parameter(
        "g",
        f"activation of {which}: erf(x/√2), max(x, 0), x or x²; from Python also an Activation(name, g, slope)",
        default=default,
        choices=ACTIVATIONS,
        table=Activation,
    )


@dataclass(frozen=True)
class OnlineSGD(System):
    r"""One-pass SGD of a two-layer student of a two-layer teacher, in the time alpha = examples/N.

    A student φ(x) = Σ_k v_k g(w_k·x/√N) learns labels y of a teacher with weights b_m, A_m and Gaussian noise,

    .. math::
        w_k \leftarrow w_k - \frac{\eta}{\sqrt N}\, v_k\, g'(\lambda_k)\, \Delta\, x - \frac{\kappa}{N} w_k, \qquad
        v_k \leftarrow v_k - \frac{\eta_v}{N}\, g(\lambda_k)\, \Delta - \frac{\kappa}{N} v_k , \qquad \Delta = \phi - y,

    averaged over the mini-batch.  The derivation is in ``theory/online_sgd.md``.

    Notes
    -----
    The start is drawn once from ``start_seed`` at the dimension N and shared by all answers and replicates, so that
    theory predicts the simulations that lie beside it, the length of a plateau too; replicates draw their own examples
    and label noise.  The teacher's weights are orthonormal (T = 1) unless ``initial`` gives T.
    """

    name = "online_sgd"
    title = "Online SGD of a two-layer student that learns from a two-layer teacher"
    coordinate = "alpha"
    coordinate_words = "α   (examples per input dimension)"
    observables: ClassVar = {
        "generalization_error": Observable("ε_g", "generalization error"),
        "test_error": Observable("ε_test", "test error"),
        "specialization": Observable("S", "mean specialization of the student's units"),
        "escape_time": Observable("α_esc", "end of the plateau", summary=True),
        "Q": Observable("Q", "student-student overlaps"),
        "R": Observable("R", "student-teacher overlaps"),
        "v": Observable("v", "student's second layer"),
    }

    checks = (
        {
            "initial": {"Q": [[0.3, 0.05], [0.05, 0.4]], "R": [[0.2, 0.05], [0.0, 0.25]]},
            "noise": 0.1,
            "samples": (0.5, 2.0),
            "duration": 2.0,
        },
        {
            "teacher_units": 1,
            "activation": "relu",
            "second_layer_rate": 0.2,
            "batch": 5,
            "weight_decay": 0.1,
            "initial": {"Q": [[0.8, 0.3], [0.3, 1.0]], "R": [[0.4], [0.3]], "v": [0.5, 0.4]},
            "samples": (1.0, 3.0),
            "duration": 3.0,
        },
    )
    check_dimensions = (50, 200, 1000, 10_000, 1_000_000)

    student_units: int = parameter("K", "hidden units of the student", default=2, minimum=1)
    teacher_units: int = parameter("M", "hidden units of the teacher", default=2, minimum=1)
    activation: str | Activation = _activation("the teacher, and of the student unless it has its own", "erf")
    student_activation: str | Activation | None = _activation("the student, where it differs", None)
    learning_rate: float = parameter("η", "learning rate of the first layer", default=0.5, minimum=0)
    schedule: str | Steps = parameter(
        "η(α)",
        "the learning rate in time: constant, a power decay η (1 + α/decay_time)^-decay_power, or steps",
        default="constant",
        choices=("constant", "power"),
        table=Steps,
    )
    decay_time: float = parameter(
        "τ", "power schedule: alpha at which it sets in", default=1.0, minimum=0, exclusive=True
    )
    decay_power: float = parameter("p", "power schedule: its exponent", default=1.0, minimum=0)
    second_layer_rate: float = parameter(
        "η_v", "learning rate of the second layer; 0 keeps it fixed", default=0.0, minimum=0
    )
    noise: float = parameter("σ", "standard deviation of the label noise", default=0.0, minimum=0)
    weight_decay: float = parameter("κ", "weight decay: a step shrinks the weights by 1 - κ/N", default=0.0, minimum=0)
    batch: int = parameter("B", "examples a step", default=1, minimum=1)
    normalisation: str = parameter(
        "c",
        "factor of the outputs: 1, or one over √K or K for the student and over √M or M for the teacher",
        default="committee",
        choices=tuple(NORMALISATIONS),
    )
    teacher_second_layer: tuple[float, ...] | None = parameter(
        "A", "second layer of the teacher, M numbers (default: ones)", default=None
    )
    initial: str | Overlaps = parameter(
        "w_0",
        "the student's start: random; small: random but small; informed: near the teacher; denoising: each teacher "
        "unit shared by several; or overlaps",
        default="random",
        choices=tuple(STARTS),
        table=Overlaps,
    )
    initial_scale: float | None = parameter(
        "s_0",
        "standard deviation of the random part of the first weights (default: 1 random, 0.001 small, else 0.1)",
        default=None,
        minimum=0,
    )
    start_seed: int = parameter("#", "seed of the start that answers and replicates share", default=0, minimum=0)
    inputs: str = parameter(
        "x",
        "inputs of direct: gaussian, binary (±1), uniform, or a .csv, .parquet or .npy file of a matrix of N columns, "
        "rows of which are drawn with replacement",
        default="gaussian",
        choices=INPUTS,
        file=True,
    )
    duration: float = parameter("α_end", "training time, examples/N", default=100.0, minimum=0, exclusive=True)
    samples: tuple[float, ...] = declare_samples()
    spacing: str = declare_spacing()
    dimension: int = parameter("N", "input dimension of the simulations, and of the start", default=1000, minimum=1)

    def __post_init__(self) -> None:
        """Check each parameter, and that they fit together."""
        super().__post_init__()
        K, M, N = self.student_units, self.teacher_units, self.dimension
        if N < K + M:
            raise InputError(
                f"dimension = {N} is not allowed: it must be at least student_units + teacher_units = {K + M}"
            )
        if self.teacher_second_layer is not None and len(self.teacher_second_layer) != M:
            raise InputError(f"teacher_second_layer has {len(self.teacher_second_layer)} numbers: it must have {M}")
        if isinstance(self.initial, Overlaps) and np.shape(self.initial.R) != (K, M):
            raise InputError(
                f"initial has overlaps of {np.shape(self.initial.R)} units: student and teacher have {K}, {M}"
            )
        self.times()
        if self.inputs not in INPUTS and self._input_matrix().shape[1] != N:
            raise InputError(f"inputs = {self.inputs} has {self._input_matrix().shape[1]} columns: dimension is {N}")

    def times(self) -> NDArray[np.float64]:
        """Return the times of the report, in alpha."""
        return sample_times(self.duration, self.samples, self.spacing)

    def steps(self) -> float:
        """Return the number of steps of a simulation."""
        return self.duration * self.dimension / self.batch

    def remark(self) -> str | None:
        """Return that theory assumes Gaussian inputs, where they are not."""
        if self.inputs == "gaussian":
            return None
        return f"theory and reduced assume Gaussian inputs: beside direct with {self.inputs} ones they approximate"

    def start(self) -> tuple[NDArray[np.float64], ...]:
        """Return the overlaps Q, R and T and the second layers v and A that all answers start from."""
        if isinstance(self.initial, Overlaps):
            return self.initial.arrays()
        from tsmech.sims.online_starts import random_overlaps

        K, M = self.student_units, self.teacher_units
        scale = STARTS[self.initial] if self.initial_scale is None else self.initial_scale
        teacher, student, second = np.random.default_rng(self.start_seed).spawn(3)
        Q, R, T = random_overlaps(
            K, M, self.dimension, scale, teacher_rng=teacher, student_rng=student, orthonormal=True
        )
        A = np.ones(M) if self.teacher_second_layer is None else np.array(self.teacher_second_layer)
        v = np.ones(K)
        if self.initial in ("random", "small"):
            return Q, R, T, second.normal(0.0, scale, K) if self.second_layer_rate else v, A
        chosen = np.eye(K, M) if self.initial == "informed" else np.eye(M)[np.arange(K) % M]
        sharing = np.maximum(chosen.sum(axis=0), 1.0)
        known = chosen.sum(axis=1) > 0.0
        v[known] = (chosen @ (A / sharing))[known] * self._factor(M) / self._factor(K)
        return Q + chosen @ R.T + R @ chosen.T + chosen @ chosen.T, R + chosen, T, v, A

    def theory_curve(self) -> Curve:
        """Return the solution of the ODEs of the overlaps from the start."""
        from tsmech.theory.online_sgd import integrate

        Q, R, T, v, A = self.start()
        found = integrate(
            Q, R, T, self._factor(v.size) * v, self._factor(A.size) * A, alphas=self.times(), **self._rule()
        )
        return self._curve(found.Q, found.R, T, found.v, A, found.diverged_at, found.generalization_error)

    def reduced_curve(self, rng: np.random.Generator) -> Curve:
        """Return one draw of the exact Markov chain of the overlaps."""
        from tsmech.sims.online_sgd import run_reduced

        Q, R, T, v, A = self.start()
        examples, noise = rng.spawn(2)
        found = run_reduced(
            Q, R, T, self._factor(v.size) * v, self._factor(A.size) * A,
            dimension=self.dimension, alphas=self.times(), rng=examples, noise_rng=noise, **self._rule(),
        )  # fmt: skip
        return self._curve(found.Q, found.R, T, found.v, A, found.diverged_at)

    def direct_curve(self, rng: np.random.Generator) -> Curve:
        """Return one training of the network itself, from weights that have the start's overlaps."""
        from tsmech.sims.online_sgd import run_direct
        from tsmech.sims.online_starts import embed

        Q, R, T, v, A = self.start()
        examples, noise, frame = rng.spawn(3)
        W, B = embed(Q, R, T, self.dimension, frame)
        inputs: Any = self.inputs if self.inputs in INPUTS else self._input_matrix()
        found = run_direct(
            W, B, self._factor(v.size) * v, self._factor(A.size) * A,
            inputs=inputs, alphas=self.times(), rng=examples, noise_rng=noise, **self._rule(),
        )  # fmt: skip
        return self._curve(found.Q, found.R, T, found.v, A, found.diverged_at)

    def _factor(self, units: int) -> float:
        return NORMALISATIONS[self.normalisation](units)

    def _rule(self) -> dict[str, Any]:
        """Return the learning rule as theory and simulations take it; the outputs' factor is part of v and A there."""
        teacher = _functions(self.activation)
        student = teacher if self.student_activation is None else _functions(self.student_activation)
        return {
            "student_activation": student,
            "teacher_activation": teacher,
            "schedule": self._schedule(),
            "second_layer_rate": self.second_layer_rate * self._factor(self.student_units) ** 2,
            "noise": self.noise,
            "weight_decay": self.weight_decay,
            "batch": self.batch,
        }

    def _schedule(self) -> NDArray[np.float64]:
        """Return the learning rate as a table of :mod:`tsmech.schedules`."""
        if isinstance(self.schedule, Steps):
            rows = zip(self.schedule.alpha, self.schedule.factor, strict=True)
            return np.array([[start, factor * self.learning_rate, 1.0, 0.0] for start, factor in rows])
        power = self.decay_power if self.schedule == "power" else 0.0
        return np.array([[0.0, self.learning_rate, self.decay_time, power]])

    def _curve(
        self,
        Q: NDArray[np.float64],
        R: NDArray[np.float64],
        T: NDArray[np.float64],
        v: NDArray[np.float64],
        A: NDArray[np.float64],
        diverged_at: float | None,
        error: NDArray[np.float64] | None = None,
    ) -> Curve:
        from tsmech.theory.overlaps import generalization_error, specialization

        rule = self._rule()
        if error is None:
            error = generalization_error(
                Q, R, T, v, self._factor(A.size) * A,
                student_activation=rule["student_activation"], teacher_activation=rule["teacher_activation"],
            )  # fmt: skip
        times = self.times()[: len(error)]
        special = specialization(Q, R, T).mean(axis=-1)
        observables = {
            "generalization_error": error,
            "test_error": error + self.noise**2 / 2,
            "specialization": special,
            "escape_time": np.full(len(error), _crossing(times, special, 0.5)),
            "Q": Q,
            "R": R,
            "v": v / self._factor(self.student_units),
        }
        return Curve(observables, self.coordinate, times, diverged_at)

    def _input_matrix(self) -> NDArray[np.float64]:
        return _matrix(self.inputs, *state(self.inputs, "inputs", INPUTS))


@functools.lru_cache(maxsize=4)
def _matrix(path: str, changed: int, size: int) -> NDArray[np.float64]:
    return read_table(path, "inputs")


def _crossing(times: NDArray[np.float64], values: NDArray[np.float64], level: float) -> float:
    """Return when values first reach a level, between two times by interpolation; infinity where they never do."""
    above = np.flatnonzero(values >= level)
    if above.size == 0:
        return np.inf
    first = above[0]
    if first == 0:
        return float(times[0])
    share = (level - values[first - 1]) / (values[first] - values[first - 1])
    return float(times[first - 1] + share * (times[first] - times[first - 1]))


def _functions(activation: str | Activation) -> Any:
    """Return an activation as theory and simulations take it: a name, or the pair (g, g')."""
    return (activation.g, activation.slope) if isinstance(activation, Activation) else activation
