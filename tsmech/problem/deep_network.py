"""What systems that train a deep linear network share: its steps, its theory, and what its modes say."""

import functools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.machine.memory import shortage
from tsmech.problem.first_layers import ALIGNED, FirstLayers
from tsmech.problem.observables import Coordinate, Observable
from tsmech.problem.parameters import parameter
from tsmech.problem.reports import Reports, times_with_step
from tsmech.problem.stopping import half_learnt

if TYPE_CHECKING:
    from tsmech.sims.deep_network import FirstWeights, Teacher
    from tsmech.theory.deep_network import LearningCurve

Array = NDArray[np.float64]

ALIKE = 1e-9
"""Relative difference of two modes' strengths up to which neither is the stronger: a decomposition rounds them."""
FAR = 1e100
"""Strength of a drawn network beyond which it makes no difference."""
DRAWN = 3
"""Starts by which the largest step is judged where each network draws its own."""

TIME = Coordinate("t", "time", "inverse learning rate")
STRENGTHS = Observable("a", "strength of a mode", axes=("mode",))
LEARNING: dict[str, Observable] = {
    "learning_time": Observable("t_½", "time of half learning", axes=("mode",), summary=True, undefined=True),
    "training_steps": Observable(
        "n", "steps to half learning of all modes", unit="largest stable step", summary=True, undefined=True
    ),
    "total_steps": Observable(
        "n_all", "steps, pretraining counted", unit="largest stable step", summary=True, undefined=True
    ),
}
"""The observables that :meth:`DeepNetwork.learning` returns."""


