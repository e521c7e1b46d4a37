"""Online SGD of a two-layer student that learns from a two-layer teacher, each example seen once."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.machine.memory import shortage
from tsmech.problem.conventions import Convention, Quantity, times
from tsmech.problem.curve import Curve
from tsmech.problem.files import read_table, state
from tsmech.problem.observables import Coordinate, Observable
from tsmech.problem.parameters import parameter
from tsmech.problem.references import Reference
from tsmech.problem.reports import Reports, remark_on_batch, times_of_steps
from tsmech.problem.system import Convergence
from tsmech.problem.two_layer import GOLDT, OBSERVABLES, TwoLayerNetwork

INPUTS = ("gaussian", "binary", "uniform")


@dataclass(frozen=True)
class Steps:
    """A learning rate that changes in steps: from each time ``alpha`` on it is ``factor`` times ``learning_rate``."""

    alpha: Sequence[float] | NDArray[Any]
    factor: Sequence[float] | NDArray[Any]

    def __post_init__(self) -> None:
        """Refuse times that do not begin at 0 and increase, and factors that are not as many, or negative."""
        times, factors = (np.asarray(values, dtype=float) for values in (self.alpha, self.factor))
        if times.shape != factors.shape or times.ndim != 1 or times.size == 0 or not np.isfinite(factors).all():
            raise InputError("schedule: alpha and factor must be two lists of as many numbers")
        if times[0] != 0.0 or not (np.diff(times) > 0.0).all() or (factors < 0.0).any():
            raise InputError("schedule: alpha must begin at 0 and increase, and factor must not be negative")
        object.__setattr__(self, "alpha", tuple(times.tolist()))
        object.__setattr__(self, "factor", tuple(factors.tolist()))


@dataclass(frozen=True, kw_only=True)
class OnlineSGD(TwoLayerNetwork, Reports):
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

    The errors are exact averages over the inputs that are learnt, whatever N is: for Gaussian inputs a function of the
    overlaps, for a file the mean over all its rows, beside which ``gaussian_error`` is that function of the overlaps.
    For binary and uniform inputs the function stands for the average: exact for linear units, else to order 1/N.
    """

    name = "online_sgd"
    title = "Online SGD of a two-layer student that learns from a two-layer teacher"
    coordinates: ClassVar = {"alpha": Coordinate("α", "examples per input dimension")}
    observables: ClassVar = {
        **OBSERVABLES,
        "escape_time": Observable("α_esc", "end of the plateau", summary=True),
        "gaussian_error": Observable("ε_Gauss", "generalization error on Gaussian inputs (with inputs from a file)"),
    }
    conventions = (
        Convention(
            "the loss Δ², without ½",
            {
                **{name: times("⟨Δ²⟩", 2.0) for name in ("generalization_error", "test_error", "gaussian_error")},
                "learning_rate": times("η'", 0.5),
            },
        ),
        Convention(
            "machine-learning code, weights on x",
            {
                "alpha": Quantity("steps", lambda alpha, point: alpha * point["dimension"] / point["batch"]),
                "learning_rate": Quantity("η'", lambda rate, point: rate / point["dimension"]),
            },
        ),
    )
    pictured = ("generalization_error", "specialization")
    stated = ("student_units", "teacher_units", "learning_rate")
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
    references = (
        Reference("D. Saad, S. A. Solla", 1995, "On-line learning in soft committee machines", "Phys. Rev. E 52, 4225"),
        Reference("M. Biehl, H. Schwarze", 1995, "Learning by on-line gradient descent", "J. Phys. A 28, 643"),
        Reference(
            "P. Riegler, M. Biehl",
            1995,
            "On-line backpropagation in two-layered neural networks",
            "J. Phys. A 28, L507",
        ),
        GOLDT,
    )
    convergence = Convergence("dimension", (50, 200, 1000, 10_000, 1_000_000))

    schedule: str | Steps | Mapping[str, Any] = parameter(
        "η(α)",
        "the learning rate in time: constant, a power decay η (1 + α/decay_time)^-decay_power, or steps",
        default="constant",
        choices=("constant", "power"),
    )
    decay_time: float = parameter(
        "τ",
        "power schedule: alpha at which it sets in",
        default=1.0,
        minimum=0,
        exclusive=True,
        scale="logarithmic",
        range=(0.1, 100.0),
    )
    decay_power: float = parameter("p", "power schedule: its exponent", default=1.0, minimum=0, range=(0.0, 2.0))
    inputs: str = parameter(
        "x",
        "inputs of direct: gaussian, binary (±1), uniform, or a .csv, .parquet or .npy file of a matrix of N columns, "
        "rows of which are drawn with replacement",
        default="gaussian",
        choices=INPUTS,
        file=True,
    )
    duration: float = parameter(
        "α_end",
        "training time, examples/N",
        default=100.0,
        minimum=0,
        exclusive=True,
        scale="logarithmic",
        range=(1.0, 10_000.0),
    )

    def __post_init__(self) -> None:
        """Check each parameter, and that they fit together."""
        super().__post_init__()
        self.times()
        if self.inputs not in INPUTS and self._input_matrix().shape[1] != self.dimension:
            raise InputError(
                f"inputs = {self.inputs} has {self._input_matrix().shape[1]} columns: dimension is {self.dimension}"
            )

    def times(self) -> NDArray[np.float64]:
        """Return the times of the report, in alpha: those at which a step of ``batch`` examples ends."""
        return times_of_steps(super().times(), self.batch, self.dimension)

    def simulation_steps(self) -> float:
        """Return the number of steps of a simulation."""
        return self.duration * self.dimension / self.batch

    def obstacle(self, answer: str) -> str | None:
        """Return what does not fit into memory."""
        vectors = self.student_units + self.teacher_units
        short = shortage(8.0 * vectors * self.dimension, f"a network of {vectors} x {self.dimension} weights")
        if answer == "direct" and short:
            return f"online_sgd has no direct answer here: {short}: lower dimension"
        return super().obstacle(answer)

    def remark(self) -> str | None:
        """Return that theory assumes Gaussian inputs where they are not, and small batches where they are large."""
        remarks = [remark_on_batch(self.batch, self.dimension)]
        if self.inputs != "gaussian":
            remarks.append(
                f"theory and reduced assume Gaussian inputs: beside direct with {self.inputs} ones they approximate"
            )
            remarks.append(
                "the errors of direct, too, are those of Gaussian inputs with its overlaps, to order 1/dimension"
                if self.inputs in INPUTS
                else "the errors of direct are averages over the rows, gaussian_error is that of Gaussian inputs"
            )
        return "; ".join(filter(None, remarks)) or None

    def theory_curve(self) -> Curve:
        """Return the solution of the ODEs of the overlaps from the start."""
        from tsmech.theory.online_sgd import integrate

        Q, R, T, v, A = self.start()
        found = integrate(Q, R, T, *self.scaled_layers(v, A), self.rule(), self.times())
        return self._curve(found.Q, found.R, T, found.v, A, found.diverged_at, found.generalization_error)

    def reduced_curve(self, rng: np.random.Generator) -> Curve:
        """Return one draw of the exact Markov chain of the overlaps."""
        from tsmech.sims.online_sgd import run_reduced

        Q, R, T, v, A = self.start()
        examples, noise = rng.spawn(2)
        found = run_reduced(
            Q, R, T, *self.scaled_layers(v, A), self.rule(), self.times(),
            dimension=self.dimension, rng=examples, noise_rng=noise,
        )  # fmt: skip
        return self._curve(found.Q, found.R, T, found.v, A, found.diverged_at)

    def direct_curve(self, rng: np.random.Generator) -> Curve:
        """Return one training of the network itself, from weights that have the start's overlaps."""
        from tsmech.sims.online_sgd import run_direct
        from tsmech.sims.two_layer.starts import embed

        Q, R, T, v, A = self.start()
        examples, noise, frame = rng.spawn(3)
        W, B = embed(Q, R, T, self.dimension, frame)
        inputs: Any = self.inputs if self.inputs in INPUTS else self._input_matrix()
        found = run_direct(
            W, B, *self.scaled_layers(v, A), self.rule(), self.times(), rng=examples, noise_rng=noise, inputs=inputs
        )
        return self._curve(found.Q, found.R, T, found.v, A, found.diverged_at, over_rows=found.error)

    def rates(self) -> NDArray[np.float64]:
        """Return the learning rate as a table of :mod:`tsmech.kernels.schedules`."""
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
        over_rows: NDArray[np.float64] | None = None,
    ) -> Curve:
        observables = self.observe(Q, R, T, v, A, error)
        gaussian = observables["generalization_error"]
        if over_rows is not None:
            observables |= {"generalization_error": over_rows, "test_error": over_rows + self.noise**2 / 2}
        times = self.times()[: len(Q)]
        if self.inputs not in INPUTS:
            observables["gaussian_error"] = gaussian
        escape = _crossing(times, observables["specialization"], 0.5)
        return Curve.along("alpha", times, observables, summaries={"escape_time": escape}, diverged_at=diverged_at)

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
