"""A two-layer student trained for many epochs on a fixed noisy training set: memorisation and overtraining."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.problem.answers import USUAL, Answer, prediction
from tsmech.problem.curve import Curve
from tsmech.problem.observables import Coordinate, Observable
from tsmech.problem.parameters import parameter
from tsmech.problem.references import ADVANI_SAXE, Reference
from tsmech.problem.reports import Reports, remark_on_batch, times_of_steps
from tsmech.problem.stopping import SUMMARY, EarlyStopping, first_below, summary
from tsmech.problem.system import Convergence
from tsmech.problem.two_layer import GOLDT, OBSERVABLES, TwoLayerNetwork

if TYPE_CHECKING:
    from tsmech.sims.sample_reuse import Training

ORDERS = ("without", "with", "full", "sampled")
LARGE_STEPS = ("full", "sampled")
"""Orders of which a step is worth N."""
LINEAR: dict[str, Any] = {"student_units": 1, "teacher_units": 1, "activation": "linear"}
START: dict[str, Any] = {"initial": {"Q": [[0.5]], "R": [[0.3]]}, "noise": 0.5}
TWO_UNITS: dict[str, Any] = {"initial": {"Q": [[0.35, 0.08], [0.08, 0.21]], "R": [[0.3, 0.1], [0, 0.2]]}, "noise": 0.4}
BOTH_LAYERS: dict[str, Any] = {"activation": "relu", "second_layer_rate": 0.2, "weight_decay": 0.05}


def until(end: float) -> dict[str, Any]:
    """Return parameters of reports after the first epoch and at the end."""
    return {"samples": (1.0, end), "duration": end}


@dataclass(frozen=True, kw_only=True)
class SampleReuse(TwoLayerNetwork, Reports):
    r"""Training of a two-layer student on P = alpha N stored examples of a two-layer teacher, in epochs.

    The network and its steps are those of ``online_sgd``,

    .. math::
        w_k \leftarrow w_k - \frac{\eta}{\sqrt N} \langle v_k\, g'(\lambda_k)\, \Delta\, x \rangle
            - \frac{\kappa}{N} w_k, \qquad
        v_k \leftarrow v_k - \frac{\eta_v}{N} \langle g(\lambda_k)\, \Delta \rangle - \frac{\kappa}{N} v_k ,

    averaged over a mini-batch of the stored examples, which keep their label noise.  With ``order`` = full a step
    averages over all of them, with ``order`` = sampled over a share ``batch_share`` that is drawn anew; it is worth N
    steps: η, η_v and κ are N times as large.  The derivation is in ``theory/sample_reuse.md``.

    Notes
    -----
    For full and sampled batches theory is dynamical mean-field theory, exact for N → ∞ for any student and at any rate;
    it is solved by sampling, and carries its own standard error.  ``reduced`` reveals the inputs only along the
    directions that training asks for, with the network's own law at every N.

    For SGD with and without replacement theory predicts a linear student of a linear teacher (one unit each, the first
    layer trained): exactly with replacement and in the first epoch without, which is one-pass SGD; from then on for
    small steps, and not at all above the critical learning rate.  For all other students of SGD it is the limit of many
    examples, alpha → ∞ at a given number alpha · epoch of examples seen: one-pass SGD.  That is an envelope and no
    prediction at finite alpha, but for the test error of the first epoch without replacement.  :meth:`remark` says what
    the theory of a problem leaves out.
    """

    name = "sample_reuse"
    title = "A two-layer student that learns from the same noisy examples again and again"
    coordinates: ClassVar = {"epoch": Coordinate("k", "epochs: passes over the training set")}
    observables: ClassVar = {
        "test_error": OBSERVABLES["test_error"],
        "train_error": Observable("ε_train", "training error"),
        **OBSERVABLES,
        **SUMMARY,
    }
    answers: ClassVar[Mapping[str, Answer]] = {**USUAL, "theory": prediction(0, random=True)}
    stated = ("student_units", "teacher_units", "learning_rate", "order")
    checks = (
        {**LINEAR, **START, "alpha": 2.0, "order": "full", "samples": (2.0, 8.0, 40.0), "duration": 40.0},
        {**TWO_UNITS, "alpha": 1.5, "order": "full", "samples": (1.0, 4.0, 12.0), "duration": 12.0},
        {**TWO_UNITS, **BOTH_LAYERS, "alpha": 0.7, "order": "sampled", "batch_share": 0.5, **until(5.0)},
        {**LINEAR, **START, "alpha": 0.5, "order": "with", "weight_decay": 0.05, **until(6.0)},
        {**LINEAR, **START, "alpha": 2.0, "order": "with", "learning_rate": 0.9, **until(6.0)},
    )
    references = (
        ADVANI_SAXE,
        GOLDT,
        Reference(
            "C. Paquette, K. Lee, F. Pedregosa, E. Paquette",
            2021,
            "SGD in the large: average-case analysis, asymptotics, and stepsize criticality",
            "COLT 2021",
            arxiv="2102.04396",
        ),
        Reference(
            "Y. M. Lu",
            2021,
            "Householder dice: a matrix-free algorithm for simulating dynamics on Gaussian and random orthogonal "
            "ensembles",
            "IEEE Trans. Inf. Theory 67, 8264",
            arxiv="2101.07464",
        ),
        Reference(
            "M. Celentano, C. Cheng, A. Montanari",
            2021,
            "The high-dimensional asymptotics of first order methods with random data",
            "",
            arxiv="2112.07572",
        ),
        Reference(
            "C. Gerbelot, E. Troiani, F. Mignacco, F. Krzakala, L. Zdeborová",
            2022,
            "Rigorous dynamical mean field theory for stochastic gradient descent methods",
            "",
            arxiv="2210.06591",
        ),
    )
    convergence = Convergence("dimension", (60, 120, 240, 480))

    alpha: float = parameter(
        "α",
        "training examples per input dimension, P/N",
        minimum=0,
        exclusive=True,
        scale="logarithmic",
        range=(0.1, 100.0),
    )
    order: str = parameter(
        "order",
        "how examples are taken: without replacement, a new permutation every epoch; with replacement; full, all in "
        "one step an epoch, which is worth N steps; or sampled, a share of them drawn anew for each such step",
        default="without",
        choices=ORDERS,
    )
    batch_share: float = parameter(
        "b",
        "sampled: share of the examples in a step, rounded up",
        default=1.0,
        minimum=0,
        maximum=1,
        range=(0.05, 1.0),
    )
    duration: float = parameter(
        "k_end",
        "training time in epochs",
        default=100.0,
        minimum=0,
        exclusive=True,
        scale="logarithmic",
        range=(1.0, 10_000.0),
    )

    def __post_init__(self) -> None:
        """Check each parameter, and that they fit together."""
        super().__post_init__()
        if self.large_steps and self.batch != 1:
            raise InputError(
                f"batch = {self.batch} is not allowed with order = {self.order}, whose steps take all examples or the "
                "share batch_share of them: leave it 1"
            )
        if self.batch_share == 0.0:
            raise InputError("batch_share = 0 is not allowed: it must be above 0")
        if self.batch_share != 1.0 and self.order != "sampled":
            raise InputError(
                f"batch_share = {self.batch_share:g} has no effect with order = {self.order}: it is of sampled"
            )
        if self.batch > self.examples:
            raise InputError(f"batch = {self.batch} is not allowed: the training set has {self.examples} examples")
        self.times()

    @property
    def examples(self) -> int:
        """The number of training examples P."""
        return max(1, round(self.alpha * self.dimension))

    @property
    def linear(self) -> bool:
        """Whether this is a linear student of a linear teacher, one unit each, of which the first layer is trained."""
        sizes = self.student_units == self.teacher_units == 1 and self.second_layer_rate == 0
        units = self.activation == "linear" and self.student_activation in ("linear", None)
        return sizes and units and bool(self.start()[3][0] != 0)

    def times(self) -> NDArray[np.float64]:
        """Return the times of the report, in epochs: those at which a step ends, of all examples or of a batch."""
        return times_of_steps(super().times(), self.examples_a_step, self.examples)

    @property
    def large_steps(self) -> bool:
        """Whether a step is worth N: of all examples, or of a share of them."""
        return self.order in LARGE_STEPS

    @property
    def examples_a_step(self) -> int:
        """The number of examples in a step."""
        if not self.large_steps:
            return self.batch
        from tsmech.kernels.steps import examples_of

        return examples_of(self.batch_share, self.examples)

    @property
    def single(self) -> bool:
        """Whether no example comes twice: the first epoch without replacement."""
        return self.order == "without" and bool(self.times()[-1] <= 1.0)

    def simulation_steps(self) -> float:
        """Return the number of steps of a simulation, one for each example that it takes."""
        return self.duration * self.examples / self.batch

    def lacks(self, answer: str) -> str | None:
        """Return why this problem has no such answer: no reduction is known, or too many steps for theory."""
        if answer == "reduced" and not self.large_steps:
            return (
                f"sample_reuse has no reduced answer with order = {self.order}: a student that meets its examples "
                "one by one again depends on each of them (full and sampled have one)"
            )
        if answer == "theory" and self.mean_field:
            from tsmech.theory.sample_reuse import too_long

            if reason := too_long(self.student_units, self.steps):
                return f"sample_reuse has no theory answer here: {reason}"
        return super().lacks(answer)

    def obstacle(self, answer: str) -> str | None:
        """Return what does not fit into memory."""
        if answer == "theory" and self.mean_field:
            from tsmech.theory.sample_reuse import paths_too_large

            reason = paths_too_large(self.student_units, self.steps, self.batch_share)
        elif answer == "reduced":
            from tsmech.sims.sample_reuse import too_many_directions

            units = self.student_units, self.teacher_units
            reason = too_many_directions(self.examples, self.dimension, *units, self.steps)
        elif answer == "direct":
            from tsmech.sims.two_layer.room import too_large

            reason = too_large(self.examples, self.dimension)
        else:
            reason = None
        return f"sample_reuse has no {answer} answer here: {reason}" if reason else super().obstacle(answer)

    @property
    def steps(self) -> int:
        """The number of large steps up to the last report."""
        return round(float(self.times()[-1]) * self.examples / self.examples_a_step)

    @property
    def mean_field(self) -> bool:
        """Whether theory is dynamical mean-field theory: of large steps, but for full ones of a linear unit."""
        return self.large_steps and not (self.linear and self.order == "full")

    def remark(self) -> str | None:
        """Return what the theory leaves out, and why there is no simulation where there is none."""
        remarks = [self.obstacle("direct"), None if self.large_steps else self._left_out()]
        if not self.large_steps:
            remarks.append(remark_on_batch(self.batch, self.dimension))
        return "; ".join(filter(None, remarks)) or None

    def _left_out(self) -> str | None:
        if not self.linear and self.single:
            return "theory is one-pass SGD: exact in the first epoch, but for the training error"
        if not self.linear:
            but = ", but for the test error of the first epoch" if self.order == "without" else ""
            return f"theory is the limit alpha → ∞, one-pass SGD: an envelope, no prediction at finite alpha{but}"
        if self.order != "without" or self.single:
            return None
        from tsmech.theory.sample_reuse import unstable

        rate, decay = self._rates(float(self.start()[3][0]))
        if unstable(self.alpha, rate, decay):
            return f"SGD is unstable at learning_rate = {self.learning_rate:g}: theory ends with the first epoch"
        return (
            "theory is exact in the first epoch and then the limit of small steps, gradient flow: it leaves out the "
            f"noise of SGD, a share of order learning_rate/batch = {rate / self.alpha:.3g} of the errors"
        )

    def answer_label(self, answer: str) -> str:
        """Return what a picture calls an answer: theory is an envelope, or the limit of small steps."""
        if answer != "theory" or self.large_steps:
            return super().answer_label(answer)
        if not self.linear:
            return "theory for α → ∞ (envelope)"
        return "theory for small steps" if self.order == "without" and not self.single else "theory"

    def line_points(self) -> int:
        """Return at how many values of a parameter a picture computes theory: at none where that takes long."""
        return 120 if self.linear and self.order != "with" else 0

    def theory_curve(self, rng: np.random.Generator) -> Curve:
        """Return the prediction of mean-field theory or for a linear unit, or the envelope for all others."""
        if self.mean_field:
            return self._mean_field_curve(rng)
        return self._linear_curve() if self.linear else self._envelope()

    def _mean_field_curve(self, rng: np.random.Generator) -> Curve:
        from tsmech.theory.sample_reuse import mean_field

        Q, R, T, v, A = self.start()
        steps = np.rint(self.times() * self.examples / self.examples_a_step).astype(np.int64)
        found = mean_field(
            Q, R, T, *self.scaled_layers(v, A), self.rule(), steps, alpha=self.alpha, share=self.batch_share, rng=rng
        )
        each_set = zip(found.Q, found.R, found.v, found.train_error, found.generalization_error, strict=True)
        sets = [self._curve(Q, R, T, v, A, train, None, error) for Q, R, v, train, error in each_set]
        stacked = {name: np.array([each.observables[name] for each in sets]) for name in sets[0].observables}
        means = {name: values.mean(axis=0) for name, values in stacked.items()}
        errors = {name: values.std(axis=0, ddof=1) / np.sqrt(len(sets)) for name, values in stacked.items()}
        ended = None if found.diverged_at is None else found.diverged_at * self.examples_a_step / self.examples
        times = self.times()[: len(means["test_error"])]
        best = summary(times, means["test_error"])
        curve = Curve.along("epoch", times, means, summaries=best, diverged_at=ended)
        return replace(curve, errors=errors)

    def _linear_curve(self) -> Curve:
        from tsmech.kernels.divergence import bound
        from tsmech.theory.sample_reuse import linear_unit, without_replacement

        Q, R, T, v, A = self.start()
        length, unit = float(np.sqrt(T[0, 0])), float(v[0])
        rate, decay = self._rates(unit)
        given = {
            "Q": unit**2 * float(Q[0, 0]),
            "R": unit * float(R[0, 0]) / length if length > 0 else 0.0,
            "teacher": float(A[0]) * length,
            "rate": rate,
            "decay": decay,
            "bound": unit**2 * bound(Q, T, v, A),
        }
        problem = self.times(), self.alpha, self.noise
        if self.order == "without":
            found = without_replacement(*problem, **given)
        else:
            full = self.order == "full"
            fluctuation = 0.0 if full else rate**2 / self.alpha
            found = linear_unit(*problem, **given, discrete=full, fluctuation=fluctuation)
        Q, R = (values[:, None, None] for values in (found.Q / unit**2, found.R * length / unit))
        second = np.broadcast_to(v, (len(Q), 1))
        return self._curve(Q, R, T, second, A, found.train_error, found.diverged_at, found.generalization_error)

    def _rates(self, unit: float) -> tuple[float, float]:
        """Return at what rates an epoch learns a linear unit's mode of eigenvalue 1, and forgets it (eq. 7)."""
        share = 1.0 if self.order == "full" else self.alpha / self.batch
        return share * self.learning_rate * unit**2, share * self.weight_decay

    def _envelope(self) -> Curve:
        from tsmech.theory.online_sgd import integrate

        Q, R, T, v, A = self.start()
        found = integrate(Q, R, T, *self.scaled_layers(v, A), self.rule(), self.alpha * self.times())
        ended = None if found.diverged_at is None else found.diverged_at / self.alpha
        error = found.generalization_error
        return self._curve(found.Q, found.R, T, found.v, A, error + self.noise**2 / 2, ended, error)

    def direct_curve(self, rng: np.random.Generator) -> Curve:
        """Return one training of the network on one training set, from weights that have the start's overlaps."""
        from tsmech.sims.sample_reuse import train
        from tsmech.sims.two_layer.starts import embed

        Q, R, T, v, A = self.start()
        inputs, noise, order, frame = rng.spawn(4)
        W, B = embed(Q, R, T, self.dimension, frame)
        found = train(
            W, B, *self.scaled_layers(v, A), self.rule(), self.times(),
            examples=self.examples, order=self.order, share=self.batch_share,
            rng=inputs, noise_rng=noise, order_rng=order,
        )  # fmt: skip
        return self._simulated(found)

    def reduced_curve(self, rng: np.random.Generator) -> Curve:
        """Return one training in large steps, with inputs that are revealed as training asks for them."""
        from tsmech.sims.sample_reuse import run_reduced

        Q, R, T, v, A = self.start()
        inputs, noise, order = rng.spawn(3)
        found = run_reduced(
            Q, R, T, *self.scaled_layers(v, A), self.rule(), self.times(),
            examples=self.examples, dimension=self.dimension, order=self.order, share=self.batch_share,
            rng=inputs, noise_rng=noise, order_rng=order,
        )  # fmt: skip
        return self._simulated(found)

    def _simulated(self, found: "Training") -> Curve:
        _, _, T, _, A = self.start()
        network = found.network
        return self._curve(network.Q, network.R, T, network.v, A, found.train_error, found.diverged_at)

    def optimal_stopping(self) -> EarlyStopping:
        """Return the best time to stop by theory, in epochs, the test error there and the test error in the end.

        Of the times reported the best, and between it and its neighbours the least of a parabola.
        """
        curve = self.curve("theory")
        found = summary(self.times()[: curve.rows], curve.observables["test_error"], smooth=True)
        time, error, final = (float(found[name]) for name in SUMMARY)
        return EarlyStopping(time, error, final)

    def interpolation_time(self, level: float) -> float:
        """Return the first time by theory, in epochs, at which the training error is at most a level; else infinity.

        Between the times reported its logarithm is taken as linear.
        """
        curve = self.curve("theory")
        return first_below(self.times()[: curve.rows], curve.observables["train_error"], level)

    def _curve(
        self,
        Q: NDArray[np.float64],
        R: NDArray[np.float64],
        T: NDArray[np.float64],
        v: NDArray[np.float64],
        A: NDArray[np.float64],
        train_error: NDArray[np.float64],
        diverged_at: float | None,
        error: NDArray[np.float64] | None = None,
    ) -> Curve:
        times = self.times()[: len(Q)]
        observables = {"train_error": train_error, **self.observe(Q, R, T, v, A, error)}
        ordered = {name: observables[name] for name in self.observables if name in observables}
        best = summary(times, observables["test_error"])
        return Curve.along("epoch", times, ordered, summaries=best, diverged_at=diverged_at)
