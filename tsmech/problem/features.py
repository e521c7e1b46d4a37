"""Random features of Gaussian inputs: the parameters of systems that train the second layer of such networks."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tsmech.errors import InputError
from tsmech.kernels.activations import Activation
from tsmech.machine.memory import shortage
from tsmech.problem.parameters import LARGEST_DIMENSION, parameter
from tsmech.problem.references import Reference
from tsmech.problem.system import System

if TYPE_CHECKING:
    from tsmech.sims.features.problem import Problem
    from tsmech.theory.fields.hermite import HermiteConstants

FARTHEST = 1e12
"""Largest size of a parameter, and of the inverse of the numbers of examples and features per input dimension."""

ACTIVATIONS = ("relu", "erf", "tanh", "linear")

MEI_MONTANARI = Reference(
    "S. Mei, A. Montanari",
    2022,
    "The generalization error of random features regression: precise asymptotics and the double descent curve",
    "Commun. Pure Appl. Math. 75, 667",
    arxiv="1908.05355",
)


@dataclass(frozen=True, kw_only=True)
class FeatureNetwork(System):
    """A system that learns P = alpha D examples of a linear teacher from n_f = features D random features."""

    alpha: float = parameter(
        "α", "training examples per input dimension, P/D", minimum=0, exclusive=True, range=(0.1, 4.0)
    )
    features: float = parameter("ψ", "random features per input dimension", minimum=0, exclusive=True, range=(0.1, 8.0))
    penalty: float = parameter(
        "λ",
        "penalty on the second layer; 0 is the minimum-norm solution",
        default=0.0,
        minimum=0,
        scale="logarithmic",
        range=(1e-4, 10.0),
    )
    noise: float = parameter("σ", "standard deviation of the label noise", default=0.5, minimum=0, range=(0.0, 2.0))
    signal: float = parameter("V", "variance of the teacher's clean output", default=1.0, minimum=0, range=(0.0, 4.0))
    nonlinearity: float = parameter(
        "u",
        "share of the teacher's variance that is not linear: a quadratic form, which acts as noise",
        default=0.0,
        minimum=0,
        maximum=1,
        range=(0.0, 1.0),
    )
    activation: str | Activation = parameter(
        "g",
        "activation: max(x, 0), erf(x/√2), tanh x or x; from Python also a pair (g, g')",
        default="relu",
        choices=ACTIVATIONS,
    )
    centred: bool = parameter("c", "take its mean off each feature (theory is the same)", default=False)
    dimension: int = parameter(
        "D",
        "input dimension of the simulations",
        default=100,
        minimum=1,
        maximum=LARGEST_DIMENSION,
        scale="logarithmic",
        range=(20, 1000),
    )

    def __post_init__(self) -> None:
        """Check each parameter, and that the activation varies."""
        super().__post_init__()
        for name in ("alpha", "features", "penalty", "noise", "signal"):
            value, least = getattr(self, name), 1 / FARTHEST if name in ("alpha", "features") else 0.0
            if not least <= value <= FARTHEST:
                raise InputError(
                    f"{name} = {value:g} is not allowed: it must be at least {least:g} and at most {FARTHEST:g}"
                )
        self.constants()

    @property
    def examples(self) -> int:
        """The number of training examples P."""
        return max(1, round(self.alpha * self.dimension))

    @property
    def units(self) -> int:
        """The number of features n_f."""
        return max(1, round(self.features * self.dimension))

    def constants(self) -> "HermiteConstants":
        """Return the Hermite constants of the activation."""
        from tsmech.theory.fields.hermite import hermite_constants

        return hermite_constants(self.activation)

    def problem(self) -> "Problem":
        """Return what the simulation is told."""
        from tsmech.sims.features.problem import Problem

        given = {name: getattr(self, name) for name in Problem._fields if hasattr(self, name)}
        return Problem(**given | {"features": self.units})

    def poles(self, name: str) -> tuple[float, ...]:
        """Return where the errors of the minimum-norm solution are infinite: at as many examples as parameters.

        Linear features beyond the input dimension are no new parameters.
        """
        if name not in ("alpha", "features") or self.penalty > 0:
            return ()
        other = self.features if name == "alpha" else self.alpha
        noisy = self.noise > 0 or self.signal * self.nonlinearity > 0
        if self.constants().rest > 0 or other < 1:
            return (other,) if noisy or self.signal > 0 else ()
        return (1.0,) if name == "alpha" and noisy else ()

    def lacks(self, answer: str) -> str | None:
        """Return why this problem has no such answer."""
        if answer == "reduced":
            return f"{self.name} has no reduced answer: no exact reduction of nonlinear features is known"
        return super().lacks(answer)

    def obstacle(self, answer: str) -> str | None:
        """Return that the network does not fit into memory, or None where it does."""
        if answer == "direct":
            numbers = self._numbers_of_direct()
            short = shortage(8.0 * numbers, f"a network of {self.units:.6g} features of {self.examples:.6g} examples")
            if short:
                return f"{self.name} has no direct answer here: {short}: lower alpha, features or dimension"
        return super().obstacle(answer)

    def _numbers_of_direct(self) -> float:
        """Return how many numbers the direct simulation holds at once."""
        P, n, D = float(self.examples), float(self.units), float(self.dimension)
        padded = (P + n) * n if self.penalty > 0 else 0.0
        return 2 * P * n + padded + P * D + 2 * n * D + 2e7
