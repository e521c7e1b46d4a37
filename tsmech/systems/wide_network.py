"""Networks of growing width: training that becomes lazy, the same for all of them, and a theory of its own."""

import functools
import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.kernels.activations import Activation
from tsmech.machine.memory import shortage
from tsmech.problem.columns import Columns
from tsmech.problem.curve import Curve, Stop
from tsmech.problem.files import KINDS, read_table, state
from tsmech.problem.observables import Coordinate, Observable
from tsmech.problem.parameters import Numbers, parameter
from tsmech.problem.references import SAXE_NELLI_SUMMERFIELD, Reference
from tsmech.problem.reports import Reports
from tsmech.problem.system import Convergence

FloatArray = NDArray[np.float64]

INPUTS = ("gaussian", "spherical")
ACTIVATIONS = ("erf", "relu", "tanh", "linear")
MOST_STEPS = 1e9
"""Most steps of gradient descent."""
LEAST_WORK = 500.0
"""What a gradient of the smallest network takes, in thousands of weights that meet an example."""
RICH = 10.0
"""output_scale · √width below which a reader is told that networks are not lazy."""


class Problem(NamedTuple):
    """The training set and the other inputs, sorted so that the probes come first."""

    inputs: FloatArray
    labels: FloatArray
    targets: FloatArray


