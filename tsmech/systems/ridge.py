"""Ridge regression of a noisy linear teacher: double descent in alpha = P/N."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from tsmech.problem.conventions import Convention, Quantity, same, times
from tsmech.problem.curve import Curve
from tsmech.problem.inputs import GaussianInputs
from tsmech.problem.observables import Observable
from tsmech.problem.parameters import parameter
from tsmech.problem.references import ADVANI_SAXE, DUMITRIU_EDELMAN, KROGH_HERTZ, Reference
from tsmech.problem.system import Convergence


@dataclass(frozen=True, kw_only=True)
class Ridge(GaussianInputs):
    r"""Ridge regression of a noisy linear teacher: double descent in alpha = P/N.

    A linear student minimises, over P = alpha N examples of a linear teacher with label noise,

    .. math:: \sum_\mu \Bigl(y_\mu - \frac{w \cdot x_\mu}{\sqrt N}\Bigr)^2 + \lambda |w|^2 ,

    the minimum-norm solution being the limit λ → 0⁺.  The derivation is in ``theory/ridge.md``; the
    columns of the three answers are the names in ``observables``.

    Examples
    --------
    >>> import tsmech
    >>> float(tsmech.Ridge(alpha=2.0, noise=0.5).theory().variance[0])
    0.125
    """

    name = "ridge"
    title = "Ridge regression of a noisy linear teacher"
    observables: ClassVar = {
        "generalization_error": Observable("ε_g", "generalization error"),
        "test_error": Observable("ε_test", "test error"),
        "train_error": Observable("ε_train", "training error"),
        "bias": Observable("B", "bias"),
        "variance": Observable("V", "variance"),
        "weight_norm": Observable("Q", "mean square student weight"),
        "optimal_penalty": Observable("λ*", "optimal ridge penalty"),
    }
    conventions = (
        Convention(
            "Krogh & Hertz 1992",
            {"generalization_error": Quantity("F", lambda error, point: 2.0 * error / point["signal"])},
        ),
        Convention(
            "Advani & Saxe 2017",
            {
                "generalization_error": Quantity("E_g", lambda error, point: 2.0 * error + point["noise"] ** 2),
                "test_error": times("E_g", 2.0),
            },
        ),
        Convention(
            "Dobriban & Wager 2018",
            {
                "alpha": Quantity("γ", lambda alpha, point: 1.0 / alpha),
                "penalty": Quantity("λ_DW", lambda penalty, point: penalty / point["alpha"]),
                "generalization_error": Quantity("r", lambda error, point: 2.0 * error / point["noise"] ** 2 + 1.0),
                "test_error": Quantity("r", lambda error, point: 2.0 * error / point["noise"] ** 2),
            },
        ),
        Convention(
            "Hastie et al. 2022",
            {
                "alpha": Quantity("γ", lambda alpha, point: 1.0 / alpha),
                "penalty": Quantity("λ_H", lambda penalty, point: penalty / point["alpha"]),
                "unseen": Quantity("κ", lambda unseen, point: 1.0 - unseen),
                "signal": same("r²"),
                "generalization_error": times("R_X", 2.0),
                "test_error": Quantity("R_X", lambda error, point: 2.0 * error - point["noise"] ** 2),
                "bias": times("B_X", 2.0),
                "variance": times("V_X", 2.0),
            },
        ),
    )
    references = (
        KROGH_HERTZ,
        ADVANI_SAXE,
        Reference(
            "E. Dobriban, S. Wager",
            2018,
            "High-dimensional asymptotics of prediction: ridge regression and classification",
            "Ann. Statist. 46, 247",
            arxiv="1507.03003",
        ),
        Reference(
            "T. Hastie, A. Montanari, S. Rosset, R. J. Tibshirani",
            2022,
            "Surprises in high-dimensional ridgeless least squares interpolation",
            "Ann. Statist. 50, 949",
            arxiv="1903.08560",
        ),
        DUMITRIU_EDELMAN,
    )
    pictured = ("test_error", "train_error")
    stated = ("noise",)
    checks = (
        {"alpha": 0.5, "penalty": 0.0},
        {"alpha": 2.0, "penalty": 0.0},
        {"alpha": 1.0, "penalty": 0.25},
        {"alpha": 0.5, "penalty": 0.1, "unseen": 0.3},
        {"alpha": 0.7, "penalty": 0.1, "unseen": 0.2, "spectrum": "two_level", "ratio": 8.0},
    )
    convergence = Convergence("dimension", (80, 160, 320, 640, 1280, 5120))

    alpha: float = parameter(
        "α", "training examples per input dimension, P/N", minimum=0, exclusive=True, range=(0.1, 4.0)
    )
    noise: float = parameter("σ", "standard deviation of the label noise", default=0.5, minimum=0, range=(0.0, 2.0))
    penalty: float = parameter(
        "λ",
        "ridge penalty; 0 is the minimum-norm solution",
        default=0.0,
        minimum=0,
        scale="logarithmic",
        range=(0.001, 10.0),
    )
    signal: float = parameter("t", "teacher's mean square weight", default=1.0, minimum=0, range=(0.0, 4.0))
    unseen: float = parameter(
        "u",
        "share of the teacher's variance on inputs that the student does not see",
        default=0.0,
        minimum=0,
        maximum=1,
        range=(0.0, 1.0),
    )

    def poles(self, name: str) -> tuple[float, ...]:
        """Return alpha at the interpolation threshold, where the errors of the minimum-norm solution are infinite.

        There are then as many examples as directions with variance.
        """
        if name != "alpha" or self.penalty > 0 or (self.noise == 0 and self.unseen == 0):
            return ()
        return (round(self.population().rank, 12),)

    def line_points(self) -> int:
        """Return at how many values of a parameter a picture computes theory: fewer where there is no closed form."""
        return 400 if self.isotropic else 150

    def optimal_penalty(self) -> float:
        """Return the ridge penalty λ ≥ 0 of the least generalization error for N → ∞."""
        from tsmech.theory import ridge

        return ridge.optimal_penalty(self.alpha, self.noise, self.population(), self.unseen)

    def theory_curve(self) -> Curve:
        """Return the prediction: closed forms for isotropic inputs, else the spectral fixed point."""
        from tsmech.theory import ridge

        if self.isotropic:
            found = ridge.isotropic(self.alpha, self.noise, self.penalty, self.signal, self.unseen)
        else:
            found = ridge.spectral(self.alpha, self.noise, self.penalty, self.population(), self.unseen)
        if self.teacher_weights is None:  # with unequal weights it is a search: ask optimal_penalty() for it
            found = {**found, "optimal_penalty": np.array(self.optimal_penalty())}
        return Curve.point(found)

    @classmethod
    def theory_points(cls, points: Sequence[Self]) -> dict[str, NDArray[np.float64]] | None:
        """Return the closed forms at many points at once; None where one has none."""
        from tsmech.theory import ridge

        if not all(point.isotropic for point in points):
            return None
        names = ("alpha", "noise", "penalty", "signal", "unseen")
        found = ridge.isotropic(*(np.array([getattr(point, name) for point in points]) for name in names))
        best: dict[tuple[float, ...], float] = {}  # it does not depend on alpha and the penalty
        for point in points:
            place = (point.noise, point.signal, point.unseen)
            if place not in best:
                best[place] = point.optimal_penalty()
        return found | {"optimal_penalty": np.array([best[p.noise, p.signal, p.unseen] for p in points])}

    def reduced_curve(self, rng: np.random.Generator) -> Curve:
        """Return one draw of the bidiagonal reduction, which has the law of the dense simulation."""
        from tsmech.sims import ridge

        return Curve.point(
            ridge.draw_reduced(self.alpha, self.noise, self.penalty, self.signal, self.unseen, self.dimension, rng)
        )

    def direct_curve(self, rng: np.random.Generator) -> Curve:
        """Return one draw of a training set and its dense solution."""
        from tsmech.sims import ridge

        values, weights = self.population().at(self.dimension)
        found = ridge.draw_direct(
            self.alpha, self.noise, self.penalty, self.unseen, rng, eigenvalues=values, teacher_weights=weights
        )
        return Curve.point(found)
