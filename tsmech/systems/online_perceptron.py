"""A perceptron that learns from a teacher perceptron and sees each example once."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.machine.memory import shortage
from tsmech.problem.curve import Curve
from tsmech.problem.observables import SHARE, Coordinate, Observable
from tsmech.problem.parameters import parameter
from tsmech.problem.references import ENGEL_VAN_DEN_BROECK, WATKIN_RAU_BIEHL, Reference
from tsmech.problem.reports import Reports, times_of_steps
from tsmech.problem.system import Convergence

RULES = ("hebb", "perceptron", "adatron", "optimal", "logistic", "hinge")


@dataclass(frozen=True, kw_only=True)
class OnlinePerceptron(Reports):
    r"""One-pass learning of a perceptron, in the time alpha = examples/N.

    Inputs are standard normal and labels :math:`y = \pm \operatorname{sign}(b \cdot x)`, wrong with probability f.
    With :math:`h = w \cdot x / \sqrt N` a step is

    .. math:: w \leftarrow w + \frac{F}{\sqrt N}\, y\, x ,

    where F is η (``hebb``), η θ(-y h) (``perceptron``), η (-y h)₊ (``adatron``), the derivative of a loss
    η/(1 + exp(y h)) (``logistic``) or η θ(1 - y h) (``hinge``), or what lowers the error most (``optimal``; it knows f
    and the present overlap, and has no learning rate).  The derivation is in ``theory/online_perceptron.md``.

    Notes
    -----
    The optimal rule keeps √Q/ρ.  From ρ = 0, where its first step would be infinitely long, it begins without weights,
    and √Q is the length in units of which it grows.

    Examples
    --------
    >>> import tsmech
    >>> learnt = tsmech.OnlinePerceptron(rule="optimal", duration=10, samples=1).theory()
    >>> round(float(10 * learnt.generalization_error.iloc[-1]), 3)
    0.712
    """

    name = "online_perceptron"
    title = "A perceptron that sees each example once"
    coordinates: ClassVar = {"alpha": Coordinate("α", "examples per input dimension")}
    observables: ClassVar = {
        "generalization_error": Observable(
            "ε",
            "generalization error",
            "probability of disagreeing with the teacher",
            scale="logarithmic",
            bounds=SHARE,
        ),
        "Q": Observable("Q", "mean square student weight"),
        "R": Observable("R", "overlap of student and teacher"),
        "rho": Observable("ρ", "cosine of student and teacher"),
        "scaled_error": Observable("αε", "generalization error times alpha"),
        "asymptote": Observable("ε_∞", "law of the error for many examples", scale="logarithmic"),
        "law_ratio": Observable("ε/ε_∞", "error over its law for many examples"),
    }
    references = (
        Reference(
            "O. Kinouchi, N. Caticha",
            1992,
            "Optimal generalization in perceptrons",
            "J. Phys. A 25, 6243",
        ),
        Reference("M. Biehl, P. Riegler", 1994, "On-line learning with a perceptron", "Europhys. Lett. 28, 525"),
        WATKIN_RAU_BIEHL,
        ENGEL_VAN_DEN_BROECK,
    )
    pictured = ("generalization_error", "rho")
    stated = ("rule",)
    checks = tuple(
        {"rule": rule, "duration": 4.0, "samples": (1.0, 4.0), "flip": flip, "initial_overlap": 0.1}
        for rule, flip in zip(RULES, (0.1, 0.0, 0.0, 0.1, 0.1, 0.0), strict=True)
    )
    convergence = Convergence("dimension", (50, 100, 400, 1600, 20_000))

    rule: str = parameter("rule", "how the student learns", default="perceptron", choices=RULES)
    learning_rate: float = parameter(
        "η", "learning rate (optimal has none)", default=1.0, minimum=0, exclusive=True, range=(0.1, 4.0)
    )
    flip: float = parameter(
        "f", "probability that a given label is wrong, below ½", default=0.0, minimum=0, maximum=0.5, range=(0.0, 0.45)
    )
    initial_norm: float = parameter(
        "√Q_0", "length of the student's weights at the start, over √N", default=1.0, minimum=0, exclusive=True,
        scale="logarithmic", range=(0.01, 10.0),
    )  # fmt: skip
    initial_overlap: float = parameter(
        "ρ_0", "cosine of student and teacher at the start", default=0.0, minimum=-1, maximum=1, exclusive=True,
        range=(-0.9, 0.9),
    )  # fmt: skip
    dimension: int = parameter(
        "N", "input dimension of the simulations", default=1000, minimum=2, maximum=10**12, scale="logarithmic",
        range=(50, 100_000),
    )  # fmt: skip
    duration: float = parameter(
        "α_end",
        "training time, examples/N",
        default=10.0,
        minimum=0,
        exclusive=True,
        scale="logarithmic",
        range=(1.0, 10_000.0),
    )

    def __post_init__(self) -> None:
        """Check each parameter, and that they fit together."""
        super().__post_init__()
        if self.flip >= 0.5:
            raise InputError(f"flip = {self.flip:g} is not allowed: it must be below 0.5, where labels say nothing")
        if self.rule == "optimal" and self.initial_overlap < 0.0:
            raise InputError(
                f"initial_overlap = {self.initial_overlap:g} is not allowed with rule = optimal: it must be at least 0"
            )
        if self.rule == "optimal" and self.learning_rate != 1.0:
            raise InputError(f"learning_rate = {self.learning_rate:g} has no effect with rule = optimal: it has none")
        self.times()

    def times(self) -> NDArray[np.float64]:
        """Return the times of the report, in alpha: those at which a step ends."""
        return times_of_steps(super().times(), 1, self.dimension)

    def simulation_steps(self) -> float:
        """Return the number of steps of a simulation."""
        return self.duration * self.dimension

    def obstacle(self, answer: str) -> str | None:
        """Return what does not fit into memory."""
        short = shortage(28.0 * self.dimension, f"a network of {self.dimension} weights")
        if answer == "direct" and short:
            return f"online_perceptron has no direct answer here: {short}: lower dimension"
        return super().obstacle(answer)

    def theory_curve(self) -> Curve:
        """Return the solution of the equations for the angle to the teacher and the length of the weights."""
        from tsmech.theory.online_perceptron import asymptote, follow

        times = self.times()
        found = follow(self.rule, self.learning_rate, self.flip, self._start(), times)
        curve = self._curve(
            found.root * np.cos(found.angle), found.root * np.sin(found.angle), found.angle, found.diverged_at
        )
        law = asymptote(self.rule, self.learning_rate, times[: found.angle.size]) if self.flip == 0.0 else None
        if law is None:
            return curve
        ratio = curve.observables["generalization_error"] / law
        return Curve({**curve.observables, "asymptote": law, "law_ratio": ratio}, curve.coordinates, stop=curve.stop)

    def reduced_curve(self, rng: np.random.Generator) -> Curve:
        """Return one draw of the exact chain of the student's two components."""
        from tsmech.sims.online_perceptron import run_reduced

        found = run_reduced(self.rule, self.learning_rate, self.flip, self._start(), self.times(), self.dimension, rng)
        return self._curve(found.along, found.across, np.arctan2(found.across, found.along), found.diverged_at)

    def direct_curve(self, rng: np.random.Generator) -> Curve:
        """Return one training of the network itself."""
        from tsmech.sims.online_perceptron import run_direct

        found = run_direct(self.rule, self.learning_rate, self.flip, self._start(), self.times(), self.dimension, rng)
        return self._curve(found.along, found.across, np.arctan2(found.across, found.along), found.diverged_at)

    def _start(self) -> tuple[float, float]:
        return self.initial_norm, self.initial_overlap

    def _curve(
        self,
        along: NDArray[np.float64],
        across: NDArray[np.float64],
        angle: NDArray[np.float64],
        diverged_at: float | None,
    ) -> Curve:
        """Return what follows from the components along and across the teacher; without weights the cosine is 0."""
        times = self.times()[: along.size]
        bare = (along == 0.0) & (across == 0.0)
        angle = np.where(bare, 0.5 * np.pi, angle)
        error = angle / np.pi
        observables = {
            "generalization_error": error,
            "Q": along**2 + across**2,
            "R": along,
            "rho": np.where(bare, 0.0, np.cos(angle)),
            "scaled_error": times * error,
        }
        return Curve.along("alpha", times, observables, diverged_at=diverged_at)
