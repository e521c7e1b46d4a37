"""Gradient descent of a linear student on a fixed training set: overtraining and early stopping."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.problem.conventions import Convention, Quantity, times
from tsmech.problem.curve import Curve
from tsmech.problem.inputs import GaussianInputs
from tsmech.problem.observables import Coordinate, Observable
from tsmech.problem.parameters import parameter
from tsmech.problem.references import ADVANI_SAXE, BODIN_MACRIS, DUMITRIU_EDELMAN, KROGH_HERTZ, Reference
from tsmech.problem.reports import Reports
from tsmech.problem.stopping import SUMMARY, summary
from tsmech.problem.system import Convergence

if TYPE_CHECKING:
    from tsmech.theory.gradient_flow.stopping import Stopping

FARTHEST = 1e20
"""Largest ratio of two eigenvalues at which theory and simulation are not limited by rounding."""


@dataclass(frozen=True, kw_only=True)
class GradientFlow(Reports, GaussianInputs):
    r"""Gradient descent of a linear student on P = alpha N noisy examples: overtraining.

    The loss is that of ridge regression; in the units of ``time`` a mode of XᵀX/P with eigenvalue s decays as

    .. math:: e^{-(s + \lambda/\alpha)\, t}, \qquad \text{or} \quad (1 - h\,(s + \lambda/\alpha))^{t/h}

    with a ``step`` h > 0.  For t → ∞ it ends at ridge regression.  The derivation is in ``theory/gradient_flow.md``.
    The columns ``early_stopping_time``, ``early_stopping_error`` and ``final_error`` sum up the test error at the times
    reported (without a step the best time is that of a parabola through the best three); ``best_ridge_error`` (theory)
    is the test error of ridge regression at its best penalty.

    Examples
    --------
    When to stop, between the times reported too, the test error then, and what the best penalty achieves:

    >>> import tsmech
    >>> student = tsmech.GradientFlow(alpha=1.0, noise=0.5)
    >>> time, error = student.optimal_stopping()
    >>> print(f"{time:.4f} {error + 0.5**2 / 2:.4f} {student.best_ridge_error():.4f}")
    2.4651 0.3250 0.3202
    """

    name = "gradient_flow"
    title = "Gradient descent of a linear student on a fixed training set"
    coordinates: ClassVar = {"time": Coordinate("t", "time", "1/eigenvalue of the data's covariance")}
    observables: ClassVar = {
        "test_error": Observable("ε_test", "test error"),
        "train_error": Observable("ε_train", "training error"),
        "generalization_error": Observable("ε_g", "generalization error"),
        "weight_norm": Observable("Q", "mean square student weight"),
        **SUMMARY,
        "best_ridge_error": Observable("ε_ridge", "test error of ridge at its best penalty", summary=True),
    }
    conventions = (
        Convention(
            "Advani & Saxe 2017",
            {
                "time": Quantity("t_N", lambda time, point: time / point["alpha"]),
                "early_stopping_time": Quantity("t_N*", lambda time, point: time / point["alpha"]),
                "generalization_error": Quantity("E_g", lambda error, point: 2.0 * error + point["noise"] ** 2),
                **{name: times("E_g", 2.0) for name in ("test_error", "early_stopping_error", "final_error")},
            },
        ),
        Convention(
            "Ali, Kolter & Tibshirani 2019",
            {
                "alpha": Quantity("γ", lambda alpha, point: 1.0 / alpha),
                "penalty": Quantity("λ_AKT", lambda penalty, point: penalty / point["alpha"]),
                "generalization_error": times("risk", 2.0),
                "test_error": Quantity("risk", lambda error, point: 2.0 * error - point["noise"] ** 2),
            },
        ),
    )
    references = (
        KROGH_HERTZ,
        ADVANI_SAXE,
        Reference(
            "A. Ali, J. Z. Kolter, R. J. Tibshirani",
            2019,
            "A continuous-time view of early stopping for least squares",
            "AISTATS 2019",
            arxiv="1810.10082",
        ),
        BODIN_MACRIS,
        DUMITRIU_EDELMAN,
    )
    stated = ("noise", "duration")
    checks = (
        {"alpha": 0.5, "initial_scale": 0.5, "samples": (1.0, 4.0, 20.0), "duration": 20.0},
        {"alpha": 1.0, "samples": (1.0, 4.0, 20.0), "duration": 20.0},
        {"alpha": 2.0, "penalty": 0.2, "unseen": 0.2, "samples": (1.0, 4.0), "duration": 20.0},
    )
    convergence = Convergence("dimension", (80, 160, 320, 640))

    alpha: float = parameter(
        "α", "training examples per input dimension, P/N", minimum=0, exclusive=True, range=(0.1, 4.0)
    )
    noise: float = parameter("σ", "standard deviation of the label noise", default=0.5, minimum=0, range=(0.0, 2.0))
    signal: float = parameter("t_b", "teacher's mean square weight", default=1.0, minimum=0, range=(0.0, 4.0))
    initial_scale: float = parameter(
        "s_0", "standard deviation of the student's first weights", default=0.0, minimum=0, range=(0.0, 2.0)
    )
    penalty: float = parameter("λ", "ridge penalty", default=0.0, minimum=0, scale="logarithmic", range=(0.001, 10.0))
    step: float = parameter(
        "h", "step of discrete gradient descent; 0 is continuous flow", default=0.0, minimum=0, range=(0.0, 0.5)
    )
    duration: float = parameter(
        "t_end",
        "training time: a mode of XᵀX/P with eigenvalue s decays as exp(-s t)",
        default=50.0,
        minimum=0,
        exclusive=True,
        scale="logarithmic",
        range=(1.0, 1000.0),
    )
    unseen: float = parameter(
        "u",
        "share of the teacher's variance on inputs that the student does not see",
        default=0.0,
        minimum=0,
        maximum=1,
        range=(0.0, 1.0),
    )

    def __post_init__(self) -> None:
        """Check each parameter, and that the step is stable for N → ∞."""
        super().__post_init__()
        values = self.population().eigenvalues
        if values.max() > FARTHEST * (least := values[values > 0].min()):
            raise InputError(
                f"the eigenvalues range from {least:g} to {values.max():g}: gradient descent is followed up to a ratio "
                f"of {FARTHEST:g} (standardise brings the columns of a data matrix into one unit)"
            )
        if self.step > 0 and self.step > (largest := self._largest_step()):
            raise InputError(f"step = {self.step:g} is not allowed: gradient descent is stable up to {largest:.6g}")

    def _largest_step(self, dimension: int | None = None) -> float:
        from tsmech.theory.gradient_flow import largest_step

        return largest_step(self.alpha, self.penalty, self.population(), dimension)

    def lacks(self, answer: str) -> str | None:
        """Return why this problem has no such answer: simulations also need a step that is stable at their size."""
        reason = super().lacks(answer)
        if (
            reason is None
            and answer != "theory"
            and self.step > 0
            and self.step > (largest := self._largest_step(self.dimension))
        ):
            return (
                f"gradient_flow has no {answer} answer at step = {self.step:g}: gradient descent is stable up to "
                f"{largest:.6g} with {self.dimension} inputs"
            )
        return reason

    def line_points(self) -> int:
        """Return at how many values of a parameter a picture computes theory: fewer where there is no closed form."""
        return 120 if self.isotropic else 25

    def _rest(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in ("initial_scale", "penalty", "step", "unseen")}

    def _summarised(self, times: NDArray[np.float64], found: dict[str, NDArray[np.float64]], **more: float) -> Curve:
        best = summary(times, found["test_error"], smooth=self.step == 0)
        return Curve.along("time", times, found, summaries={**best, **more})

    def optimal_stopping(self) -> "Stopping":
        """Return the time of the least generalization error for N → ∞, and that error."""
        from tsmech.theory.gradient_flow.stopping import optimal_stopping

        return optimal_stopping(self.alpha, self.noise, self.population(), **self._rest())

    def optimal_penalty(self) -> float:
        """Return the ridge penalty of the least generalization error after training for ever."""
        from tsmech.theory import ridge

        return ridge.optimal_penalty(self.alpha, self.noise, self.population(), self.unseen)

    def best_ridge_error(self) -> float:
        """Return the test error of ridge regression at its best penalty for N → ∞, to compare early stopping with."""
        from tsmech.theory import ridge

        penalty, spectrum = self.optimal_penalty(), self.population()
        if math.isinf(penalty):  # it is best to learn nothing
            return (spectrum.clean_variance + self.noise**2) / 2
        if self.isotropic:
            found = ridge.isotropic(self.alpha, self.noise, penalty, self.signal, self.unseen)
        else:
            found = ridge.spectral(self.alpha, self.noise, penalty, spectrum, self.unseen)
        return float(found["test_error"])

    def theory_curve(self) -> Curve:
        """Return the prediction: averages over the law of Marchenko and Pastur, or over that of any spectrum."""
        from tsmech.theory import gradient_flow

        times = self.times()
        if self.isotropic:
            found = gradient_flow.learning_curve(times, self.alpha, self.noise, signal=self.signal, **self._rest())
        else:
            found = gradient_flow.spectral_learning_curve(
                times, self.alpha, self.noise, self.population(), **self._rest()
            )
        if self.teacher_weights is None:  # with unequal weights it is a search: ask best_ridge_error() for it
            return self._summarised(times, found, best_ridge_error=self.best_ridge_error())
        return self._summarised(times, found)

    def reduced_curve(self, rng: np.random.Generator) -> Curve:
        """Return one draw of the bidiagonal reduction, which has the law of the dense simulation."""
        from tsmech.sims import gradient_flow

        times = self.times()
        found = gradient_flow.draw_reduced(
            times, self.alpha, self.noise, self.dimension, rng, signal=self.signal, **self._rest()
        )
        return self._summarised(times, found)

    def direct_curve(self, rng: np.random.Generator) -> Curve:
        """Return gradient descent on one drawn training set."""
        from tsmech.sims import gradient_flow

        times = self.times()
        values, weights = self.population().at(self.dimension)
        found = gradient_flow.draw_direct(
            times, self.alpha, self.noise, rng, eigenvalues=values, teacher_weights=weights, **self._rest()
        )
        return self._summarised(times, found)