@dataclass(frozen=True, kw_only=True)
class DeepNetwork(FirstLayers, Reports):
    """A system whose student is a deep linear network with whitened inputs.

    Its :meth:`prepare` says what is learnt before the checks of the start are made.
    """

    coordinates: ClassVar = {"time": TIME}

    step: float = parameter(
        "h", "step of gradient descent; 0 is gradient flow", default=0.0, minimum=0, range=(0.0, 0.1)
    )
    nonlinearity: str = parameter(
        "φ",
        "hidden units, if any: linear, or tanh (answered by direct alone)",
        default="linear",
        choices=("linear", "tanh"),
    )
    duration: float = parameter(
        "t_end",
        "training time in units of the inverse learning rate",
        default=10.0,
        minimum=0,
        exclusive=True,
        scale="logarithmic",
        range=(1.0, 1000.0),
    )

    def __post_init__(self) -> None:
        """Check each parameter, and that the start and the step fit the problem."""
        super().__post_init__()
        self.prepare()
        self.check_first_layers()
        if self.step > 0:
            if self.step > (largest := min(self.largest_step(), self._first_largest_step())):
                raise InputError(f"step = {self.step:g} is not allowed: gradient descent is stable up to {largest:.6g}")
            self.times()

    def prepare(self) -> None:
        """Check the problem's own parameters, which say what modes there are."""

    # Sizes and steps

    @property
    def weight_count(self) -> int:
        """The number of weights."""
        inputs, outputs = self.sizes()
        if self.depth == 1:
            return inputs * outputs
        return self.width * (inputs + outputs + (self.depth - 2) * self.width)

    def strongest(self) -> float:
        """Return the largest singular value of what is learnt."""
        return float(self.mode_strengths().max())

    def largest_step(self) -> float:
        """Return the largest stable step of gradient descent at the solution that this start leads to."""
        from tsmech.theory.deep_network import largest_step

        if self.initial == "unbalanced":
            return 2.0 / self._two_layers_sharpness()
        strongest = self.strongest()
        return (
            2.0 / math.hypot(2.0 * strongest, self.imbalance) if self.imbalance else largest_step(strongest, self.depth)
        )

    def _two_layers_sharpness(self) -> float:
        """Return the largest curvature on the way of two aligned layers, which it has at one of the ends (eq. 15a)."""
        s, (first, second) = self.mode_strengths(), self.two_layers()[:, : self.rank] ** 2
        missing = abs(s[: self.rank] - np.sqrt(first * second))
        total, apart = np.hypot(2.0 * s[: self.rank], first - second), first - second
        begun = first.max() + second.max() + missing.max()
        return float(max(begun, ((total + apart).max() + (total - apart).max()) / 2.0))

    def _first_largest_step(self) -> float:
        """Return the largest stable step at the start: without a seed, the middle one of those of some starts."""
        if self.initial in ALIGNED or self.depth == 1 or self.network_too_large():
            return math.inf  # no steeper than what it leads to
        steepest = _steepest(replace(self, step=0.0, duration=1.0, samples=1), self.mode_strengths().tobytes())
        return 2.0 / steepest if steepest > 0.0 else math.inf

    def times(self) -> Array:
        """Return the times of the report: with a step those at which one ends."""
        return times_with_step(super().times(), self.step)

    def simulation_steps(self) -> float:
        """Return the number of steps of a simulation; of gradient flow about as many as it takes."""
        from tsmech.theory.deep_network import largest_step

        if self.step > 0:
            return self.duration / self.step
        drawn = 0.0 if self.initial in (*ALIGNED, "pretrained") else self.initial_scale**self.depth
        steepest = largest_step(max(self.strongest(), min(drawn, FAR)), self.depth)
        return self.duration / (0.3 * min(self.largest_step(), steepest))

    # Answers

    @property
    def curved(self) -> bool:
        """Whether there are hidden units that are not linear."""
        return self.nonlinearity != "linear" and self.depth > 1

    def lacks(self, answer: str) -> str | None:
        """Return why this problem has no such answer."""
        reason = self.no_reduction() if answer == "reduced" else None
        if answer not in ("reduced", "direct"):
            reason = self.no_prediction(answer)
        return self._without(answer, reason) or super().lacks(answer)

    def obstacle(self, answer: str) -> str | None:
        """Return what does not fit into memory."""
        return self._without(answer, self.too_large(answer)) or super().obstacle(answer)

    def _without(self, answer: str, reason: str | None) -> str | None:
        return f"{self.name} has no {answer} answer here: {reason}" if reason else None

    def no_prediction(self, answer: str) -> str | None:
        """Return why there is no such prediction, or None."""
        return self.no_exact_theory()

    def too_large(self, answer: str) -> str | None:
        """Return what an answer needs that does not fit into memory, or None."""
        return self.network_too_large() if answer == "direct" else None

    def no_exact_theory(self) -> str | None:
        """Return why gradient flow of this start is not known, where the correlations are, or None."""
        if self.curved:
            return f"{self.nonlinearity} units have none"
        if self.initial in ALIGNED or self.depth == 1:
            return None
        if self.initial == "small":
            small = "from small random weights it is of depth 1 and 2"
            return f"{small}: deeper layers do not align before they learn" if self.depth > 2 else None
        if self.initial == "pretrained":
            return "pretrained layers are not quite balanced"
        if self.width > min(self.sizes()):
            return f"orthogonal layers are balanced up to a width of {min(self.sizes())}"
        if self.start_seed is None:
            return "an orthogonal start needs start_seed, which says what it is"
        return None

    def exact_theory_too_large(self) -> str | None:
        """Return that what gradient flow of an orthogonal start is solved by does not fit into memory, or None."""
        if self.initial != "orthogonal" or self.depth == 1:
            return None
        from tsmech.theory.deep_network import held, product_held

        modes = len(self.mode_strengths())
        if self.depth > 2:
            return shortage(8.0 * product_held(self.depth, modes, *self.sizes()), "the flow of the layers")
        return shortage(8.0 * held(modes, self.width, *self.sizes()), "the Riccati solution")

    def no_reduction(self) -> str | None:
        """Return why the modes do not decouple, or None where they do."""
        if self.curved:
            return f"modes of {self.nonlinearity} units do not decouple"
        if self.initial not in ALIGNED:
            return f"modes of a start that is not aligned with the teacher ({self.initial}) do not decouple"
        return None

    def network_too_large(self, examples: int = 0) -> str | None:
        """Return that the network, and examples if any are drawn, do not fit into memory, or None where they do."""
        inputs, outputs = self.sizes()
        units = self.width * max(self.depth - 1, 0) + outputs
        numbers = 8 * self.weight_count + 2 * units * inputs + 2 * examples * (inputs + outputs)
        return shortage(8.0 * numbers, "the network")

    def remarks(self) -> list[str]:
        """Return what theory leaves out because of the start or of steps."""
        found = []
        if self.rank < len(self.mode_strengths()):
            found.append(f"width = {self.width} is a bottleneck: the weaker modes are never learnt")
        if self.lacks("theory"):
            return found
        if self.step > 0:
            found.append("theory is gradient flow, the limit step → 0")
        if self.initial == "small" and self.depth == 2:
            found.append("theory treats small random weights as aligned modes of the strength that grows")
        return found

    def answer_label(self, answer: str) -> str:
        """Return what a picture calls an answer: theory of small random weights is that of aligned ones."""
        small = answer == "theory" and self.initial == "small" and self.depth == 2
        return "theory of aligned modes" if small else super().answer_label(answer)

    def half_times(self) -> Array:
        """Return by theory when each mode of an aligned start is half learnt, shape (modes,); NaN where it never is."""
        from tsmech.theory.deep_network import half_times, unbalanced_half_times

        if self.initial not in ALIGNED:
            raise InputError("half_times is of aligned starts: run for learning_time")
        s = self.mode_strengths()
        if self.initial == "unbalanced":
            found = unbalanced_half_times(s, *self.two_layers())
        else:
            found = half_times(s, np.minimum(self.first_strengths(s), s), self.depth)
        return np.where(np.arange(s.size) < self.rank, found, np.nan)

    def exact_theory(self, known: "tuple[Teacher, FirstWeights] | None") -> "LearningCurve":
        """Return gradient flow with known correlations: of this start, or where none is given of what all share."""
        from tsmech.theory import deep_network as theory

        times, s = self.times(), self.mode_strengths()
        if self.initial in ALIGNED:
            return theory.aligned_curve(times, s, self.layers(s), self.rank)._replace(half=self.half_times())
        if self.depth == 1:
            initial, rest = self._one_layer(known)
            return theory.one_layer_curve(times, s, initial, rest)._replace(half=theory.half_times(s, initial, 1))
        if self.initial == "small":
            if known is None:
                initial = np.full(s.shape, theory.effective_start(self.initial_scale, self.width))
            else:
                teacher, (first, second) = known[0], known[1].layers
                grown = first @ teacher.inputs + second.T @ teacher.outputs
                initial = (grown**2).sum(axis=0) / 4.0
            start = np.minimum(initial, s)
            half = np.where(np.arange(s.size) < self.rank, theory.half_times(s, start, 2), np.nan)
            both = np.repeat(np.sqrt(start)[None], 2, axis=0)
            return theory.aligned_curve(times, s, both, self.rank)._replace(half=half)
        assert known is not None
        curve = theory.product_curve if self.depth > 2 else theory.two_layer_curve
        return curve(times, known[0], known[1].layers)

    def _one_layer(self, known: "tuple[Teacher, FirstWeights] | None") -> tuple[Array, float]:
        """Return the strengths and the square of one layer at its start: on average where it is not known."""
        if known is not None:
            teacher, (weights,) = known[0], known[1].layers
            return np.einsum("om,oi,im->m", teacher.outputs, weights, teacher.inputs), float((weights**2).sum())
        inputs, outputs = self.sizes()
        square = {
            "small": self.initial_scale**2 / self.width * inputs * outputs,
            "orthogonal": self.initial_scale**2 * min(inputs, outputs),
            "pretrained": 1.0 * min(inputs, outputs),
        }
        return np.zeros(len(self.mode_strengths())), square[self.initial]

    def learning(
        self, times: Array, strengths: Array, half: Array | None = None, pretraining: float = 0.0
    ) -> dict[str, Any]:
        """Return the observables ``LEARNING`` of strengths, shape (T, modes), or of known half times."""
        from tsmech.theory.deep_network import largest_step

        s = self.mode_strengths()
        if half is None:
            clock = self.depth if self.initial in ALIGNED else min(self.depth, 2)  # deeper layers are not balanced
            half = half_learnt(times, strengths, s, clock)
        steps = float(half.max()) / largest_step(float(s.max()), self.depth)
        return {"learning_time": half, "training_steps": steps, "total_steps": steps + pretraining}

    def saddle_index(self, strengths: Array) -> Array:
        """Return the index of the saddle whose learnt modes are those that are more than half learnt, shape (T,).

        A mode that is learnt before a stronger one adds a negative curvature, along which it makes room (eq. 32).
        """
        s = self.mode_strengths()
        if self.depth == 1:
            return np.zeros(len(strengths))
        known = strengths > s / 2
        learnt = np.minimum(known.sum(axis=1), self.rank)
        if self.depth == 2:
            stronger = s[:, None] > s * (1.0 + ALIKE)  # the first than the second
            passed = ((~known @ stronger.astype(float)) * known).sum(axis=1)
            return np.asarray((s.size - learnt) * (self.width - learnt) + passed, dtype=float)
        return np.asarray(s.size - learnt, dtype=float)


@functools.lru_cache(maxsize=256)
def _steepest(problem: DeepNetwork, strengths: bytes) -> float:
    """Return the largest curvature at a problem's start; ``strengths`` tell what is learnt, which a file may say."""
    from tsmech.sims.deep_network import Network, Task, sharpness

    found = []
    for seed in range(DRAWN if problem.start_seed is None else 1):
        modes, weights = problem.drawn(np.random.default_rng(seed))
        network = Network(weights.layers, Task(modes.correlations, tanh=problem.nonlinearity == "tanh"))
        found.append(sharpness(network.plain_velocity, network.flat))
    return float(np.median(found))
