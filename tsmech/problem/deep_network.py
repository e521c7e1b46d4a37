"""What systems that train a deep linear network share: its size, how it starts, its steps, and what its modes say."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.machine.memory import shortage
from tsmech.problem.observables import Coordinate, Observable
from tsmech.problem.parameters import Numbers, parameter
from tsmech.problem.reports import Reports, times_with_step
from tsmech.problem.stopping import half_learnt

if TYPE_CHECKING:
    from tsmech.sims.deep_network import FirstWeights, Teacher
    from tsmech.theory.deep_network import LearningCurve

Array = NDArray[np.float64]

STARTS = ("balanced", "unbalanced", "small", "orthogonal", "pretrained")
ALIGNED = ("balanced", "unbalanced")
"""Starts whose modes fit the teacher's, so that each is learnt by itself."""

ALIKE = 1e-9
"""Relative difference of two modes' strengths up to which neither is the stronger: a decomposition rounds them."""
LARGEST_STRENGTH = 1e6
"""Largest strength of a mode, and the inverse of the least: weaker and stronger ones are learnt never and at once."""
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
class DeepNetwork(Reports):
    """A system whose student is a deep linear network with whitened inputs.

    It says which modes there are to learn, in :meth:`mode_strengths`, and the numbers of inputs and outputs, in
    :meth:`sizes`, before the checks of this class are made.
    """

    coordinates: ClassVar = {"time": TIME}

    depth: int = parameter(
        "D", "layers of weights; 1 is the shallow network", default=2, minimum=1, maximum=100, range=(1, 10)
    )
    width: int = parameter("H", "units of each hidden layer", default=8, minimum=1, range=(1, 64))
    initial: str = parameter(
        "start",
        "first weights: balanced or unbalanced, whose modes fit the teacher's; small, independent normal; orthogonal, "
        "scaled; or pretrained, small and then each layer an autoencoder",
        default="balanced",
        choices=STARTS,
    )
    initial_strengths: Numbers = parameter(
        "a_0", "balanced: product of the layers' strengths, of all modes or one for each", default=(0.001,), minimum=0
    )
    layer_strengths: Numbers = parameter(
        "u, v",
        "unbalanced: strengths of the first and of the second layer, of all modes or first those of layer 1",
        default=(0.1, 0.01),
        minimum=0,
    )
    initial_scale: float = parameter(
        "g",
        "small, pretrained: √width times the standard deviation of the weights; orthogonal: their singular value",
        default=0.1,
        minimum=0,
        maximum=1000,
        scale="logarithmic",
        range=(0.001, 1.0),
    )
    imbalance: float = parameter(
        "δ", "orthogonal, depth 2: W₂ᵀW₂ - W₁W₁ᵀ is δ times the identity", default=0.0, range=(-1.0, 1.0)
    )
    step: float = parameter(
        "h", "step of gradient descent; 0 is gradient flow", default=0.0, minimum=0, range=(0.0, 0.1)
    )
    nonlinearity: str = parameter(
        "φ", "hidden units: linear, or tanh (answered by direct alone)", default="linear", choices=("linear", "tanh")
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
    start_seed: int | None = parameter(
        "r",
        "seed of one start, and of the directions of a teacher that is drawn, for all networks; none draws new ones "
        "for each",
        default=None,
        minimum=0,
        range=(0, 100),
    )

    def __post_init__(self) -> None:
        """Check each parameter, and that the start and the step fit the problem."""
        super().__post_init__()
        self.prepare()
        self._check_strengths()
        self._check_aligned()
        self._check_scales()
        if self.step > 0:
            if self.step > (largest := min(self.largest_step(), self._first_largest_step())):
                raise InputError(f"step = {self.step:g} is not allowed: gradient descent is stable up to {largest:.6g}")
            self.times()

    def prepare(self) -> None:
        """Check the problem's own parameters, which say what modes there are."""

    def mode_strengths(self) -> Array:
        """Return the singular values of what is learnt, decreasing, shape (modes,)."""
        raise NotImplementedError

    def sizes(self) -> tuple[int, int]:
        """Return the numbers of inputs and outputs."""
        raise NotImplementedError

    def drawn(self, rng: np.random.Generator) -> "tuple[Array, FirstWeights]":
        """Return the input-output correlations that one network learns, and its first weights."""
        raise NotImplementedError

    def mode_order(self) -> NDArray[np.intp]:
        """Return which of the modes as they are given each of those of :meth:`mode_strengths` is."""
        return np.arange(len(self.mode_strengths()))

    def listed(self, name: str) -> tuple[float, ...]:
        """Return a parameter of several numbers."""
        found: tuple[float, ...] = getattr(self, name)
        return found

    def _check_strengths(self) -> None:
        s = self.mode_strengths()
        if s.max() > LARGEST_STRENGTH or s.min() < 1.0 / LARGEST_STRENGTH:
            raise InputError(
                f"what is learnt has modes of strength {s.min():g} to {s.max():g}: they must lie between "
                f"{1.0 / LARGEST_STRENGTH:g} and {LARGEST_STRENGTH:g}"
            )
        if (most := max(self.listed("layer_strengths"))) > LARGEST_STRENGTH:
            raise InputError(f"layer_strengths = {most:g} is not allowed: it must be at most {LARGEST_STRENGTH:g}")

    def _check_aligned(self) -> None:
        s = self.mode_strengths()
        start, layers = self.listed("initial_strengths"), self.listed("layer_strengths")
        if self.initial == "balanced":
            if len(start) not in (1, s.size):
                raise InputError(
                    f"initial_strengths has {len(start)} values: give one, or one for each of {s.size} modes"
                )
            if len(start) > 1:
                self._check_bottleneck("initial_strengths", np.asarray(start))
            each = self._initial_strengths(s)
            if (wrong := np.flatnonzero(each > s)).size:
                place = int(wrong[0])
                raise InputError(
                    f"initial_strengths = {each[place]:g} is not allowed: it must be at most the mode's strength, "
                    f"{s[place]:g}"
                )
        if self.initial == "unbalanced":
            if self.depth != 2:
                raise InputError(f"initial = unbalanced is not allowed with depth = {self.depth}: it has two layers")
            if len(layers) not in (2, 2 * s.size):
                raise InputError(f"layer_strengths has {len(layers)} values: give 2, or 2 for each of {s.size} modes")
            if len(layers) > 2:
                self._check_bottleneck("layer_strengths", np.asarray(layers).reshape(2, -1))

    def _check_bottleneck(self, name: str, each: Array) -> None:
        """Refuse strengths that are given, mode by mode, to modes that the width does not let through."""
        shut = np.zeros(each.shape, bool)
        shut[..., self.mode_order()[self.rank :]] = True
        if (wrong := np.flatnonzero(shut & (each != 0))).size:
            place = int(wrong[0])
            raise InputError(
                f"{name}[{place}] = {each.flat[place]:g} is not allowed: it must be 0, "
                f"as width = {self.width} lets {self.rank} modes through"
            )

    def _check_scales(self) -> None:
        if self.initial not in ALIGNED and self.initial_scale == 0:
            raise InputError(f"initial_scale = 0 is not allowed with initial = {self.initial}: it must be above 0")
        if self.imbalance == 0:
            return
        if self.initial != "orthogonal" or self.depth != 2:
            raise InputError(f"imbalance = {self.imbalance:g} has no effect: it is of initial = orthogonal at depth 2")
        if abs(self.imbalance) > (most := 2.0 * self.initial_scale**2):
            raise InputError(
                f"imbalance = {self.imbalance:g} is not allowed: its size must be at most 2 initial_scale², {most:g}"
            )

    # Sizes and steps

    @property
    def rank(self) -> int:
        """How many modes fit through the hidden layers."""
        modes = len(self.mode_strengths())
        return modes if self.depth == 1 else min(modes, self.width)

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
        s, (first, second) = self.mode_strengths(), self._two_layers()[:, : self.rank] ** 2
        missing = abs(s[: self.rank] - np.sqrt(first * second))
        total, apart = np.hypot(2.0 * s[: self.rank], first - second), first - second
        begun = first.max() + second.max() + missing.max()
        return float(max(begun, ((total + apart).max() + (total - apart).max()) / 2.0))

    def _first_largest_step(self) -> float:
        """Return the largest stable step at the start: without a seed, the middle one of those of some starts."""
        if self.initial in ALIGNED or self.depth == 1 or self.network_too_large():
            return math.inf  # no steeper than what it leads to
        from tsmech.sims.deep_network import Network, Task, sharpness

        found = []
        for seed in range(DRAWN if self.start_seed is None else 1):
            correlations, weights = self.drawn(np.random.default_rng(seed))
            network = Network(weights.layers, Task(correlations, tanh=self.nonlinearity == "tanh"))
            found.append(sharpness(network.velocity_at, network.flat))
        steepest = float(np.median(found))
        return 2.0 / steepest if steepest > 0.0 else math.inf

    def times(self) -> Array:
        """Return the times of the report: with a step those at which one ends."""
        return times_with_step(super().times(), self.step)

    def simulation_steps(self) -> float:
        """Return the number of steps of a simulation; of gradient flow about as many as it takes."""
        return self.duration / (self.step if self.step > 0 else 0.3 * self.largest_step())

    # Answers

    @property
    def curved(self) -> bool:
        """Whether there are hidden units that are not linear."""
        return self.nonlinearity != "linear" and self.depth > 1

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
            found = unbalanced_half_times(s, *self._two_layers())
        else:
            found = half_times(s, np.minimum(self._initial_strengths(s), s), self.depth)
        return np.where(np.arange(s.size) < self.rank, found, np.nan)

    def layers(self, strengths: Array) -> Array:
        """Return the strengths of the layers of an aligned start, shape (depth, modes), for modes of strengths s."""
        if self.initial == "unbalanced":
            return self._two_layers()
        start = np.minimum(self._initial_strengths(strengths), strengths)
        return np.repeat(start[None] ** (1.0 / self.depth), self.depth, axis=0)

    def _initial_strengths(self, strengths: Array) -> Array:
        """Return a₀ of modes of these strengths: of all one, or each that which is given for it."""
        each = np.asarray(self.listed("initial_strengths"))
        return np.broadcast_to(each if each.size == 1 else each[self.mode_order()], strengths.shape)

    def _two_layers(self) -> Array:
        """Return the strengths of both layers of an unbalanced start, shape (2, modes)."""
        each = np.asarray(self.listed("layer_strengths")).reshape(2, -1)
        return np.broadcast_to(each, (2, len(self.mode_strengths())))[:, self.mode_order()]

    def first_weights(self, modes: "Teacher", rng: np.random.Generator) -> "FirstWeights":
        """Return the weights of one network at its start."""
        from tsmech.sims import deep_network as sims

        shapes = sims.shapes(self.depth, self.width, *self.sizes())
        if self.initial in ALIGNED:
            along = sims.aligned_directions(modes, self.depth, self.width, rng)
            return sims.FirstWeights(sims.aligned_layers(along, self.layers(modes.strengths)), along)
        if self.initial == "orthogonal":
            signs = (-1.0, 1.0) if self.depth == 2 else [0.0] * self.depth
            scales = [math.sqrt(max(self.initial_scale**2 + sign * self.imbalance / 2, 0.0)) for sign in signs]
            return sims.FirstWeights(sims.orthogonal_layers(shapes, scales, rng))
        weights = sims.random_layers(shapes, self.initial_scale, self.width, rng)
        if self.initial == "small":
            return sims.FirstWeights(weights)
        pretrained, steps = sims.pretrain(weights)
        return sims.FirstWeights(pretrained, pretraining=steps)

    def exact_theory(self, teacher: "Teacher | None", weights: "FirstWeights | None") -> "LearningCurve":
        """Return gradient flow with known correlations: of this start, or where none is given of what all share."""
        from tsmech.theory import deep_network as theory

        times, s = self.times(), self.mode_strengths()
        if self.initial in ALIGNED:
            return theory.aligned_curve(times, s, self.layers(s), self.rank)._replace(half=self.half_times())
        known = None if teacher is None or weights is None else (teacher, weights.layers)
        if self.depth == 1:
            initial, rest = self._one_layer(known)
            return theory.one_layer_curve(times, s, initial, rest)._replace(half=theory.half_times(s, initial, 1))
        if self.initial == "small":
            if known is None:
                initial = np.full(s.shape, theory.effective_start(self.initial_scale, self.width))
            else:
                grown = known[1][0] @ known[0].inputs + known[1][1].T @ known[0].outputs
                initial = (grown**2).sum(axis=0) / 4.0
            start = np.minimum(initial, s)
            half = np.where(np.arange(s.size) < self.rank, theory.half_times(s, start, 2), np.nan)
            both = np.repeat(np.sqrt(start)[None], 2, axis=0)
            return theory.aligned_curve(times, s, both, self.rank)._replace(half=half)
        assert known is not None
        if self.depth > 2:
            return theory.product_curve(times, *known)
        return theory.two_layer_curve(times, *known)

    def _one_layer(self, known: "tuple[Teacher, list[Array]] | None") -> tuple[Array, float]:
        """Return the strengths and the square of one layer at its start: on average where it is not known."""
        if known is not None:
            teacher, (weights,) = known
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
            half = half_learnt(times, strengths, s, self.depth)
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
