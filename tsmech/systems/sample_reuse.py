"""A two-layer student trained for many epochs on a fixed noisy training set: memorisation and overtraining."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.problem.curve import Curve
from tsmech.problem.observables import Coordinate, Observable
from tsmech.problem.parameters import parameter
from tsmech.problem.references import ADVANI_SAXE, Reference
from tsmech.problem.reports import Reports, remark_on_batch, times_of_steps
from tsmech.problem.stopping import SUMMARY, summary
from tsmech.problem.system import Convergence
from tsmech.problem.two_layer import GOLDT, OBSERVABLES, TwoLayerNetwork

ORDERS = ("without", "with", "full")
LINEAR: dict[str, Any] = {"student_units": 1, "teacher_units": 1, "activation": "linear"}
START: dict[str, Any] = {"initial": {"Q": [[0.5]], "R": [[0.3]]}, "noise": 0.5}


@dataclass(frozen=True, kw_only=True)
class SampleReuse(TwoLayerNetwork, Reports):
    r"""Training of a two-layer student on P = alpha N stored examples of a two-layer teacher, in epochs.

    The network and its steps are those of ``online_sgd``,

    .. math::
        w_k \leftarrow w_k - \frac{\eta}{\sqrt N} \langle v_k\, g'(\lambda_k)\, \Delta\, x \rangle
            - \frac{\kappa}{N} w_k, \qquad
        v_k \leftarrow v_k - \frac{\eta_v}{N} \langle g(\lambda_k)\, \Delta \rangle - \frac{\kappa}{N} v_k ,

    averaged over a mini-batch of the stored examples, which keep their label noise.  With ``order`` = full a step
    averages over all of them and is worth N steps: η, η_v and κ are N times as large.  The derivation is in
    ``theory/sample_reuse.md``.

    Notes
    -----
    Theory predicts a linear student of a linear teacher (one unit each, the first layer trained): exactly for full
    batches, for SGD with replacement and in the first epoch without, which is one-pass SGD; from then on for small
    steps, and not at all above the critical learning rate.  For all others it is the limit of many examples, alpha → ∞
    at a given number alpha · epoch of examples seen: one-pass SGD, or for full batches gradient flow on the
    generalization error.  That is an envelope and no prediction at finite alpha, but for the test error of the first
    epoch without replacement.  :meth:`remark` says what the theory of a problem leaves out.
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
    stated = ("student_units", "teacher_units", "learning_rate", "order")
    checks = (
        {**LINEAR, **START, "alpha": 2.0, "order": "full", "samples": (2.0, 8.0, 40.0), "duration": 40.0},
        {
            **LINEAR,
            **START,
            "alpha": 0.5,
            "order": "with",
            "weight_decay": 0.05,
            "samples": (1.0, 6.0),
            "duration": 6.0,
        },
        {
            **LINEAR,
            **START,
            "alpha": 2.0,
            "order": "with",
            "learning_rate": 0.9,
            "samples": (1.0, 6.0),
            "duration": 6.0,
        },
    )
    references = (
        ADVANI_SAXE,
        GOLDT,
        Reference(
            "C. Paquette, K. Lee, F. Pedregosa, E. Paquette",
            2021,
            "SGD in the large: average-case analysis, asymptotics, and stepsize criticality",
            "",
            arxiv="2102.04396",
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
        "how examples are taken: without replacement, a new permutation every epoch; with replacement; or full, "
        "all in one step an epoch, which is worth N steps",
        default="without",
        choices=ORDERS,
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
        if self.order == "full" and self.batch != 1:
            raise InputError(
                f"batch = {self.batch} is not allowed with order = full, which takes all examples in a step: leave it 1"
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
        batch, examples = (1, 1) if self.order == "full" else (self.batch, self.examples)
        return times_of_steps(super().times(), batch, examples)

    @property
    def single(self) -> bool:
        """Whether no example comes twice: the first epoch without replacement."""
        return self.order == "without" and bool(self.times()[-1] <= 1.0)

    def simulation_steps(self) -> float:
        """Return the number of steps of a simulation, those for each example where all make one."""
        return self.duration * self.examples / self.batch

    def lacks(self, answer: str) -> str | None:
        """Return why this problem has no such answer: no reduction is known, or the training set is too large."""
        if answer == "reduced":
            return (
                "sample_reuse has no reduced answer: a student that meets its examples again depends on every one of "
                "them, not on its overlaps alone"
            )
        if answer == "direct":
            from tsmech.sims.sample_reuse import too_large

            reason = too_large(self.examples, self.dimension)
            return f"sample_reuse has no direct answer here: {reason}" if reason else None
        return super().lacks(answer)

    def remark(self) -> str | None:
        """Return what the theory leaves out, and why there is no simulation where there is none."""
        remarks = [self.lacks("direct"), self._left_out()]
        if self.order != "full":
            remarks.append(remark_on_batch(self.batch, self.dimension))
        return "; ".join(filter(None, remarks)) or None

    def _left_out(self) -> str | None:
        if not self.linear and self.single:
            return "theory is one-pass SGD: exact in the first epoch, but for the training error"
        if not self.linear:
            limit = "gradient flow on the generalization error" if self.order == "full" else "one-pass SGD"
            but = ", but for the test error of the first epoch" if self.order == "without" else ""
            return f"theory is the limit alpha → ∞, {limit}: an envelope, no prediction at finite alpha{but}"
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
        if answer != "theory":
            return super().answer_label(answer)
        if not self.linear:
            return "theory for α → ∞ (envelope)"
        return "theory for small steps" if self.order == "without" and not self.single else "theory"

    def line_points(self) -> int:
        """Return at how many values of a parameter a picture computes theory: at none where that takes long."""
        return 120 if self.linear and self.order != "with" else 0

    def theory_curve(self) -> Curve:
        """Return the prediction for a linear unit, or the envelope for all others."""
        return self._linear_curve() if self.linear else self._envelope()

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
        from tsmech.theory.sample_reuse import population_flow

        Q, R, T, v, A = self.start()
        start = Q, R, T, *self.scaled_layers(v, A)
        if self.order == "full":
            found = population_flow(*start, self.rule(), self.times())
            ended = found.diverged_at
        else:
            found = integrate(*start, self.rule(), self.alpha * self.times())
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
            examples=self.examples, order=self.order, rng=inputs, noise_rng=noise, order_rng=order,
        )  # fmt: skip
        network = found.network
        return self._curve(network.Q, network.R, T, network.v, A, found.train_error, found.diverged_at)

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
