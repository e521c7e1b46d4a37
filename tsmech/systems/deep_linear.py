"""Deep linear networks: the modes of a teacher are learnt one after another."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.machine.memory import shortage
from tsmech.problem.curve import Curve
from tsmech.problem.deep_network import LEARNING, STRENGTHS, DeepNetwork
from tsmech.problem.linear_teacher import LinearTeacher
from tsmech.problem.observables import Observable
from tsmech.problem.parameters import parameter
from tsmech.problem.references import SAXE_DEEP, SAXE_SEMANTIC, Reference
from tsmech.problem.stopping import SUMMARY, summary
from tsmech.problem.system import Convergence

if TYPE_CHECKING:
    from tsmech.sims.deep_linear import Record, Start
    from tsmech.sims.deep_network import FirstWeights, Teacher
    from tsmech.theory.deep_linear import Overtraining

Array = NDArray[np.float64]

CURVED = 0.05
"""Curvature that counts as negative, as a share of the weakest mode's: the directions that are flat lie above it."""
MOST_CURVED = 2000
"""Most weights of which the Hessian's eigenvalues are computed."""
MOST_COLUMNS = 10_000
"""Most weights that are reported one by one."""


@dataclass(frozen=True, kw_only=True)
class DeepLinear(LinearTeacher, DeepNetwork):
    r"""A deep linear network that learns a linear teacher's input-output correlations, with whitened inputs.

    The loss of a network of D layers is summed over the outputs, and training is gradient flow, or descent by steps,

    .. math::
        E = \tfrac12 |W_D \cdots W_1 - \Sigma^{yx}|^2, \qquad \frac{dW_l}{dt} = -\frac{\partial E}{\partial W_l} ,

    so that time is in units of the inverse learning rate τ.  Modes of Σ^yx are learnt one after another in deep
    networks, at once in shallow ones.  The derivation is in ``theory/deep_linear.md``.

    Notes
    -----
    With ``alpha`` and ``noise`` the correlations are those of P = alpha N whitened examples with noisy labels, drawn
    for each network; theory is then that of N → ∞.  ``strengths`` are measured along the teacher's own modes.
    ``reduced`` follows the modes alone, which start aligned with ``initial`` balanced or unbalanced; the network of
    ``direct`` has its modes in random directions.  ``saddle_index`` is the number of negative curvatures at the saddle
    whose learnt modes the network has (more than half); with ``hessian`` that of the network itself, measured.
    ``learning_time`` of simulations, and of theory with noise, is interpolated between the times reported, NaN where
    these begin later; ``training_steps`` is that of the slowest mode in units of
    the largest stable step, and ``total_steps`` counts the pretraining too.

    Examples
    --------
    >>> import tsmech
    >>> student = tsmech.DeepLinear(teacher_strengths=[4, 1], initial_strengths=0.01)
    >>> student.half_times().round(3).tolist()
    [0.749, 2.298]
    """

    name = "deep_linear"
    title = "A deep linear network that learns its teacher mode by mode"
    observables: ClassVar = {
        "strengths": STRENGTHS,
        "train_error": Observable("ε_train", "training error"),
        "generalization_error": Observable("ε_g", "generalization error"),
        "test_error": Observable("ε_test", "test error"),
        "gradient_norm": Observable("|∇E|", "length of the gradient"),
        "saddle_index": Observable("k", "index of the saddle"),
        "weights": Observable("W", "weight", axes=("weight",)),
        **LEARNING,
        **SUMMARY,
    }
    references = (
        SAXE_DEEP,
        Reference("K. Fukumizu", 1998, "Effect of batch learning in multilayer neural networks", "ICONIP 1998, 67"),
        Reference(
            "Y. Dauphin, R. Pascanu, C. Gulcehre, K. Cho, S. Ganguli, Y. Bengio",
            2014,
            "Identifying and attacking the saddle point problem in high-dimensional non-convex optimization",
            "NeurIPS 2014",
            arxiv="1406.2572",
        ),
        SAXE_SEMANTIC,
        Reference(
            "A. K. Lampinen, S. Ganguli",
            2019,
            "An analytic theory of generalization dynamics and transfer learning in deep linear networks",
            "ICLR 2019",
            arxiv="1809.10374",
        ),
        Reference(
            "F. Benaych-Georges, R. R. Nadakuditi",
            2012,
            "The singular values and vectors of low rank perturbations of large rectangular random matrices",
            "J. Multivariate Anal. 111, 120",
            arxiv="1103.2221",
        ),
        Reference(
            "S. Arora, N. Cohen, E. Hazan",
            2018,
            "On the optimization of deep networks: implicit acceleration by overparameterization",
            "ICML 2018",
            arxiv="1802.06509",
        ),
        Reference(
            "L. Braun, C. C. J. Dominé, J. E. Fitzgerald, A. M. Saxe",
            2022,
            "Exact learning dynamics of deep linear networks with prior knowledge",
            "NeurIPS 2022",
        ),
        Reference(
            "C. C. J. Dominé, N. Anguita, A. M. Proca, L. Braun, D. Kunin, P. A. M. Mediano, A. M. Saxe",
            2024,
            "From lazy to rich: exact learning dynamics in deep linear networks",
            "",
            arxiv="2409.14623",
        ),
    )
    pictured = ("strengths", "train_error")
    stated = ("depth", "initial")
    checks = (
        {"depth": 1, "duration": 3.0, "samples": (0.5, 1.5, 3.0), "initial_strengths": (0.1,)},
        {"depth": 2, "duration": 3.0, "samples": (0.6, 1.4, 3.0), "initial_strengths": (0.01,)},
        {
            "depth": 4,
            "teacher_strengths": (1.5, 1.0, 0.6),
            "initial_strengths": (0.1,),
            "duration": 6.0,
            "samples": (1.0, 2.5, 6.0),
        },
        {
            "initial": "unbalanced",
            "layer_strengths": (0.3, 0.05),
            "width": 2,
            "duration": 3.0,
            "samples": (0.6, 1.4, 3.0),
        },
        {
            "initial": "orthogonal",
            "initial_scale": 0.4,
            "imbalance": 0.1,
            "start_seed": 1,
            "duration": 3.0,
            "samples": (0.6, 1.4, 3.0),
        },
        {
            "inputs": 16,
            "outputs": 12,
            "width": 10,
            "alpha": 2.0,
            "noise": 0.5,
            "initial_strengths": (0.01,),
            "duration": 3.0,
            "samples": (0.6, 1.4, 3.0),
        },
        {
            "depth": 3,
            "initial": "orthogonal",
            "initial_scale": 0.5,
            "start_seed": 1,
            "duration": 3.0,
            "samples": (0.6, 1.4, 3.0),
        },
    )
    convergence = Convergence("step", (0.02, 0.01, 0.005, 0.0025), power=1.0)

    hessian: bool = parameter("∇²", "direct, depth 2: measure saddle_index by the network's Hessian", default=False)
    report_weights: bool = parameter("W", "report every weight (theory: from an aligned start_seed)", default=False)

    def prepare(self) -> None:
        """Check the teacher, and what is measured."""
        super().prepare()
        if self.noisy and self.initial == "balanced" and len(self.listed("initial_strengths")) > 1:
            raise InputError("initial_strengths has several values: with noise all training modes start alike")
        if self.noisy and self.initial == "unbalanced" and len(self.listed("layer_strengths")) > 2:
            raise InputError("layer_strengths has more than 2 values: with noise all training modes start alike")
        if self.hessian and self.depth != 2:
            raise InputError(f"hessian is not allowed with depth = {self.depth}: it is of two layers")
        if self.hessian and self.weight_count > MOST_CURVED:
            raise InputError(f"hessian is not allowed with {self.weight_count} weights: at most {MOST_CURVED}")
        if self.hessian and self.nonlinearity != "linear":
            raise InputError(f"hessian is not allowed with nonlinearity = {self.nonlinearity}: use linear units")
        if self.report_weights and self.weight_count > MOST_COLUMNS:
            raise InputError(f"report_weights is not allowed with {self.weight_count} weights: at most {MOST_COLUMNS}")

    def no_prediction(self, answer: str) -> str | None:
        """Return why gradient flow of this start is not known, or None."""
        return self._no_noisy_theory() if self.noisy else self.no_exact_theory()

    def too_large(self, answer: str) -> str | None:
        """Return what does not fit into memory: the network, its solution, or a report of all weights."""
        reason = None
        if answer == "theory" and not self.noisy:
            reason = self.exact_theory_too_large()
        elif answer == "direct":
            reason = self.network_too_large(self.examples)
        if reason is None and self.report_weights:
            reason = shortage(8.0 * 3 * len(self.times()) * self.weight_count, "the report of all weights")
        return reason

    def _no_noisy_theory(self) -> str | None:
        if self.curved or self.initial != "balanced":
            return "with noise it is of linear units and a balanced start"
        if self.depth > 1 and self.width < min(self.sizes()):
            return f"with noise it needs a width of all training modes, {min(self.sizes())}"
        return None

    def remark(self) -> str | None:
        """Return what theory leaves out."""
        known = self.noisy and not self.lacks("theory")
        noisy = ["theory is of many inputs and outputs, up to terms of order 1/inputs"] if known else []
        return "; ".join([*self.remarks(), *noisy]) or None

    def overtraining(self) -> "Overtraining":
        """Return by theory when to stop training each mode of a noisy teacher, and what going on costs."""
        from tsmech.theory.deep_linear import overtraining

        if not self.noisy or self.initial != "balanced":
            raise InputError("overtraining needs alpha, noise and a balanced start")
        return overtraining(self.mode_strengths(), self.noisy_sizes(), self.listed("initial_strengths")[0], self.depth)

    def start(self, rng: np.random.Generator) -> "Start":
        """Return the teacher, its training correlations and the first weights of one network."""
        from tsmech.sims import deep_linear as sims
        from tsmech.sims.deep_network import teacher_of

        examples = rng.spawn(1)[0]
        shared = rng if self.start_seed is None else np.random.default_rng(self.start_seed)
        directions, weights = shared.spawn(2)
        teacher = self.draw_teacher(directions)
        if not self.noisy:
            training = sims.Training(teacher.correlations, self.residual())
            return sims.Start(teacher, training, self.first_weights(teacher, weights))
        training = sims.show_examples(teacher, self.examples, self.noise, examples)
        return sims.Start(teacher, training, self.first_weights(teacher_of(training.correlations), weights))

    def drawn(self, rng: np.random.Generator) -> "tuple[Teacher, FirstWeights]":
        """Return the modes of the training correlations and the first weights of one network."""
        from tsmech.sims.deep_network import teacher_of

        teacher, training, weights = self.start(rng)
        return teacher_of(training.correlations) if self.noisy else teacher, weights

    def theory_curve(self) -> Curve:
        """Return the prediction for gradient flow."""
        from tsmech.sims.deep_linear import Record

        times = self.times()
        if self.noisy:
            return self._noisy_theory(times)
        start = self.known_start()
        first = None if start is None else start[1]
        found = self.exact_theory(start)
        weights = None
        if self.report_weights and found.layers is not None and first is not None and first.along is not None:
            from tsmech.theory.deep_network import aligned_weights

            weights = aligned_weights(first.along, found.layers)
        # how long layers are pretrained depends on the draw
        unknown = math.nan if self.initial == "pretrained" else 0.0
        pretraining = unknown if first is None else first.pretraining
        residual = self.residual() / 2
        record = Record(found.strengths, found.error, found.error + residual, found.gradient_norm, weights=weights)
        return self._curve(record, half=found.half, pretraining=pretraining)

    def _noisy_theory(self, times: Array) -> Curve:
        from tsmech.sims.deep_linear import Record
        from tsmech.theory.deep_linear import noisy_curve

        s, sizes = self.mode_strengths(), self.noisy_sizes()
        found = noisy_curve(times, s, sizes, self.listed("initial_strengths")[0], self.depth)
        error = 0.5 * (found.squared - 2.0 * found.strengths @ s + float(s @ s))
        residual = self.residual() * (1.0 - sizes.inputs / sizes.examples)
        return self._curve(Record(found.strengths, error, 0.5 * (found.missing + residual)))

    def reduced_curve(self, rng: np.random.Generator) -> Curve:
        """Return the modes of one network, each by itself, which the network of ``direct`` has too."""
        from tsmech.sims import deep_linear as sims
        from tsmech.sims.deep_network import teacher_of

        times, s = self.times(), self.mode_strengths()
        if not self.noisy:
            found = sims.run_modes(self.layers(s)[:, : self.rank], s, self.residual(), times, self.step)
            return self._curve(found)
        directions, examples = rng.spawn(2)
        teacher = self.draw_teacher(directions)
        training = sims.draw_correlations(teacher, self.examples, self.noise, examples)
        x = teacher_of(training.correlations).strengths
        layers = self.layers(x)[:, : self.passed(x.size)]
        return self._curve(sims.run_noisy_modes(layers, teacher, training, times, self.step))

    def direct_curve(self, rng: np.random.Generator) -> Curve:
        """Return one training of the whole network."""
        from tsmech.sims.deep_linear import train

        start = self.start(rng)
        found = train(
            start,
            self.times(),
            self.step,
            tanh=self.nonlinearity == "tanh",
            curved=CURVED * float(self.mode_strengths().min()) if self.hessian else None,
            keep_weights=self.report_weights,
        )
        return self._curve(found, pretraining=start.weights.pretraining)

    def _curve(self, measured: "Record", *, half: Array | None = None, pretraining: float = 0.0) -> Curve:
        """Return the curve of an answer, which has diverged before the first time that it does not have."""
        every, rows = self.times(), len(measured.error)
        times = every[:rows]
        found = {
            "strengths": measured.strengths,
            "train_error": measured.train_error,
            "generalization_error": measured.error,
            "test_error": measured.error + self.residual() / 2,
        }
        if measured.gradient_norm is not None:
            found["gradient_norm"] = measured.gradient_norm
        if measured.curvatures is not None:
            found["saddle_index"] = measured.curvatures
        elif not self.noisy:
            found["saddle_index"] = self.saddle_index(measured.strengths)
        labels = {}
        if measured.weights is not None:
            found["weights"] = measured.weights
            labels["weight"] = tuple(self._weight_names())
        summaries = self.learning(times, measured.strengths, half, pretraining)
        summaries |= summary(times, found["test_error"], smooth=self.step == 0)
        ended = float(every[rows]) if rows < len(every) else None
        return replace(Curve.along("time", times, found, summaries=summaries, diverged_at=ended), labels=labels)

    def _weight_names(self) -> Iterator[str]:
        """Yield the names of all weights: layer, unit and unit below, such as 1.0.3."""
        from tsmech.sims.deep_network import shapes

        for layer, (rows, columns) in enumerate(shapes(self.depth, self.width, *self.sizes()), start=1):
            yield from (f"{layer}.{row}.{column}" for row in range(rows) for column in range(columns))
