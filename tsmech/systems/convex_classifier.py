"""Regularised convex classification: logistic regression, the support vector machine, least squares."""

import importlib.util
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tsmech.errors import InputError
from tsmech.problem.curve import Curve
from tsmech.problem.inputs import GaussianInputs
from tsmech.problem.observables import SHARE, Observable
from tsmech.problem.parameters import parameter
from tsmech.problem.references import Reference
from tsmech.problem.system import Convergence

LOSSES = ("logistic", "hinge", "square")


@dataclass(frozen=True, kw_only=True)
class ConvexClassifier(GaussianInputs):
    r"""Classifying the labels of a teacher perceptron by regularised convex loss.

    The student minimises, over P = alpha N examples with labels :math:`y = \pm \operatorname{sign}(b \cdot x)`, wrong
    with probability f,

    .. math:: \sum_\mu \ell\Bigl( y_\mu \frac{w \cdot x_\mu}{\sqrt N} \Bigr) + \lambda |w|^2

    with ℓ(h) = ln(1 + exp(-h)) (``logistic``), (1 - h)₊ (``hinge``) or (1 - h)² (``square``).  For λ → 0⁺ it is the
    student of maximum stability where the labels can be separated (logistic, hinge), and the pseudo-inverse (square).
    The derivation is in ``theory/convex_classifier.md``.

    Notes
    -----
    ``direct`` needs scikit-learn (``tsmech[classifiers]``) for logistic and square loss.  R is the cosine of the fields
    of student and teacher, that of their weights where inputs are isotropic.

    Examples
    --------
    >>> import tsmech
    >>> found = tsmech.ConvexClassifier(alpha=2.0, loss="square", penalty=1e-9).theory()
    >>> round(float(found.generalization_error[0]), 6)
    0.205952
    """

    name = "convex_classifier"
    title = "Regularised convex classification"
    signal: ClassVar[float] = 1.0  # type: ignore[misc]  # no parameter here: labels do not tell of it
    observables: ClassVar = {
        "generalization_error": Observable(
            "ε", "generalization error", "probability of disagreeing with the teacher", bounds=SHARE
        ),
        "test_error": Observable("ε_test", "test error", "probability of a wrong label", bounds=SHARE),
        "train_error": Observable("ε_train", "training error", "share of wrong labels", bounds=SHARE),
        "R": Observable("R", "cosine of the fields of student and teacher"),
        "norm": Observable("Q", "mean square student weight", scale="logarithmic"),
    }
    references = (
        Reference(
            "B. Aubin, F. Krzakala, Y. M. Lu, L. Zdeborová",
            2020,
            "Generalization error in high-dimensional perceptrons: approaching Bayes error with convex optimization",
            "NeurIPS 2020",
            arxiv="2006.06560",
        ),
        Reference(
            "F. Mignacco, F. Krzakala, Y. M. Lu, L. Zdeborová",
            2020,
            "The role of regularization in classification of high-dimensional noisy Gaussian mixture",
            "ICML 2020",
            arxiv="2002.11544",
        ),
        Reference(
            "B. Loureiro, C. Gerbelot, H. Cui, S. Goldt, F. Krzakala, M. Mézard, L. Zdeborová",
            2021,
            "Learning curves of generic features maps for realistic datasets with a teacher-student model",
            "NeurIPS 2021",
            arxiv="2102.08127",
        ),
    )
    pictured = ("generalization_error", "norm")
    stated = ("loss", "penalty")
    checks = (
        {"alpha": 2.0, "loss": "logistic", "penalty": 0.1, "flip": 0.1},
        {"alpha": 2.0, "loss": "hinge", "penalty": 0.5},
        {"alpha": 1.5, "loss": "square", "penalty": 0.2, "flip": 0.05},
        {"alpha": 1.5, "loss": "logistic", "penalty": 0.1, "spectrum": "two_level", "ratio": 8.0},
    )
    convergence = Convergence("dimension", (40, 80, 160, 320))

    alpha: float = parameter(
        "α", "training examples per input dimension, P/N", minimum=0, exclusive=True, range=(0.1, 8.0)
    )
    loss: str = parameter("loss", "what is minimised", default="logistic", choices=LOSSES)
    penalty: float = parameter(
        "λ",
        "penalty on the squared length of the weights, above 0",
        default=0.1,
        minimum=0,
        exclusive=True,
        scale="logarithmic",
        range=(1e-4, 10.0),
    )
    flip: float = parameter(
        "f", "probability that a given label is wrong, below ½", default=0.0, minimum=0, maximum=0.5, range=(0.0, 0.45)
    )

    def __post_init__(self) -> None:
        """Check each parameter, and that they fit together."""
        super().__post_init__()
        if self.flip >= 0.5:
            raise InputError(f"flip = {self.flip:g} is not allowed: it must be below 0.5, where labels say nothing")
        for name, bound, sign in (("penalty", 1e-12, 1.0), ("penalty", 1e12, -1.0), ("alpha", 1e-9, 1.0)):
            value = getattr(self, name)
            if sign * (value - bound) < 0.0:
                side = "at least" if sign > 0 else "at most"
                raise InputError(f"{name} = {value:g} is not allowed: it must be {side} {bound:g}")
        spectrum = self.population()
        if not spectrum.clean_variance > 0.0:
            raise InputError("teacher_weights: the teacher's field must vary, or there are no labels")

    def lacks(self, answer: str) -> str | None:
        """Return why this problem has no such answer: no reduction is known."""
        if answer == "reduced":
            return "convex_classifier has no reduced answer: the loss is no quadratic form of the examples"
        return super().lacks(answer)

    def obstacle(self, answer: str) -> str | None:
        """Return that the solvers are not installed, or what does not fit into memory."""
        if answer == "direct" and self.loss != "hinge" and importlib.util.find_spec("sklearn") is None:
            return (
                f"convex_classifier has no direct answer for loss = {self.loss} without scikit-learn: install "
                "tsmech[classifiers]"
            )
        return super().obstacle(answer)

    def line_points(self) -> int:
        """Return at how many values of a parameter a picture computes theory."""
        return 50 if self.isotropic else 25

    def theory_curve(self) -> Curve:
        """Return the fixed point of the loss and the spectrum."""
        from tsmech.theory.convex_classifier import solve
        from tsmech.theory.stabilities import disagreement

        state = solve(self.alpha, self.loss, self.penalty, self.flip, self.population())
        error = float(disagreement(state.R, state.distance))
        return Curve.point(
            {
                "generalization_error": error,
                "test_error": error * (1.0 - 2.0 * self.flip) + self.flip,
                "train_error": state.train_error,
                "R": state.R,
                "norm": state.norm,
            }
        )

    def direct_curve(self, rng: np.random.Generator) -> Curve:
        """Return the weights of least loss of one training set."""
        from tsmech.sims.convex_classifier import draw_direct

        values, weights = self.population().at(self.dimension)
        found = draw_direct(
            self.alpha, self.loss, self.penalty, self.flip, rng, eigenvalues=values, teacher_weights=weights
        )
        return Curve.point(found)
