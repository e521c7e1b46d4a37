"""A spherical student perceptron that learns from a teacher perceptron by one of five rules."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from tsmech.errors import InputError
from tsmech.machine.memory import shortage
from tsmech.problem.curve import Curve
from tsmech.problem.observables import SHARE, Observable
from tsmech.problem.parameters import parameter
from tsmech.problem.references import ENGEL_VAN_DEN_BROECK, SEUNG_SOMPOLINSKY_TISHBY, WATKIN_RAU_BIEHL, Reference
from tsmech.problem.system import Convergence, System

if TYPE_CHECKING:
    from tsmech.theory.perceptron.state import State

RULES = ("hebb", "pseudo_inverse", "max_stability", "gibbs", "bayes")
METHODS = ("quenched", "annealed", "high_temperature")
SAMPLED = ("gibbs", "bayes")
REDUCED = ("hebb", "pseudo_inverse")
STEEPEST = 1e100
"""Largest alpha/T of the limit of high temperature."""


@dataclass(frozen=True, kw_only=True)
class Perceptron(System):
    r"""Learning a perceptron from P = alpha N examples: Hebb, pseudo-inverse, maximum stability, Gibbs and Bayes.

    Inputs are standard normal, labels :math:`y = \pm \operatorname{sign}(b \cdot x)`, wrong with probability f.  The
    student :math:`\operatorname{sign}(w \cdot x)` has

    * ``hebb``: :math:`w = \sum_\mu y_\mu x_\mu`;
    * ``pseudo_inverse``: the least-squares weights on the labels ±1, those of least norm below alpha = 1;
    * ``max_stability``: the largest :math:`\kappa = \min_\mu y_\mu w \cdot x_\mu / |w|`;
    * ``gibbs``: a draw from the sphere with weight :math:`e^{-E/T}`, E the number of wrong labels;
    * ``bayes``: the centre of the posterior, which is the Gibbs law at T = 0 without wrong labels, at
      T = 1/ln((1-f)/f) with them; or the mean of ``samples`` draws from it.

    The derivation is in ``theory/perceptron.md``.

    Examples
    --------
    >>> import tsmech
    >>> round(float(tsmech.Perceptron(alpha=1.0, rule="bayes").theory().generalization_error[0]), 6)
    0.254373
    """

    name = "perceptron"
    title = "A perceptron that learns from a perceptron"
    observables: ClassVar = {
        "generalization_error": Observable(
            "ε", "generalization error", "probability of disagreeing with the teacher", bounds=SHARE
        ),
        "train_error": Observable("ε_train", "training error", "share of wrong labels", bounds=SHARE),
        "test_error": Observable("ε_test", "test error", "probability of a wrong label", bounds=SHARE),
        "scaled_error": Observable("αε", "generalization error times alpha"),
        "R": Observable("R", "cosine of student and teacher"),
        "q": Observable("q", "cosine of two students"),
        "stability": Observable("κ", "least stability"),
        "free_energy": Observable("F", "free energy", "per N"),
        "entropy": Observable("S", "entropy", "per N, against the uniform sphere"),
        "replicon": Observable("Λ", "replicon: replica symmetry is broken above 1"),
        "R_random": Observable("R_random", "cosine with the teacher, chain from a random student"),
        "R_teacher": Observable("R_teacher", "cosine with the teacher, chain from the teacher"),
        "autocorrelation_time": Observable("τ", "autocorrelation time", "recorded students"),
        "burn_in": Observable("b", "burn-in", "autocorrelation times"),
        "equilibrated": Observable("eq", "equilibrated"),
    }
    references = (
        SEUNG_SOMPOLINSKY_TISHBY,
        WATKIN_RAU_BIEHL,
        ENGEL_VAN_DEN_BROECK,
        Reference(
            "F. Vallet",
            1989,
            "The Hebb rule for learning linearly separable Boolean functions: learning and generalization",
            "Europhys. Lett. 8, 747",
        ),
        Reference(
            "M. Opper, W. Kinzel, J. Kleinz, R. Nehl",
            1990,
            "On the ability of the optimal perceptron to generalise",
            "J. Phys. A 23, L581",
        ),
        Reference("T. L. H. Watkin", 1993, "Optimal learning with a neural network", "Europhys. Lett. 21, 871"),
        Reference(
            "A. Pakman, L. Paninski",
            2014,
            "Exact Hamiltonian Monte Carlo for truncated multivariate Gaussians",
            "J. Comput. Graph. Stat. 23, 518",
            arxiv="1208.4118",
        ),
    )
    pictured = ("generalization_error", "train_error")
    stated = ("rule",)
    checks = (
        {"alpha": 2.0, "rule": "hebb", "flip": 0.1},
        {"alpha": 0.5, "rule": "pseudo_inverse"},
        {"alpha": 2.0, "rule": "pseudo_inverse", "flip": 0.1},
        {"alpha": 1.0, "rule": "max_stability"},
        {"alpha": 1.0, "rule": "gibbs", "sweeps": 60},
        {"alpha": 2.0, "rule": "gibbs", "temperature": 0.5, "sweeps": 60},
        {"alpha": 2.0, "rule": "bayes", "flip": 0.1, "sweeps": 60},
        {"alpha": 1.0, "rule": "bayes", "samples": 5, "sweeps": 60},
    )
    convergence = Convergence("dimension", (25, 50, 80, 120))

    alpha: float = parameter(
        "α", "training examples per input dimension, P/N", minimum=0, exclusive=True, range=(0.1, 8.0)
    )
    rule: str = parameter("rule", "how the student learns", default="gibbs", choices=RULES)
    temperature: float = parameter("T", "gibbs: temperature, in wrong labels", default=0.0, minimum=0, range=(0.0, 2.0))
    flip: float = parameter(
        "f", "probability that a given label is wrong, below ½", default=0.0, minimum=0, maximum=0.5, range=(0.0, 0.45)
    )
    method: str = parameter(
        "method", "gibbs: how theory averages over the examples", default="quenched", choices=METHODS
    )
    samples: int | None = parameter(
        "n",
        "bayes: students that are averaged (default: the centre, of infinitely many)",
        default=None,
        minimum=1,
        range=(1, 100),
    )
    sweeps: int = parameter(
        "n_s",
        "gibbs, bayes: students that each of the two chains of direct records, after half as many",
        default=200,
        minimum=10,
        maximum=100_000,
        scale="logarithmic",
        range=(50, 2000),
    )
    dimension: int = parameter(
        "N",
        "input dimension of the simulations",
        default=100,
        minimum=2,
        maximum=10**9,
        scale="logarithmic",
        range=(20, 2000),
    )

    def __post_init__(self) -> None:
        """Check each parameter, and that they fit together."""
        super().__post_init__()
        refuse_uninformative(self.flip)
        for name, rule, unused in (
            ("temperature", "gibbs", 0.0),
            ("method", "gibbs", "quenched"),
            ("samples", "bayes", None),
        ):
            value = getattr(self, name)
            if value != unused and self.rule != rule:
                raise InputError(f"{name} = {value} has no effect with rule = {self.rule}: it belongs to {rule} alone")
        if self.method == "high_temperature" and self.temperature == 0.0:
            raise InputError("temperature = 0 is not allowed with method = high_temperature: it must be above 0")
        if self.method == "high_temperature" and self.alpha > STEEPEST * self.temperature:
            raise InputError(
                f"temperature = {self.temperature:g} is not allowed with method = high_temperature and alpha = "
                f"{self.alpha:g}: alpha/temperature must be at most {STEEPEST:g}"
            )
        if self.samples is not None and self.samples > self.sweeps:
            raise InputError(f"samples = {self.samples} is not allowed: it must be at most sweeps = {self.sweeps}")
        if self.flip > 0.0 and (self.rule == "max_stability" or (self.rule == "gibbs" and self.temperature == 0.0)):
            self._refuse_empty_version_space()

    def _refuse_empty_version_space(self) -> None:
        from tsmech.theory.perceptron import separability_threshold

        threshold = separability_threshold(self.flip)
        if self.alpha >= threshold:
            raise InputError(
                f"alpha = {self.alpha:g} is not allowed with rule = {self.rule}: with flip = {self.flip:.9g} the "
                f"version space is empty from {threshold:.6g} on"
            )

    @property
    def examples(self) -> int:
        """Number of training examples."""
        return max(1, round(self.alpha * self.dimension))

    def lacks(self, answer: str) -> str | None:
        """Return why this problem has no such answer: no reduction is known."""
        if answer == "reduced" and self.rule not in REDUCED:
            return (
                f"perceptron has no reduced answer for rule = {self.rule}: the student depends on the scalar products "
                "of all examples, not on a few of their sums"
            )
        return super().lacks(answer)

    def obstacle(self, answer: str) -> str | None:
        """Return what does not fit into memory."""
        if answer == "direct":
            P, N = float(self.examples), float(self.dimension)
            sampled = P * P + 2.0 * self.sweeps * N if self.rule in SAMPLED else 0.0
            if short := shortage(8.0 * (3.0 * P * N + sampled), f"a training set of {P:g} x {N:g}"):
                return f"perceptron has no direct answer here: {short}: lower dimension"
        if answer == "reduced" and (short := shortage(48.0 * self.examples, f"{self.examples:g} fields")):
            return f"perceptron has no reduced answer here: {short}: lower dimension"
        return super().obstacle(answer)

    def remark(self) -> str | None:
        """Return that theory is asked for an approximation, or that replica symmetry is broken."""
        if self.method != "quenched":
            return "annealed and high_temperature are approximations of theory: direct need not agree with them"
        replicon = self.state().replicon
        if replicon is None or replicon <= 1.0:
            return None
        return f"replica symmetry is broken here (replicon {replicon:.3g} > 1): theory is an approximation"

    def line_points(self) -> int:
        """Return at how many values of a parameter a picture computes theory."""
        return 400 if self.rule in REDUCED else 100

    def state(self) -> "State":
        """Return the solution of theory's equations, with its residual, its iterations and its branch."""
        return _state(self.rule, self.method, self.alpha, self.temperature, self.flip, self.samples)

    def theory_curve(self) -> Curve:
        """Return the prediction: closed forms for Hebb and the pseudo-inverse, else a saddle point."""
        from tsmech.theory.stabilities import disagreement

        state = self.state()
        error = float(disagreement(state.R, state.distance))
        found = {
            "generalization_error": error,
            "train_error": state.train_error,
            "test_error": error * (1.0 - 2.0 * self.flip) + self.flip,
            "R": state.R,
            "q": state.q,
            "stability": state.stability,
            "free_energy": state.free_energy,
            "entropy": state.entropy,
            "replicon": state.replicon,
        }
        return self._curve({name: value for name, value in found.items() if value is not None})

    def reduced_curve(self, rng: np.random.Generator) -> Curve:
        """Return one draw of the sufficient statistics of Hebb's rule or of the pseudo-inverse."""
        from tsmech.sims.perceptron import draw_reduced

        return self._curve(draw_reduced(self.rule, self.examples, self.flip, self.dimension, rng))

    def direct_curve(self, rng: np.random.Generator) -> Curve:
        """Return what the rule makes of one training set, every example of which is drawn."""
        from tsmech.sims.perceptron import draw_direct, sample_gibbs

        if self.rule not in SAMPLED:
            return self._curve(draw_direct(self.rule, self.examples, self.flip, self.dimension, rng))
        temperature = self.temperature if self.rule == "gibbs" else self._posterior_temperature()
        ensemble = sample_gibbs(self.examples, self.flip, temperature, self.dimension, self.sweeps, rng)
        if self.rule == "gibbs":
            return self._curve(ensemble.observe(self.flip))
        if self.samples is None:
            return self._curve(ensemble.observe_centre(self.flip))
        return self._curve(ensemble.observe_means(self.samples, self.flip))

    def _curve(self, found: Mapping[str, float]) -> Curve:
        return Curve.point({**found, "scaled_error": self.alpha * found["generalization_error"]})

    def _posterior_temperature(self) -> float:
        """Return the temperature at which a wrong label has the weight f/(1 - f) of a right one."""
        return 0.0 if self.flip == 0.0 else 1.0 / np.log((1.0 - self.flip) / self.flip)


def refuse_uninformative(flip: float) -> None:
    """Refuse labels that say nothing of the teacher."""
    if flip >= 0.5:
        raise InputError(f"flip = {flip:g} is not allowed: it must be below 0.5, where labels say nothing")


@functools.lru_cache(maxsize=1024)
def _state(rule: str, method: str, alpha: float, temperature: float, flip: float, samples: int | None) -> "State":
    from tsmech.theory import perceptron as theory

    if rule == "hebb":
        return theory.hebb(alpha, flip)
    if rule == "pseudo_inverse":
        return theory.pseudo_inverse(alpha, flip)
    if rule == "max_stability":
        return theory.maximum_stability(alpha, flip)
    if rule == "bayes":
        return theory.bayes(alpha, flip, samples)
    solve = {"quenched": theory.quenched, "annealed": theory.annealed, "high_temperature": theory.high_temperature}
    return solve[method](alpha, temperature, flip)
