"""Kernel ridge regression on the sphere: learning degree by degree."""

import functools
import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.kernels.activations import Activation
from tsmech.machine.memory import shortage
from tsmech.problem.curve import Curve
from tsmech.problem.observables import Observable
from tsmech.problem.parameters import Numbers, parameter
from tsmech.problem.references import Reference
from tsmech.problem.system import System

FloatArray = NDArray[np.float64]

NETWORKS = ("ntk", "nngp")
SHAPES = {
    "hidden_layers": NETWORKS,
    "activation": NETWORKS,
    "weight_variance": NETWORKS,
    "bias_variance": NETWORKS,
    "length": ("gaussian",),
}
"""Which kernels each of the parameters that shape one belongs to."""


@dataclass(frozen=True, kw_only=True)
class KernelRegression(System):
    r"""Kernel ridge regression from P examples that are uniform on the sphere: the staircase of the degrees.

    The predictor minimises

    .. math:: \sum_\mu (y_\mu - f(x_\mu))^2 + \lambda |f|^2_k \quad \Longrightarrow \quad
        f(x) = k(x, X)\, (K + \lambda)^{-1} y

    with a kernel k(x, x') = h(x·x'/D): that of an infinitely wide network at its start (nngp) or in training (ntk), a
    Gaussian, or a power series.  The target has variance A_l in each degree l of the spherical harmonics.  Degree l is
    learned from about N_l = O(D^l) examples.  The derivation is in ``theory/kernel_regression.md``.

    Notes
    -----
    ``theory`` is the limit of many examples and harmonics, taken at the spectrum of this D: what it leaves out is of
    relative order 1/D and 1/P, and there is no size along which it could be extrapolated.  In ``direct`` the error is
    a mean over ``test_examples`` fresh inputs.

    Examples
    --------
    >>> import tsmech
    >>> errors = [tsmech.KernelRegression(examples=P).theory().generalization_error[0] for P in (5, 200, 20_000)]
    >>> print(*(f"{error:.3f}" for error in errors))
    1.623 1.070 0.261
    """

    name = "kernel_regression"
    title = "Kernel ridge regression on the sphere"
    observables: ClassVar = {
        "generalization_error": Observable("ε_g", "generalization error"),
        "test_error": Observable("ε_test", "test error"),
        "train_error": Observable("ε_train", "training error"),
        "degree_error": Observable("ε", "error in one degree", axes=("degree",)),
    }
    references = (
        Reference(
            "B. Bordelon, A. Canatar, C. Pehlevan",
            2020,
            "Spectrum dependent learning curves in kernel regression and wide neural networks",
            "ICML 2020",
            arxiv="2002.02561",
        ),
        Reference(
            "A. Canatar, B. Bordelon, C. Pehlevan",
            2021,
            "Spectral bias and task-model alignment explain generalization in kernel regression and infinitely wide "
            "neural networks",
            "Nat. Commun. 12, 2914",
            arxiv="2006.13198",
        ),
    )
    pictured = ("generalization_error", "train_error")
    stated = ("kernel", "dimension")
    dense = ("examples",)
    checks = (
        {"examples": 200, "dimension": 60, "penalty": 0.1, "noise": 0.5},
        {"examples": 150, "dimension": 60, "kernel": "gaussian", "penalty": 0.2, "powers": (0.0, 1.0)},
        {"examples": 150, "dimension": 60, "kernel": "series", "coefficients": (0.1, 1.0, 0.5), "penalty": 0.5},
    )

    examples: int = parameter(
        "P", "training examples", minimum=1, maximum=1_000_000, scale="logarithmic", range=(10, 10_000)
    )
    dimension: int = parameter(
        "D", "input dimension", default=30, minimum=3, maximum=10_000, scale="logarithmic", range=(5, 200)
    )
    kernel: str = parameter(
        "k",
        "kernel: ntk or nngp of an infinitely wide network, gaussian exp((x·x'/D - 1)/length²), or the power series of "
        "coefficients",
        default="ntk",
        choices=(*NETWORKS, "gaussian", "series"),
    )
    penalty: float = parameter("λ", "ridge penalty", default=0.0, minimum=0, scale="logarithmic", range=(1e-4, 10.0))
    noise: float = parameter("σ", "standard deviation of the label noise", default=0.0, minimum=0, range=(0.0, 2.0))
    powers: Numbers = parameter(
        "A", "variance of the target in the degrees 0, 1, 2, ...", default=(0.0, 1.0, 1.0, 1.0), minimum=0
    )
    hidden_layers: int = parameter("L", "hidden layers of the network", default=1, minimum=1, maximum=20, range=(1, 5))
    activation: str | Activation = parameter(
        "g",
        "activation of the network: max(x, 0), erf(x/√2), tanh x or x; from Python also a pair (g, g')",
        default="relu",
        choices=("relu", "erf", "tanh", "linear"),
    )
    weight_variance: float = parameter(
        "σ_w²", "variance of the weights times their number", default=1.0, minimum=0, exclusive=True, range=(0.5, 3.0)
    )
    bias_variance: float = parameter("σ_b²", "variance of the biases", default=0.1, minimum=0, range=(0.0, 1.0))
    length: float = parameter("ℓ", "length of the gaussian kernel", default=1.0, minimum=1e-3, range=(0.3, 3.0))
    coefficients: Numbers | None = parameter(
        "c", "coefficients of 1, x·x'/D, (x·x'/D)², ... of a power series", default=None, minimum=0
    )
    test_examples: int = parameter(
        "T", "fresh inputs of the simulation's error", default=1000, minimum=1, maximum=1_000_000, range=(100, 10_000)
    )

    def __post_init__(self) -> None:
        """Check each parameter, and that they fit the kernel."""
        super().__post_init__()
        declared = self.parameters()
        for name, kernels in SHAPES.items():
            if getattr(self, name) != declared[name].default and self.kernel not in kernels:
                raise InputError(
                    f"{name} = {getattr(self, name)} has no effect with kernel = {self.kernel}: it shapes "
                    f"{' and '.join(kernels)} alone"
                )
        if (self.coefficients is not None) != (self.kernel == "series"):
            what = "needs coefficients" if self.coefficients is None else "has no coefficients: series has"
            raise InputError(f"kernel = {self.kernel} {what}")
        if self.coefficients is not None and not np.any(self.coefficients):
            raise InputError("coefficients are all zero: one must be above 0")

    def matrix(self, X: FloatArray, others: FloatArray | None = None) -> FloatArray:
        """Return the kernel between inputs of length √D, the rows of two tables or of one."""
        if self.kernel in NETWORKS:
            from tsmech.theory.network_kernel import network_kernel

            return network_kernel(
                X,
                others,
                hidden_layers=self.hidden_layers,
                activation=self.activation,
                weight_variance=self.weight_variance,
                bias_variance=self.bias_variance,
                kind=self.kernel,
            )
        t = X @ (X if others is None else others).T / X.shape[1]
        if self.kernel == "gaussian":
            return np.asarray(np.exp((t - 1) / self.length**2))
        return np.asarray(np.polynomial.polynomial.polyval(t, np.array(self.coefficients)))

    def degrees(self) -> list[int] | None:
        """Return the degrees of the spherical harmonics that the kernel has, where it is a polynomial."""
        if self.coefficients is not None:
            powers = np.flatnonzero(self.coefficients)
        elif self.kernel in NETWORKS and self.activation == "linear":
            powers = np.array([0, 1] if self.bias_variance > 0 else [1])
        else:
            return None
        return sorted({degree for power in powers.tolist() for degree in range(power, -1, -2)})

    def lacks(self, answer: str) -> str | None:
        """Return why this problem has no such answer: no reduction is known."""
        if answer == "reduced":
            return "kernel_regression has no reduced answer: no exact reduction of nonlinear kernels is known"
        return super().lacks(answer)

    def obstacle(self, answer: str) -> str | None:
        """Return what does not fit into memory."""
        if answer == "direct":
            P, T = float(self.examples), float(self.test_examples)
            short = shortage(8 * (4 * P * P + 3 * P * T + (P + T) * self.dimension), f"a kernel of {P:.6g} examples")
            if short:
                return f"kernel_regression has no direct answer here: {short}: lower examples or test_examples"
        return super().obstacle(answer)

    def line_points(self) -> int:
        """Return at how many values of a parameter a picture computes theory."""
        return 120

    def theory_curve(self) -> Curve:
        """Return the prediction from the kernel's spectrum."""
        from tsmech.theory.kernel_regression import learning_curve

        found = learning_curve(self.examples, _spectrum(*self._of_kernel()), self.penalty, self.noise, self.powers)
        return Curve.point(found)

    def _of_kernel(self) -> tuple[Any, ...]:
        """Return what the kernel's spectrum depends on."""
        names = ("dimension", "kernel", *SHAPES, "coefficients")
        return tuple((name, getattr(self, name)) for name in names)

    def direct_curve(self, rng: np.random.Generator) -> Curve:
        """Return one training set and its solution."""
        from tsmech.sims.kernel_regression import Problem, draw

        problem = Problem(
            self.examples,
            self.test_examples,
            self.dimension,
            self.penalty,
            self.noise,
            tuple(np.asarray(self.powers).tolist()),
        )
        return Curve.point(draw(problem, self.matrix, rng))


@functools.lru_cache(maxsize=16)
def _spectrum(*given: Any) -> Any:
    """Return the spectrum of a kernel, which most points of a sweep share."""
    from tsmech.theory.kernel_regression import kernel_spectrum

    system = KernelRegression(examples=1, **dict(given))
    root = math.sqrt(2.0)

    def profile(t: FloatArray) -> FloatArray:
        """Return h(t), between two inputs of length √2 in two dimensions whose cosine is t."""
        others = root * np.stack([t, np.sqrt(np.maximum(1 - t**2, 0.0))], axis=1)
        return np.asarray(system.matrix(np.array([[root, 0.0]]), others)[0])

    return kernel_spectrum(profile, system.dimension, system.degrees())
