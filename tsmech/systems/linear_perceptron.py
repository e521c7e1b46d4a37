"""Gibbs learning of a linear teacher at a temperature."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tsmech.machine.memory import shortage
from tsmech.problem.curve import Curve
from tsmech.problem.observables import SHARE, Observable
from tsmech.problem.parameters import parameter
from tsmech.problem.references import DUMITRIU_EDELMAN, SEUNG_SOMPOLINSKY_TISHBY, Reference
from tsmech.problem.system import Convergence, System


@dataclass(frozen=True, kw_only=True)
class LinearPerceptron(System):
    r"""Gibbs learning of a linear teacher from P = alpha N noisy examples.

    A student has the weight :math:`e^{-E/T}` with :math:`E = \sum_\mu \frac12 (y_\mu - w \cdot x_\mu/\sqrt N)^2`, on
    the sphere w·w = N (``spherical``) or with standard normal weights before (``gaussian``); the teacher has b·b = N,
    and labels have noise of standard deviation σ.  With the Gaussian prior the mean student is ridge regression at
    λ = T, and T = σ² is the true posterior.  The derivation is in ``theory/linear_perceptron.md``.

    Examples
    --------
    >>> import tsmech
    >>> found = tsmech.LinearPerceptron(alpha=2.0, temperature=0.25, noise=0.5, prior="gaussian").theory()
    >>> ridge = tsmech.Ridge(alpha=2.0, penalty=0.25, noise=0.5).theory()
    >>> bool(abs(found.generalization_error[0] - 2 * ridge.generalization_error[0]) < 1e-12)
    True
    """

    name = "linear_perceptron"
    title = "Gibbs learning of a linear teacher"
    observables: ClassVar = {
        "generalization_error": Observable("ε_g", "generalization error"),
        "train_error": Observable("ε_train", "training error"),
        "R": Observable("R", "cosine of student and teacher"),
        "q": Observable("q", "cosine of two students"),
        "Q": Observable("Q", "mean square student weight"),
        "autocorrelation_time": Observable("τ", "autocorrelation time of a chain on the sphere", "proposals"),
        "acceptance": Observable("a", "share of proposals taken by a chain on the sphere", bounds=SHARE),
    }
    references = (
        SEUNG_SOMPOLINSKY_TISHBY,
        Reference(
            "A. Krogh, J. A. Hertz",
            1992,
            "Generalization in a linear perceptron in the presence of noise",
            "J. Phys. A 25, 1135",
        ),
        DUMITRIU_EDELMAN,
    )
    pictured = ("generalization_error", "train_error")
    stated = ("temperature", "noise", "prior")
    checks = (
        {"alpha": 0.5, "prior": "gaussian"},
        {"alpha": 2.0, "prior": "gaussian", "temperature": 0.2},
        {"alpha": 0.5, "prior": "spherical", "noise": 0.3},
        {"alpha": 2.0, "prior": "spherical", "temperature": 1.0},
    )
    convergence = Convergence("dimension", (20, 40, 80, 160))

    alpha: float = parameter(
        "α", "training examples per input dimension, P/N", minimum=0, exclusive=True, range=(0.1, 4.0)
    )
    temperature: float = parameter(
        "T", "temperature, above 0", default=0.5, minimum=0, exclusive=True, scale="logarithmic", range=(0.01, 10.0)
    )
    noise: float = parameter("σ", "standard deviation of the label noise", default=0.5, minimum=0, range=(0.0, 2.0))
    prior: str = parameter(
        "prior", "spherical: w·w = N; gaussian: standard normal weights", default="spherical",
        choices=("spherical", "gaussian"),
    )  # fmt: skip
    dimension: int = parameter(
        "N", "input dimension of the simulations", default=200, minimum=2, maximum=10**9, scale="logarithmic",
        range=(50, 2000),
    )  # fmt: skip

    @property
    def examples(self) -> int:
        """Number of training examples."""
        return max(1, round(self.alpha * self.dimension))

    def obstacle(self, answer: str) -> str | None:
        """Return what does not fit into memory."""
        P, N = float(self.examples), float(self.dimension)
        needed = {"direct": 8.0 * (2.0 * P * N + 4.0 * N * N), "reduced": 200.0 * N}
        if self.prior == "spherical":
            needed["reduced"] += 16.0 * min(P, N) ** 2 + 2000.0 * N
        if answer in needed and (short := shortage(needed[answer], f"a training set of {P:g} x {N:g}")):
            return f"linear_perceptron has no {answer} answer here: {short}: lower dimension"
        return super().obstacle(answer)

    def theory_curve(self) -> Curve:
        """Return the replica-symmetric state, which is exact here."""
        from tsmech.theory.linear_perceptron import solve

        state = solve(self.alpha, self.temperature, self.noise, self.prior)
        return Curve.point(
            {
                "generalization_error": state.generalization_error,
                "train_error": state.train_error,
                "R": state.along / state.square**0.5,
                "q": state.common / state.square,
                "Q": state.square,
            }
        )

    def reduced_curve(self, rng: np.random.Generator) -> Curve:
        """Return students of one training set in its bidiagonal form."""
        from tsmech.sims.linear_perceptron import draw_reduced

        return Curve.point(draw_reduced(self.examples, self.temperature, self.noise, self.prior, self.dimension, rng))

    def direct_curve(self, rng: np.random.Generator) -> Curve:
        """Return students of one training set, every input of which is drawn."""
        from tsmech.sims.linear_perceptron import draw_direct

        return Curve.point(draw_direct(self.examples, self.temperature, self.noise, self.prior, self.dimension, rng))
