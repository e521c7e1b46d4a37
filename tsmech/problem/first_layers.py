"""How deep linear networks start: their first weights, layer by layer."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.problem.parameters import Numbers, parameter
from tsmech.problem.system import System

if TYPE_CHECKING:
    from tsmech.sims.deep_network import FirstWeights, Teacher

Array = NDArray[np.float64]

STARTS = ("balanced", "unbalanced", "small", "orthogonal", "pretrained")
ALIGNED = ("balanced", "unbalanced")
"""Starts whose modes fit the teacher's, so that each is learnt by itself."""

LARGEST_STRENGTH = 1e6
"""Largest strength of a mode, and the inverse of the least: weaker and stronger ones are learnt never and at once."""

LEAST_SCALE = 1e-100
"""Least scale of weights that are drawn, so that no square of them vanishes."""


@dataclass(frozen=True, kw_only=True)
class FirstLayers(System):
    """A system whose student is a deep linear network: its layers and how they start.

    It says which modes there are to learn, in :meth:`mode_strengths`, and the numbers of inputs and outputs, in
    :meth:`sizes`.
    """

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
    start_seed: int | None = parameter(
        "r",
        "seed of one start, and of the directions of a teacher that is drawn, for all networks; none draws new ones "
        "for each",
        default=None,
        minimum=0,
        range=(0, 100),
    )

    def mode_strengths(self) -> Array:
        """Return the singular values of what is learnt, decreasing, shape (modes,)."""
        raise NotImplementedError

    def sizes(self) -> tuple[int, int]:
        """Return the numbers of inputs and outputs."""
        raise NotImplementedError

    def drawn(self, rng: np.random.Generator) -> "tuple[Teacher, FirstWeights]":
        """Return the modes of what one network learns, and its first weights; those of ``start_seed`` if there is."""
        raise NotImplementedError

    def known_start(self) -> "tuple[Teacher, FirstWeights] | None":
        """Return what ``start_seed`` says of all networks, or None."""
        return None if self.start_seed is None else self.drawn(np.random.default_rng(0))

    def mode_order(self) -> NDArray[np.intp]:
        """Return which of the modes as they are given each of those of :meth:`mode_strengths` is."""
        return np.arange(len(self.mode_strengths()))

    def listed(self, name: str) -> tuple[float, ...]:
        """Return a parameter of several numbers."""
        found: tuple[float, ...] = getattr(self, name)
        return found

    def check_first_layers(self) -> None:
        """Check that the start fits what is learnt."""
        self._check_strengths()
        self._check_aligned()
        self._check_scales()

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
            each = self.first_strengths(s)
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
        if self.initial not in ALIGNED and self.initial_scale < LEAST_SCALE:
            given, bound = self.initial_scale, "above 0" if self.initial_scale == 0 else f"at least {LEAST_SCALE:g}"
            raise InputError(
                f"initial_scale = {given:g} is not allowed with initial = {self.initial}: it must be {bound}"
            )
        if self.imbalance == 0:
            return
        if self.initial != "orthogonal" or self.depth != 2:
            raise InputError(f"imbalance = {self.imbalance:g} has no effect: it is of initial = orthogonal at depth 2")
        if abs(self.imbalance) > (most := 2.0 * self.initial_scale**2):
            raise InputError(
                f"imbalance = {self.imbalance:g} is not allowed: its size must be at most 2 initial_scale², {most:g}"
            )

    @property
    def rank(self) -> int:
        """How many modes fit through the hidden layers."""
        return self.passed(len(self.mode_strengths()))

    def passed(self, modes: int) -> int:
        """Return how many of so many modes fit through the hidden layers."""
        return modes if self.depth == 1 else min(modes, self.width)

    def layers(self, strengths: Array) -> Array:
        """Return the strengths of the layers of an aligned start, shape (depth, modes), for modes of strengths s."""
        if self.initial == "unbalanced":
            return self.two_layers()
        start = np.minimum(self.first_strengths(strengths), strengths)
        return np.repeat(start[None] ** (1.0 / self.depth), self.depth, axis=0)

    def first_strengths(self, strengths: Array) -> Array:
        """Return a₀ of modes of these strengths: of all one, or each that which is given for it."""
        each = np.asarray(self.listed("initial_strengths"))
        return np.broadcast_to(each if each.size == 1 else each[self.mode_order()], strengths.shape)

    def two_layers(self) -> Array:
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
