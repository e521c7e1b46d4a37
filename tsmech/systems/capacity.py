"""How many random labels a perceptron can learn."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tsmech.machine.memory import shortage
from tsmech.problem.answers import prediction, simulation
from tsmech.problem.curve import Curve
from tsmech.problem.observables import SHARE, Observable
from tsmech.problem.parameters import parameter
from tsmech.problem.references import ENGEL_VAN_DEN_BROECK, Reference
from tsmech.problem.system import Convergence, System


@dataclass(frozen=True, kw_only=True)
class Capacity(System):
    r"""Whether some perceptron has P = alpha N random labels of random inputs right, with a margin.

    Weights have :math:`y_\mu\, w \cdot x_\mu \ge \kappa\, |w|` for all examples; they are any (``spherical``) or ±1
    (``binary``).  ``theory`` is the step for N → ∞, ``exact`` Cover's count at finite N, for spherical weights without
    margin.  The derivation is in ``theory/capacity.md``.

    Examples
    --------
    >>> import tsmech
    >>> tsmech.critical_capacity(0.0)
    2.0
    >>> round(float(tsmech.Capacity(alpha=1.5, dimension=20).answer("exact").separable_fraction[0]), 4)
    0.9693
    """

    name = "capacity"
    title = "The capacity of a perceptron"
    observables: ClassVar = {
        "separable_fraction": Observable("C", "fraction of random labels that can be learnt", bounds=SHARE),
        "critical_capacity": Observable("α_c", "critical capacity"),
    }
    answers: ClassVar = {
        "theory": prediction(0),
        "exact": prediction(3, exact=True),
        "reduced": simulation(1),
        "direct": simulation(2),
    }
    references = (
        Reference(
            "T. M. Cover",
            1965,
            "Geometrical and statistical properties of systems of linear inequalities with applications in pattern "
            "recognition",
            "IEEE Trans. Electron. Comput. EC-14, 326",
        ),
        Reference("E. Gardner", 1988, "The space of interactions in neural network models", "J. Phys. A 21, 257"),
        Reference(
            "W. Krauth, M. Mézard",
            1989,
            "Storage capacity of memory networks with binary couplings",
            "J. Phys. (France) 50, 3057",
        ),
        ENGEL_VAN_DEN_BROECK,
    )
    pictured = ("separable_fraction",)
    stated = ("margin", "weights")
    checks = (
        {"alpha": 1.0},
        {"alpha": 2.0},
        {"alpha": 0.3, "margin": 0.5},
        {"alpha": 3.0, "margin": 0.5},
    )
    convergence = Convergence("dimension", (20, 40, 80))

    alpha: float = parameter("α", "examples per weight, P/N", minimum=0, exclusive=True, range=(0.1, 4.0))
    margin: float = parameter(
        "κ",
        "least stability y w·x, w of length 1, of every example",
        default=0.0,
        minimum=0,
        maximum=100,
        range=(0.0, 2.0),
    )
    weights: str = parameter(
        "w", "which weights are allowed: any, or ±1", default="spherical", choices=("spherical", "binary")
    )
    dimension: int = parameter(
        "N",
        "number of weights",
        default=30,
        minimum=1,
        maximum=10**9,
        scale="logarithmic",
        range=(10, 200),
    )

    @property
    def examples(self) -> int:
        """Number of examples."""
        return max(1, round(self.alpha * self.dimension))

    def lacks(self, answer: str) -> str | None:
        """Return why this problem has no such answer: no exact count, or too much to enumerate."""
        from tsmech.sims.enumeration import LARGEST

        if answer in ("exact", "reduced") and (self.weights == "binary" or self.margin > 0.0):
            return f"capacity has no {answer} answer here: Cover's count holds for spherical weights with margin = 0"
        if answer == "direct" and self.weights == "binary" and self.dimension > LARGEST:
            return (
                f"dimension = {self.dimension} is not allowed with weights = binary: direct enumerates them, and "
                f"takes at most {LARGEST}"
            )
        return super().lacks(answer)

    def obstacle(self, answer: str) -> str | None:
        """Return what does not fit into memory."""
        P, N = float(self.examples), float(self.dimension)
        if answer == "reduced" and (short := shortage(2.0 * P, f"{P:g} coins")):
            return f"capacity has no reduced answer here: {short}: lower dimension"
        if answer == "direct" and self.weights == "binary":
            if short := shortage(32.0 * P * 2.0 ** (N / 2.0 + 1.0), f"the fields of {P:g} examples"):
                return f"capacity has no direct answer here: {short}: lower alpha"
        elif answer == "direct" and (short := shortage(24.0 * P * N, f"a training set of {P:g} x {N:g}")):
            return f"capacity has no direct answer here: {short}: lower dimension"
        return super().obstacle(answer)

    def line_points(self) -> int:
        """Return at how many values of a parameter a picture computes theory: its step needs many."""
        return 400 if self.weights == "spherical" else 100

    def theory_curve(self) -> Curve:
        """Return the step at the critical capacity."""
        from tsmech.theory.capacity import critical_capacity, separable_fraction

        capacity = critical_capacity(self.margin, self.weights)
        fraction = separable_fraction(self.alpha, capacity)
        return Curve.point({"separable_fraction": fraction, "critical_capacity": capacity})

    def exact_curve(self) -> Curve:
        """Return Cover's count."""
        from tsmech.theory.capacity import cover_fraction

        return Curve.point({"separable_fraction": cover_fraction(self.examples, self.dimension)})

    def reduced_curve(self, rng: np.random.Generator) -> Curve:
        """Return 1 or 0, whether a draw can be learnt, from coins."""
        from tsmech.sims.capacity import draw_reduced

        return Curve.point({"separable_fraction": float(draw_reduced(self.examples, self.dimension, rng))})

    def direct_curve(self, rng: np.random.Generator) -> Curve:
        """Return 1 or 0, whether labels that were drawn can be learnt."""
        from tsmech.sims.capacity import draw_direct

        found = draw_direct(self.examples, self.dimension, self.margin, self.weights, rng)
        return Curve.point({"separable_fraction": float(found)})
