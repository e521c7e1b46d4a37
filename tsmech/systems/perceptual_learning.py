"""Perceptual learning: a deep linear network of tuned neurons learns to tell two orientations apart."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.machine.memory import shortage
from tsmech.problem.curve import Curve
from tsmech.problem.deep_network import TIME
from tsmech.problem.observables import SHARE, Observable
from tsmech.problem.parameters import Numbers, parameter
from tsmech.problem.references import SAXE_DEEP, SAXE_NELLI_SUMMERFIELD, Reference
from tsmech.problem.reports import Reports, times_with_step
from tsmech.problem.stopping import first_above
from tsmech.problem.system import Convergence
from tsmech.problem.tuning import Discrimination, discrimination, preferred

Array = NDArray[np.float64]

STARTS = ("small_readout", "balanced", "random")
RULES = ("gradient", "hebbian")
MOST_PASSED = 100
"""Powers of ten by which hidden layers may change the strength of inputs at the start."""


@dataclass(frozen=True, kw_only=True)
class PerceptualLearning(Reports):
    r"""A deep linear network of orientation-tuned neurons that learns to discriminate two orientations.

    Inputs are noisy responses of tuned neurons to one of two orientations, ``difference`` degrees apart around 0, with
    the label +1 or -1; their mean over both is taken off.  Hidden layers start as ``initial_gain`` times the identity,
    so that hidden neurons are tuned as inputs are, and the readout starts small:

    .. math:: E = \tfrac12 \langle (y - W_D \cdots W_1 x)^2 \rangle , \qquad x = \pm d + \sigma \xi .

    The derivation is in ``theory/perceptual_learning.md``.

    Notes
    -----
    ``slope_change`` and ``response_change`` are what training adds, at the trained orientation, to the slope of each
    tuning curve and to its height, in the first hidden layer; ``neuron_change`` is the length by which a neuron's
    weights have moved; of the neuron ``watched`` both are told as numbers.  ``layer_change`` is how far the weights of
    each layer have moved, ``half_change`` when they have gone half of their way.  ``accuracy`` is the share of correct
    answers with ``decision_noise``, ``transfer`` that for pairs as far apart around other orientations, ``sensitivity``
    how much more the last hidden layer tells such pairs apart than at the start.  With ``rule`` = hebbian the hidden
    layer learns without labels, by Oja's rule, and the readout from labels.

    Examples
    --------
    The neuron that changes most prefers an orientation beside the trained one, where tuning is steep:

    >>> import tsmech
    >>> student = tsmech.PerceptualLearning(difference=10)
    >>> change = student.curve("theory").observables["slope_change"][-1]
    >>> float(abs(student.preferred()[abs(change).argmax()]))
    18.0
    """

    name = "perceptual_learning"
    title = "Perceptual learning of orientation by a deep linear network of tuned neurons"
    coordinates: ClassVar = {"time": TIME}
    observables: ClassVar = {
        "train_error": Observable("ε_train", "training error"),
        "accuracy": Observable("p", "share of correct answers", bounds=SHARE),
        "slope_change": Observable("Δf'", "change of tuning slope, a radian", axes=("neuron",)),
        "response_change": Observable("Δf", "change of response", axes=("neuron",)),
        "neuron_change": Observable("Δw", "change of a neuron's weights", axes=("neuron",)),
        "watched_slope_change": Observable("Δf'_i", "change of tuning slope, a radian"),
        "watched_change": Observable("Δw_i", "change of the neuron's weights"),
        "layer_change": Observable("ΔW", "change of a layer's weights", axes=("layer",)),
        "transfer": Observable(
            "p_test", "share of correct answers around other orientations", axes=("test",), bounds=SHARE
        ),
        "sensitivity": Observable("S", "sensitivity of hidden neurons around other orientations", axes=("test",)),
        "half_change": Observable(
            "t_½", "time of half of a layer's change", axes=("layer",), summary=True, undefined=True
        ),
    }
    references = (
        Reference(
            "L. K. Wenliang, A. R. Seitz",
            2018,
            "Deep neural networks for modeling visual perceptual learning",
            "J. Neurosci. 38, 6028",
        ),
        SAXE_NELLI_SUMMERFIELD,
        SAXE_DEEP,
        Reference("E. Oja", 1989, "Neural networks, principal components, and subspaces", "Int. J. Neural Syst. 1, 61"),
    )
    pictured = ("accuracy", "layer_change")
    stated = ("difference", "rule")
    checks = (
        {"neurons": 12, "duration": 4.0, "samples": (1.0, 2.0, 4.0)},
        {"neurons": 12, "depth": 3, "initial": "balanced", "duration": 4.0, "samples": (1.0, 2.0, 4.0)},
        {"neurons": 12, "depth": 4, "initial_gain": 0.8, "duration": 4.0, "samples": (1.0, 2.0, 4.0)},
        {"neurons": 12, "rule": "hebbian", "duration": 3.0, "samples": (1.0, 3.0)},
    )
    convergence = Convergence("step", (0.02, 0.01, 0.005, 0.0025), power=1.0)

    difference: float = parameter(
        "δθ",
        "degrees between the two orientations: coarse or fine",
        default=10.0,
        minimum=0,
        maximum=180,
        exclusive=True,
        range=(1.0, 90.0),
    )
    neurons: int = parameter(
        "N", "tuned neurons, of the inputs and of each hidden layer", default=40, minimum=2, range=(8, 200)
    )
    concentration: float = parameter(
        "κ", "sharpness of tuning, exp(κ (cos 2θ - 1))", default=2.0, minimum=0, exclusive=True, range=(0.5, 10.0)
    )
    noise: float = parameter(
        "σ", "standard deviation of a neuron's noise", default=0.5, minimum=0, maximum=1000, range=(0.0, 2.0)
    )
    decision_noise: float = parameter(
        "σ_d", "standard deviation of the noise in the decision", default=1.0, minimum=0, range=(0.0, 3.0)
    )
    depth: int = parameter(
        "D", "layers of weights, the readout among them", default=2, minimum=1, maximum=100, range=(1, 6)
    )
    rule: str = parameter(
        "rule", "how hidden layers learn: by gradient descent, or Oja's Hebbian rule", default="gradient", choices=RULES
    )
    initial: str = parameter(
        "start",
        "first readout: small_readout, along the difference of both responses; balanced, as strong as a hidden layer; "
        "or random, small in all directions (direct alone)",
        default="small_readout",
        choices=STARTS,
    )
    initial_gain: float = parameter(
        "g",
        "hidden layers at the start, times the identity",
        default=0.5,
        minimum=0,
        maximum=100,
        exclusive=True,
        range=(0.1, 1.0),
    )
    initial_readout: float = parameter(
        "r_0",
        "strength of a small or random readout at the start",
        default=0.001,
        minimum=0,
        maximum=100,
        range=(0.0, 0.1),
    )
    watched: float = parameter(
        "φ",
        "preferred orientation of one neuron, in degrees; the nearest one is watched",
        default=20.0,
        range=(-90.0, 90.0),
    )
    step: float = parameter(
        "h", "step of gradient descent; 0 is gradient flow", default=0.0, minimum=0, range=(0.0, 0.1)
    )
    test_orientations: Numbers = parameter(
        "θ", "orientations of transfer tests, in degrees from the trained one", default=(0.0, 10.0, 20.0, 45.0, 90.0)
    )
    duration: float = parameter(
        "t_end",
        "training time in units of the inverse learning rate",
        default=20.0,
        minimum=0,
        exclusive=True,
        scale="logarithmic",
        range=(1.0, 1000.0),
    )

    def __post_init__(self) -> None:
        """Check each parameter, and that they fit together."""
        super().__post_init__()
        rows = len(Reports.times(self)) * (10 if self.rule == "gradient" else 10 + self.neurons)
        if short := shortage(8.0 * self.neurons * (self.neurons * (4 * self.depth + 8) + rows), "the network"):
            raise InputError(f"neurons = {self.neurons} is not allowed: {short}")
        passed = (self.depth - 1) * math.log10(self.initial_gain)
        if abs(passed) > MOST_PASSED:
            raise InputError(
                f"initial_gain = {self.initial_gain:g} with depth = {self.depth} is not allowed: hidden layers make "
                f"inputs 10^{passed:.0f} times as strong, 10^{MOST_PASSED} is the most, 10^-{MOST_PASSED} the least"
            )
        if self.noise == 0 and self.decision_noise == 0:
            raise InputError("noise and decision_noise are both 0: every answer would be correct")
        if self.rule == "hebbian" and self.depth != 2:
            raise InputError(
                f"rule = hebbian is not allowed with depth = {self.depth}: it has one hidden layer, depth 2"
            )
        if self.rule == "hebbian" and self.initial == "balanced":
            raise InputError("initial = balanced is not allowed with rule = hebbian, which balances nothing")
        if len(set(self.tests())) < len(self.tests()):
            raise InputError(f"test_orientations = {', '.join(self.tests())} is not allowed: one comes twice")
        task = self.task()
        if task.strength < 1e-9:
            raise InputError(f"difference = {self.difference:g} is not allowed: no neuron tells the orientations apart")
        if self.step > 0 and self.step > (largest := min(self.largest_step(), self._first_largest_step())):
            raise InputError(f"step = {self.step:g} is not allowed: gradient descent is stable up to {largest:.6g}")
        self.times()

    def task(self) -> Discrimination:
        """Return how the neurons see the two orientations, and the pairs of the transfer tests."""
        known: Discrimination | None = self.__dict__.get("_task")
        if known is None:
            tests: Any = self.test_orientations
            known = discrimination(self.neurons, self.concentration, self.difference, self.noise, tests)
            object.__setattr__(self, "_task", known)
        return known

    def tests(self) -> tuple[str, ...]:
        """Return the orientations of the transfer tests in words."""
        listed: Any = self.test_orientations
        return tuple(f"{one:g}" for one in listed)

    def preferred(self) -> Array:
        """Return the neurons' preferred orientations in degrees, shape (neurons,)."""
        return preferred(self.neurons)

    def first_readout(self) -> float:
        """Return the strength of the readout at the start."""
        return self.initial_gain if self.initial == "balanced" else self.initial_readout

    def largest_step(self) -> float:
        """Return the largest stable step of gradient descent at the solution, or of Oja's rule from its start."""
        from tsmech.theory.perceptual_learning import solution

        task, g = self.task(), self.initial_gain
        if self.rule == "hebbian":
            # modes of C at a gain above 1 jump back and forth (eq. 10); the readout follows by steps of its own
            top = float(np.linalg.eigvalsh(task.second_moment).max())
            return 1.0 / max(top, top * (g**2 - 1.0) / 2.0, task.power * g**2 / 2.0)
        w, r = solution(task.strength / task.power, g, self.first_readout(), self.depth)
        below = np.arange(self.depth - 1)
        along = task.power * (w ** (2 * self.depth - 2) + below.size * w ** (2 * self.depth - 4) * r**2)
        across = g ** (2 * self.depth - 2) + r**2 * float((w ** (2 * below[::-1]) * g ** (2 * below)).sum())
        return 2.0 / max(along, self.noise**2 * across)

    def _first_largest_step(self) -> float:
        """Return the largest stable step at the start; a random readout is that of seed 0."""
        from tsmech.sims.deep_network import sharpness
        from tsmech.sims.perceptual_learning import network

        if self.rule == "hebbian" or self.depth == 1:
            return math.inf
        layers = self._first_layers(np.random.default_rng(0))
        found = network(layers, self.task().half, self.noise)
        steepest = sharpness(found.plain_velocity, found.flat)
        return 2.0 / steepest if steepest > 0.0 else math.inf

    def times(self) -> Array:
        """Return the times of the report: with a step those at which one ends."""
        return times_with_step(super().times(), self.step)

    def simulation_steps(self) -> float:
        """Return the number of steps of a simulation; of gradient flow about as many as it takes."""
        return self.duration / (self.step if self.step > 0 else 0.3 * self.largest_step())

    def lacks(self, answer: str) -> str | None:
        """Return why this problem has no such answer."""
        reason = None
        if answer in ("theory", "reduced") and self.initial == "random":
            reason = "a random readout is no single mode"
        elif answer == "reduced" and self.rule == "hebbian":
            reason = "under the Hebbian rule all neurons' modes learn"
        return f"perceptual_learning has no {answer} answer here: {reason}" if reason else super().lacks(answer)

    def remark(self) -> str | None:
        """Return what theory leaves out."""
        return "theory is gradient flow, the limit step → 0" if self.step > 0 else None

    def theory_curve(self) -> Curve:
        """Return the prediction: one mode, or under the Hebbian rule the modes of the responses' second moments."""
        from tsmech.theory import perceptual_learning as theory

        task, times = self.task(), self.times()
        if self.rule == "hebbian":
            first = self.first_readout() * task.direction
            found = theory.hebbian(times, task.second_moment, task.half, self.noise, self.initial_gain, first)
            return self._network_curve([[one, two[None]] for one, two in zip(*found, strict=True)], first)
        mode = theory.tuned_mode(times, task.strength, task.power, self.initial_gain, self.first_readout(), self.depth)
        hidden = np.repeat(mode.hidden[:, None], self.depth - 1, axis=1)
        return self._mode_curve(np.hstack([hidden, mode.readout[:, None]]))

    def reduced_curve(self, rng: np.random.Generator) -> Curve:
        """Return the strengths of the layers along the mode, step by step."""
        from tsmech.sims.perceptual_learning import follow_mode

        task = self.task()
        start = np.append(np.full(self.depth - 1, self.initial_gain), self.first_readout())
        return self._mode_curve(follow_mode(start, task.strength, task.power, self.times(), self.step))

    def direct_curve(self, rng: np.random.Generator) -> Curve:
        """Return one training of all weights."""
        from tsmech.sims import perceptual_learning as sims

        task, layers = self.task(), self._first_layers(rng)
        readout, shared = layers[-1][0], (self.times(), self.step)
        if self.rule == "hebbian":
            states = sims.oja(layers, task.half, self.noise, task.second_moment, *shared)
        else:
            states = sims.descend(layers, task.half, self.noise, *shared)
        return self._network_curve(states, readout)

    def _first_layers(self, rng: np.random.Generator) -> list[Array]:
        """Return the weights at the start, of which a random readout is drawn."""
        from tsmech.sims import perceptual_learning as sims

        readout = self.first_readout() * self.task().direction
        if self.initial == "random":
            readout = sims.random_readout(self.neurons, self.initial_readout, rng)
        return sims.first_layers(self.depth, self.initial_gain, readout)

    def _mode_curve(self, strengths: Array) -> Curve:
        """Return the curve of layers whose strengths along the mode are known, shape (T, depth)."""
        task, g, direction = self.task(), self.initial_gain, self.task().direction
        start = np.append(np.full(self.depth - 1, g), self.first_readout())
        moved = strengths[:, :1] - g if self.depth > 1 else np.zeros((len(strengths), 1))
        along = task.tests @ direction
        across = task.tests - along[:, None] * direction
        gained = (strengths[:, :-1] / g).prod(axis=1)[:, None] ** 2
        whole = (task.tests**2).sum(axis=1)
        share = np.divide(along**2, whole, out=np.zeros_like(whole), where=whole > 0)
        kept = np.divide((across**2).sum(axis=1), whole, out=np.ones_like(whole), where=whole > 0)
        return self._curve(
            strengths.prod(axis=1)[:, None] * direction,
            moved * direction * (direction @ task.slope),
            moved * direction * (direction @ task.mean),
            abs(moved * direction),
            abs(strengths - start),
            np.sqrt(kept + share * gained),
        )

    def _network_curve(self, states: Iterable[Sequence[Array]], readout: Array) -> Curve:
        """Return the curve of layers, one after another."""
        task, g, N = self.task(), self.initial_gain, self.neurons
        before = np.maximum(g ** (self.depth - 1) * np.linalg.norm(task.tests, axis=1), 1e-300)
        rows: list[tuple[Array, ...]] = []
        for *hidden, last in states:
            through = np.eye(N)
            for one in hidden:
                through = one @ through
            moved = [one - g * np.eye(N) for one in hidden]
            first = moved[0] if moved else np.zeros((N, N))
            rows.append(
                (
                    last[0] @ through,
                    first @ task.slope,
                    first @ task.mean,
                    np.linalg.norm(first, axis=1),
                    np.array([*map(np.linalg.norm, moved), np.linalg.norm(last[0] - readout)]),
                    np.linalg.norm(task.tests @ through.T, axis=1) / before,
                )
            )
        widths = (N, N, N, N, self.depth, len(task.tests))
        columns = list(zip(*rows, strict=True)) or [()] * len(widths)
        found = [np.array(one, dtype=float).reshape(-1, n) for one, n in zip(columns, widths, strict=True)]
        return self._curve(*found)

    def _curve(
        self, output: Array, slope: Array, response: Array, neuron: Array, layer: Array, sensitivity: Array
    ) -> Curve:
        """Return the curve of what the network computes, shape (T, N), and of what has changed in it."""
        task, every = self.task(), self.times()
        times = every[: len(output)]
        along, square = output @ task.half, (output**2).sum(axis=1)
        apart = abs((self.preferred() - self.watched + 90.0) % 180.0 - 90.0)
        watched = int(apart.argmin())
        found = {
            "train_error": 0.5 * ((1.0 - along) ** 2 + self.noise**2 * square),
            "accuracy": self._accuracy(along, square),
            "slope_change": slope,
            "response_change": response,
            "neuron_change": neuron,
            "watched_slope_change": slope[:, watched],
            "watched_change": neuron[:, watched],
            "layer_change": layer,
            "transfer": self._accuracy(output @ task.tests.T, square[:, None]),
            "sensitivity": sensitivity,
        }
        half = [first_above(times, one, one[-1] / 2) if one.size and one[-1] > 0 else math.nan for one in layer.T]
        ended = float(every[len(output)]) if len(output) < len(every) else None
        curve = Curve.along("time", times, found, summaries={"half_change": np.array(half)}, diverged_at=ended)
        return replace(curve, labels={"test": self.tests()})

    def _accuracy(self, along: Array, square: Array) -> Array:
        from scipy.special import ndtr

        spread = np.sqrt(self.noise**2 * square + self.decision_noise**2)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(ndtr(np.where(spread > 0, along / spread, 0.0)))