@dataclass(frozen=True, kw_only=True)
class WideNetwork(Reports):
    r"""A network of L hidden layers of width n, all weights trained on P examples of a teacher; its limit n → ∞.

    In NTK parametrisation every layer is :math:`h^{l} = \sigma_w W^l g(h^{l-1})/\sqrt{n_{l-1}} + \sigma_b b^l` with
    standard normal first weights; the predictor is s·f, or s·(f − f₀) where ``centred``, and

    .. math:: \frac{d\theta}{dt} = - \nabla_\theta\, \frac{1}{2 P s^2} \sum_\mu (\hat f(x_\mu) - y_\mu)^2 ,

    so that a mode of the tangent kernel Θ/P of eigenvalue l is learned as exp(-l t).  With s √n large the weights
    hardly move and the network is linear in them (lazy); with s √n of order one it learns features (rich).  The
    derivation is in ``theory/wide_network.md``.

    Notes
    -----
    ``theory`` is the limit of infinite width, the mean over the random initial function, on which alone s has an
    effect.  All answers and replicates share the training set, which ``data_seed`` numbers; a replicate is a network
    with its own first weights.

    Examples
    --------
    >>> import tsmech
    >>> wide = tsmech.WideNetwork(centred=True, samples=[0, 10, 1000], duration=1000)
    >>> [round(error, 4) for error in wide.theory().train_error]
    [1.0953, 0.0872, 0.0]
    """

    name = "wide_network"
    title = "Wide networks: lazy training and its limit"
    coordinates: ClassVar = {"time": Coordinate("t", "time", "1/eigenvalue of Θ/P")}
    observables: ClassVar = {
        "train_error": Observable("ε_train", "training error"),
        "test_error": Observable("ε_test", "test error"),
        "kernel_change": Observable("ΔΘ", "relative change of the tangent kernel"),
        "kernel_deviation": Observable("δΘ", "deviation of the first tangent kernel", summary=True),
        "weight_change": Observable("ΔW", "relative change of the first layer"),
        "distance": Observable("d", "distance to the network's own linearisation"),
        "limit_distance": Observable("d_∞", "distance to the infinite network from the same start"),
        "output": Observable("f", "output", axes=("probe",)),
        "output_square": Observable("f²", "squared output", axes=("probe",)),
        "similarity": Observable("H", "cosine similarity in the last hidden layer", axes=("probe", "probe")),
    }
    references = (
        Reference(
            "A. Jacot, F. Gabriel, C. Hongler",
            2018,
            "Neural tangent kernel: convergence and generalization in neural networks",
            "NeurIPS 2018",
            arxiv="1806.07572",
        ),
        Reference(
            "J. Lee, L. Xiao, S. S. Schoenholz, Y. Bahri, R. Novak, J. Sohl-Dickstein, J. Pennington",
            2019,
            "Wide neural networks of any depth evolve as linear models under gradient descent",
            "NeurIPS 2019",
            arxiv="1902.06720",
        ),
        Reference(
            "L. Chizat, E. Oyallon, F. Bach",
            2019,
            "On lazy training in differentiable programming",
            "NeurIPS 2019",
            arxiv="1812.07956",
        ),
        SAXE_NELLI_SUMMERFIELD,
    )
    stated = ("activation", "hidden_layers", "examples")
    checks = (
        {"samples": (2.0, 20.0), "duration": 20.0, "examples": 10, "dimension": 5, "test_examples": 20, "probes": 2},
        {
            "samples": (2.0, 20.0),
            "duration": 20.0,
            "examples": 8,
            "dimension": 5,
            "test_examples": 20,
            "probes": 2,
            "activation": "relu",
            "hidden_layers": 2,
            "bias_variance": 0.2,
            "step": 0.2,
            "noise": 0.3,
        },
    )
    convergence = Convergence("width", (64, 96, 128, 256))

    width: int = parameter(
        "n", "width of each hidden layer", default=256, minimum=1, maximum=100_000, scale="logarithmic", range=(4, 2048)
    )
    hidden_layers: int = parameter("L", "hidden layers", default=1, minimum=1, maximum=20, range=(1, 4))
    activation: str | Activation = parameter(
        "g",
        "activation: erf(x/√2), max(x, 0), tanh x or x; from Python also a pair (g, g')",
        default="erf",
        choices=ACTIVATIONS,
    )
    weight_variance: float = parameter(
        "σ_w²",
        "variance of the weights times their number",
        default=1.5,
        minimum=0,
        maximum=1e6,
        exclusive=True,
        range=(0.5, 3.0),
    )
    bias_variance: float = parameter(
        "σ_b²", "variance of the biases", default=0.1, minimum=0, maximum=1e6, range=(0.0, 1.0)
    )
    output_scale: float = parameter(
        "s",
        "factor of the output; the loss is divided by its square",
        default=1.0,
        minimum=0,
        exclusive=True,
        scale="logarithmic",
        range=(0.01, 100.0),
    )
    centred: bool = parameter("c", "take the initial function off the output", default=False)
    examples: int = parameter("P", "training examples", default=20, minimum=1, maximum=20_000, range=(5, 200))
    test_examples: int = parameter(
        "T", "other inputs, on which the test error is taken", default=200, minimum=1, maximum=20_000, range=(50, 500)
    )
    probes: int = parameter(
        "p", "other inputs whose outputs and hidden layer are reported", default=4, minimum=1, maximum=50, range=(2, 20)
    )
    dimension: int = parameter(
        "D",
        "inputs of the network (default: 10, or the columns of a table)",
        default=None,
        minimum=1,
        maximum=100_000,
        scale="logarithmic",
        range=(2, 200),
    )
    inputs: str = parameter(
        "x",
        f"inputs: gaussian, spherical (of length √D), or the rows of a file: {KINDS}",
        default="gaussian",
        choices=INPUTS,
        file=True,
    )
    columns: str | None = parameter(
        "cols",
        "which columns of the inputs' file: names or numbers from 0 (0,2,age), -id,-3 to leave columns out, all to "
        "take even an index",
        default=None,
    )
    teacher: str = parameter(
        "f*",
        "teacher: linear, b·x/√D; square, its second Hermite polynomial; product, that of the signs of two inputs",
        default="linear",
        choices=("linear", "square", "product"),
    )
    noise: float = parameter(
        "σ", "standard deviation of the label noise", default=0.0, minimum=0, maximum=1e6, range=(0.0, 1.0)
    )
    step: float = parameter(
        "η", "step of gradient descent in units of time; 0 is gradient flow", default=0.0, minimum=0, range=(0.0, 1.0)
    )
    data_seed: int = parameter(
        "#", "number of the training set, which answers and replicates share", default=0, minimum=0, range=(0, 100)
    )
    network: int = parameter("i", "number of the network", default=0, minimum=0, range=(0, 100))
    duration: float = parameter(
        "t_end",
        "training time: a mode of Θ/P with eigenvalue l is learned as exp(-l t)",
        default=300.0,
        minimum=0,
        exclusive=True,
        scale="logarithmic",
        range=(1.0, 10_000.0),
    )
    samples: Numbers = parameter(
        "m", "times to report: how many after 0, or a list of two times or more", default=(20.0,), minimum=0
    )
    spacing: str = parameter(
        "Δ", "spacing of a number of samples: linear, or log after 0", default="log", choices=("linear", "log")
    )

    def __post_init__(self) -> None:
        """Check each parameter, and that the inputs can be read."""
        super().__post_init__()
        if self.probes > self.test_examples:
            raise InputError(f"probes = {self.probes} is not allowed: there are {self.test_examples} test_examples")
        if self.step > 0 and self.duration / self.step > MOST_STEPS:
            raise InputError(
                f"step = {self.step:g} is not allowed: duration = {self.duration:g} takes more than {MOST_STEPS:g} "
                "steps"
            )
        if self.columns and self.inputs in INPUTS:
            raise InputError(f"columns = {self.columns} has no effect with inputs = {self.inputs}: it is of a file")
        dimension = 10 if self.dimension is None else self.dimension
        if self.inputs not in INPUTS:
            rows, width = self._table().shape
            dimension = width if self.dimension is None else self.dimension
            if dimension > width:
                raise InputError(f"dimension = {dimension} is not allowed: inputs = {self.inputs} has {width} columns")
            if rows < self.examples + self.test_examples:
                raise InputError(
                    f"inputs = {self.inputs} has {rows} rows: examples = {self.examples} and test_examples = "
                    f"{self.test_examples} need {self.examples + self.test_examples}"
                )
        object.__setattr__(self, "dimension", dimension)
        if self.teacher == "product" and dimension < 2:
            raise InputError(f"dimension = {dimension} is not allowed with teacher = product, which has two inputs")

    def problem(self) -> Problem:
        """Return the training set and the other inputs; probes are spread over the teacher's outputs, in order."""
        inputs, teacher, noise = np.random.default_rng(self.data_seed).spawn(3)
        P, T, D = self.examples, self.test_examples, self.dimension
        X = inputs.standard_normal((P + T, D)) if self.inputs in INPUTS else self._table()[: P + T, :D]
        if self.inputs == "spherical":
            X *= math.sqrt(D) / np.linalg.norm(X, axis=1, keepdims=True)
        field = X @ teacher.standard_normal(D) / math.sqrt(D)
        if self.teacher == "linear":
            target = field
        elif self.teacher == "square":
            target = (field**2 - 1) / math.sqrt(2)
        else:
            target = np.sign(X[:, 0]) * np.sign(X[:, 1])
        labels = target[:P] + self.noise * noise.standard_normal(P)
        order = np.argsort(target[P:], kind="stable")
        chosen = order[np.linspace(0, T - 1, self.probes).round().astype(int)]
        others = P + np.concatenate([chosen, np.setdiff1d(np.arange(T), chosen)])
        return Problem(np.concatenate([X[:P], X[others]]), labels, target[others])

    def _table(self) -> FloatArray:
        return _read(self.inputs, *state(self.inputs, "inputs", INPUTS), self.columns)

    def remark(self) -> str | None:
        """Return that networks are not lazy where output_scale √width is of order one."""
        lazy = self.output_scale * math.sqrt(self.width)
        if lazy >= RICH:
            return None
        return (
            "theory is the linearised network of infinite width: with output_scale √width of order one (below "
            f"{RICH:g}) networks learn features"
        )

    def lacks(self, answer: str) -> str | None:
        """Return why this problem has no such answer: no reduction is known, or a step is not stable."""
        if answer == "reduced":
            return "wide_network has no reduced answer: no exact reduction of trained hidden layers is known"
        known = answer == "theory" and self.step > 0 and not self.obstacle("theory")  # of kernels that fit into memory
        if known and self.step > (largest := self._largest_step()):
            return (
                f"wide_network has no theory answer at step = {self.step:g}: gradient descent of an infinitely "
                f"wide network is stable up to {largest:.6g}"
            )
        return super().lacks(answer)

    def obstacle(self, answer: str) -> str | None:
        """Return what does not fit into memory."""
        P, T, n = float(self.examples), float(self.test_examples), float(self.width)
        if answer == "theory" and (short := shortage(24 * (P + T) ** 2, f"kernels of {P + T:.6g} inputs")):
            return f"wide_network has no theory answer here: {short}: lower examples or test_examples"
        if answer == "direct":
            weights = n * (self.dimension + 1) + (self.hidden_layers - 1) * n * (n + 1)
            numbers = 12 * weights + 4 * self.hidden_layers * (P + T) * n + 6 * (P + T) * P
            if short := shortage(8 * numbers, f"training of {weights:.6g} weights on {P:.6g} examples"):
                return f"wide_network has no direct answer here: {short}: lower width, examples or test_examples"
        return super().obstacle(answer)

    def simulation_steps(self) -> float:
        """Return how many thousands of weights meet an example; of gradient flow about so many.

        Where output_scale √width is below one the weights grow until the output is of order one, and the kernel with
        them: between that number and its square in the inverse (14 to 33 times at .08, 2000 times at .008).
        """
        if self.step > 0:
            gradients = self.duration / self.step
        else:
            typical = np.ones((1, self.dimension))  # of length √D: no eigenvalue of Θ/P is larger than Θ there
            growth = max(1.0, 1.0 / (self.output_scale * math.sqrt(self.width))) ** 2
            gradients = 2.0 * self.duration * float(self._kernel(typical)[0, 0]) * growth
        weights = self.width * (self.dimension + 1.0) + (self.hidden_layers - 1) * self.width * (self.width + 1.0)
        return gradients * max(LEAST_WORK, self.examples * weights / 1000.0)

    def _largest_step(self) -> float:
        from tsmech.theory.wide_network import largest_step

        return largest_step(self._limit()[1][: self.examples])

    def _limit(self) -> tuple[Problem, FloatArray, FloatArray]:
        """Return the problem, the tangent kernel with the examples and the covariance, all of infinite width."""
        return _infinite(replace(self, width=1, network=0, output_scale=1.0, step=0.0))

    def _kernel(self, X: FloatArray, others: FloatArray | None = None, kind: str = "ntk") -> FloatArray:
        from tsmech.theory.network_kernel import network_kernel

        return network_kernel(
            X,
            others,
            hidden_layers=self.hidden_layers,
            activation=self.activation,
            weight_variance=self.weight_variance,
            bias_variance=self.bias_variance,
            kind=kind,
        )

    def line_points(self) -> int:
        """Return at how many values of a parameter a picture computes theory between its points: at none."""
        return 0

    def theory_curve(self) -> Curve:
        """Return the prediction for infinite width, over the random initial functions."""
        from tsmech.theory.wide_network import trajectory

        P, times = self.examples, self.times()
        problem, tangent, covariance = self._limit()
        start = np.zeros_like(covariance) if self.centred else covariance
        found = trajectory(times, tangent, start, problem.labels, scale=self.output_scale, step=self.step)
        square = found.means**2 + found.variances
        missed = square - 2 * found.means * problem.targets + problem.targets**2
        probed = slice(P, P + self.probes)
        hidden = covariance[probed, probed] - self.bias_variance  # σ_w² E[g g']
        lengths = np.sqrt(np.diag(hidden))
        cosines = hidden / np.where(lengths > 0, np.outer(lengths, lengths), 1.0)
        observables = {
            "train_error": found.train_error,
            "test_error": (missed.mean(axis=1) + self.noise**2) / 2,
            "output": found.means[:, : self.probes],
            "output_square": square[:, : self.probes],
            "similarity": np.repeat(cosines[None], len(times), axis=0),
        }
        return Curve.along("time", times, observables)

    def direct_curve(self, rng: np.random.Generator) -> Curve:
        """Return one network, from its own random weights."""
        from tsmech.sims.wide_network import Architecture, Data, Training, train

        problem, limit, _ = self._limit()
        variances = self.weight_variance, self.bias_variance
        report = train(
            Architecture(self.dimension, self.width, self.hidden_layers, self.activation, *variances),
            Data(problem.inputs, problem.labels, problem.targets, self.probes),
            Training(self.times(), self.output_scale, self.centred, self.step),
            limit,
            rng,
        )
        observables: dict[str, Any] = dict(report.observables)
        observables["test_error"] = observables["test_error"] + self.noise**2 / 2
        times = self.times()[: len(observables["test_error"])]
        stop = None if report.diverged_at is None else Stop("diverged", report.diverged_at)
        deviation = {"kernel_deviation": np.asarray(report.kernel_deviation)}
        return Curve(observables, {"time": times}, deviation, stop=stop)


@functools.lru_cache(maxsize=4)
def _infinite(system: WideNetwork) -> tuple[Problem, FloatArray, FloatArray]:
    """Return what networks of all widths share: the problem, and the kernels of infinite width."""
    problem, P = system.problem(), system.examples
    tangent = np.concatenate(
        [system._kernel(problem.inputs[:P]), system._kernel(problem.inputs[P:], problem.inputs[:P])]
    )
    return problem, tangent, system._kernel(problem.inputs, kind="nngp")


@functools.lru_cache(maxsize=8)
def _read(path: str, changed: int, size: int, columns: str | None) -> FloatArray:
    table = read_table(path, "inputs", Columns(columns, parameter=True))
    table.flags.writeable = False
    return table
