"""Multitasking: shared representations are learnt fast and transfer, separate ones can be used at once."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.machine.memory import shortage
from tsmech.problem.curve import Curve
from tsmech.problem.deep_network import STRENGTHS, TIME
from tsmech.problem.observables import Observable
from tsmech.problem.parameters import Numbers, parameter
from tsmech.problem.references import SAXE_DEEP, Reference
from tsmech.problem.reports import Reports, times_with_step
from tsmech.problem.stopping import half_learnt
from tsmech.problem.system import Convergence

if TYPE_CHECKING:
    from tsmech.sims.multitasking import Mapping, Weights

Array = NDArray[np.float64]

STARTS = ("aligned", "small")

LOOKS, FIRST_LOOK = 200, 1e-4
"""At how many times simulations look at a new task, evenly in the logarithm, and the first in units of the last."""


@dataclass(frozen=True, kw_only=True)
class Multitasking(Reports):
    r"""A gated deep linear network that learns every task between some input domains and as many output domains.

    A task reads one input domain and answers in one output domain.  Of the ``width`` hidden units that it uses a
    ``share`` is common to all tasks from its input domain, the rest its own; gates let through what a task uses.  Tasks
    are learnt one at a time, all equally often,

    .. math:: E = \tfrac12 \sum_{i, j} |D_{ij} E_i + d_{ij} e_{ij} - \Sigma_{ij}|^2 ,

    and then several are done at once, one from each input domain: common units then answer in every output domain that
    is open.  The derivation is in ``theory/multitasking.md``.

    Notes
    -----
    Errors are of one task, with white inputs: ``train_error`` alone, ``multitask_error`` with ``at_once`` tasks at
    once, ``interference`` the difference.  ``common`` is the part of ``strengths`` that goes through common units.
    ``transfer_time`` is when a task to a new output domain, learnt after the others, is half learnt, mode by mode, with
    the common encoders kept and all else fresh; ``learning_time`` is that of the first tasks.

    Examples
    --------
    Common units win the race for speed, and interfere in the end:

    >>> import tsmech
    >>> for share in (0.0, 0.5, 1.0):
    ...     curve = tsmech.Multitasking(share=share).curve("theory")
    ...     time, interference = curve.summaries["learning_time"][-1], curve.observables["interference"][-1]
    ...     print(f"{share}: {time:.2f} {interference:.2f}")
    0.0: 3.45 0.00
    0.5: 2.64 5.96
    1.0: 2.43 7.00
    """

    name = "multitasking"
    title = "Shared against separate representations of several tasks"
    coordinates: ClassVar = {"time": TIME}
    observables: ClassVar = {
        "strengths": STRENGTHS,
        "common": Observable("b", "strength through common units", axes=("mode",)),
        "train_error": Observable("ε_train", "error of one task alone"),
        "multitask_error": Observable("ε_multi", "error of a task among others at once"),
        "interference": Observable("ε_int", "interference"),
        "learning_time": Observable("t_½", "time of half learning", axes=("mode",), summary=True, undefined=True),
        "transfer_time": Observable(
            "t_new", "time of half learning a new task", axes=("mode",), summary=True, undefined=True
        ),
    }
    references = (
        Reference(
            "S. Musslick, A. M. Saxe, K. Özcimder, B. Dey, G. Henselman, J. D. Cohen",
            2017,
            "Multitasking capability versus learning efficiency in neural network architectures",
            "CogSci 2017, 829",
        ),
        Reference(
            "A. M. Saxe, S. Sodhani, S. Lewallen",
            2022,
            "The neural race reduction: dynamics of abstraction in gated networks",
            "ICML 2022",
            arxiv="2207.10430",
        ),
        SAXE_DEEP,
    )
    pictured = ("train_error", "multitask_error")
    stated = ("share", "domains", "initial")
    checks = (
        {"share": 0.0, "duration": 1.6, "samples": (0.4, 0.8, 1.6), "initial_strength": 0.1},
        {"share": 0.5, "domains": 3, "duration": 1.2, "samples": (0.4, 0.8, 1.2), "initial_strength": 0.1},
        {"share": 1.0, "duration": 1.2, "samples": (0.4, 0.8, 1.2), "initial_strength": 0.1},
    )
    convergence = Convergence("step", (0.04, 0.02, 0.01, 0.005), power=1.0)

    share: float = parameter(
        "p",
        "share of a task's hidden units that is common to all tasks from its inputs",
        default=0.5,
        minimum=0,
        maximum=1,
        range=(0.0, 1.0),
    )
    domains: int = parameter(
        "M", "input domains, and output domains: M² tasks", default=2, minimum=1, maximum=32, range=(1, 6)
    )
    at_once: int | None = parameter(
        "m", "tasks done at once, at most as many as domains; none takes all", default=None, minimum=1, range=(1, 6)
    )
    width: int = parameter("H", "hidden units that a task uses", default=16, minimum=1, range=(2, 64))
    inputs: int = parameter("N", "inputs of a domain", default=6, minimum=1, range=(1, 32))
    outputs: int = parameter("C", "outputs of a domain", default=6, minimum=1, range=(1, 32))
    teacher_strengths: Numbers = parameter(
        "s", "singular values of each task's map, those above 0", default=(3.0, 2.0, 1.0), minimum=0
    )
    initial: str = parameter(
        "start",
        "first weights: aligned with the tasks, or small, independent and normal",
        default="aligned",
        choices=STARTS,
    )
    initial_strength: float = parameter(
        "a_0",
        "aligned: strength of both pathways together, in proportion to their units",
        default=0.001,
        minimum=0,
        exclusive=True,
        scale="logarithmic",
        range=(1e-6, 0.1),
    )
    initial_scale: float = parameter(
        "g",
        "small: √width times the standard deviation of the weights",
        default=0.05,
        minimum=0,
        maximum=100,
        exclusive=True,
        scale="logarithmic",
        range=(0.001, 1.0),
    )
    step: float = parameter(
        "h", "step of gradient descent; 0 is gradient flow", default=0.0, minimum=0, range=(0.0, 0.1)
    )
    duration: float = parameter(
        "t_end",
        "training time in units of the inverse learning rate, as long again for a new task",
        default=10.0,
        minimum=0,
        exclusive=True,
        scale="logarithmic",
        range=(1.0, 100.0),
    )

    def __post_init__(self) -> None:
        """Check each parameter, and that they fit together."""
        super().__post_init__()
        s = self.mode_strengths()
        if s.min() == 0.0:
            raise InputError("teacher_strengths has a 0: leave out what is not there")
        if s.min() < 1e-6 or s.max() > 1e6:
            raise InputError(f"teacher_strengths are {s.min():g} to {s.max():g}: they must lie between 1e-6 and 1e6")
        if s.size > min(self.inputs, self.outputs):
            raise InputError(
                f"teacher_strengths has {s.size} values: with inputs = {self.inputs} and outputs = {self.outputs} "
                f"there are at most {min(self.inputs, self.outputs)} modes"
            )
        if self.initial_strength > s.min():
            raise InputError(
                f"initial_strength = {self.initial_strength:g} is not allowed: it must be at most that of the weakest "
                f"mode, {s.min():g}"
            )
        if self.at_once is not None and self.at_once > self.domains:
            raise InputError(
                f"at_once = {self.at_once} is not allowed with domains = {self.domains}: each needs inputs of its own"
            )
        if self.step > 0 and self.step > (largest := min(self.largest_step(), self._first_largest_step())):
            raise InputError(f"step = {self.step:g} is not allowed: gradient descent is stable up to {largest:.6g}")
        self.times()

    def mode_strengths(self) -> Array:
        """Return the singular values of each task's map, decreasing, shape (modes,)."""
        return np.sort(np.asarray(self.teacher_strengths, float))[::-1]

    @property
    def common_units(self) -> int:
        """The number of hidden units that are common to all tasks from one input domain."""
        return round(self.share * self.width)

    @property
    def own_units(self) -> int:
        """The number of hidden units of each task alone."""
        return self.width - self.common_units

    def largest_step(self) -> float:
        """Return the largest stable step of the steepest solution with balanced strengths (eq. 5).

        That is where common pathways have learnt alone, and with no common unit the only one.
        """
        together = self.domains if self.common_units else 1
        return 1.0 / float(self.mode_strengths().max() * np.sqrt(together))

    def _first_largest_step(self) -> float:
        """Return the largest stable step at small random weights, those drawn with seed 0."""
        if self.initial == "aligned" or self.obstacle("direct"):
            return math.inf  # no steeper than what it leads to
        from tsmech.sims.multitasking import first_sharpness

        mapping, weights = self._first(np.random.default_rng(0).spawn(2))
        steepest = first_sharpness(weights, mapping)
        return 2.0 / steepest if steepest > 0.0 else math.inf

    def times(self) -> Array:
        """Return the times of the report: with a step those at which one ends."""
        return times_with_step(super().times(), self.step)

    def simulation_steps(self) -> float:
        """Return the number of steps of a simulation; of gradient flow about as many as it takes."""
        return 2.0 * self.duration / (self.step if self.step > 0 else 0.3 * self.largest_step())

    def lacks(self, answer: str) -> str | None:
        """Return why this problem has no such answer."""
        if answer == "reduced" and self.initial == "small":
            reason = "pathways of a start that is not aligned with the tasks do not decouple"
            return f"multitasking has no reduced answer here: {reason}"
        return super().lacks(answer)

    def obstacle(self, answer: str) -> str | None:
        """Return what does not fit into memory."""
        reason = None
        if answer == "direct":
            units = self.common_units * (1 + self.domains) + 2 * self.domains * self.own_units
            reason = shortage(8.0 * 12 * self.domains * units * max(self.inputs, self.outputs), "the network")
        return f"multitasking has no {answer} answer here: {reason}" if reason else super().obstacle(answer)

    def remark(self) -> str | None:
        """Return what theory leaves out."""
        remarks = ["theory is gradient flow, the limit step → 0"] if self.step > 0 else []
        for units, whose in ((self.common_units, "common"), (self.own_units, "own")):
            if 0 < units < len(self.mode_strengths()):
                remarks.append(f"share = {self.share:g} leaves {whose} units for the strongest modes alone ({units})")
        if self.initial == "small":
            remarks.append("theory treats small random weights as aligned pathways of the strengths that grow")
        return "; ".join(remarks) or None

    def answer_label(self, answer: str) -> str:
        """Return what a picture calls an answer: theory of small random weights is that of aligned pathways."""
        small = answer == "theory" and self.initial == "small"
        return "theory of aligned pathways" if small else super().answer_label(answer)

    def start(self, tasks: int) -> Array:
        """Return the strengths ε, δ, e, d of the pathways at the start, shape (4, modes), for so many tasks."""
        from tsmech.theory.multitasking import typical_start

        if self.initial == "small":
            found = typical_start(self.initial_scale, self.width, self.common_units, self.own_units, tasks)
        else:
            common, own = (
                (self.initial_strength * units / self.width) ** 0.5 for units in (self.common_units, self.own_units)
            )
            found = (common, common, own, own)
        units = np.repeat([self.common_units, self.own_units], 2)
        return np.array(found)[:, None] * (np.arange(len(self.mode_strengths())) < units[:, None])

    # Answers

    def theory_curve(self) -> Curve:
        """Return the prediction: the race of both pathways, mode by mode."""
        from tsmech.theory.multitasking import Pathways, half_times, race

        times, s = self.times(), self.mode_strengths()
        found = race(times, s, Pathways(*self.start(self.domains)), self.domains)
        after = Pathways(found.encoder[-1], *self.start(1)[1:])
        half = half_times(s, Pathways(*self.start(self.domains)), self.domains), half_times(s, after, 1)
        return self._curve(found.total, found.common, half)

    def reduced_curve(self, rng: np.random.Generator) -> Curve:
        """Return the strengths of aligned pathways, step by step, each output domain by itself."""
        from tsmech.sims.multitasking import race

        times, s, K = self.times(), self.mode_strengths(), self.domains
        found = race(self.start(K), s, K, times, self.step)
        total, common = _read(found, K)
        new = total[:0]
        if len(found) == len(times):
            after = np.vstack([found[-1][:1], self.start(1)[1:]])
            new = _read(race(after, s, 1, self._times_of_a_new_task(), self.step), 1)[0].mean(axis=1)
        error = ((s - total) ** 2).sum(axis=2).mean(axis=1) / 2
        crosstalk = (common**2).sum(axis=2).mean(axis=1) / 2
        half = self._half(total.mean(axis=1), new)
        return self._curve(total.mean(axis=1), common.mean(axis=1), half, error, crosstalk)

    def direct_curve(self, rng: np.random.Generator) -> Curve:
        """Return one training of all weights, and then of a task to a new output domain."""
        from tsmech.sims import multitasking as sims

        directions, first, second = rng.spawn(3)
        mapping, weights = self._first([directions, first])
        states = list(sims.train(weights, mapping, self.times(), self.step))
        found = sims.measure(iter(states), mapping)
        new = found.strengths[:0]
        if len(states) == len(self.times()):
            fresh = sims.draw_mapping(self.mode_strengths(), 1, self.inputs, self.outputs, directions)
            added = mapping._replace(outputs=fresh.outputs)
            weights = sims.new_output(
                states[-1], self._weights(added, second, 1), added, aligned=self.initial == "aligned"
            )
            new = sims.measure(sims.train(weights, added, self._times_of_a_new_task(), self.step), added).strengths
        half = self._half(found.strengths, new)
        return self._curve(found.strengths, found.common, half, found.error, found.crosstalk)

    def _first(self, streams: Sequence[np.random.Generator]) -> "tuple[Mapping, Weights]":
        """Return the tasks and the first weights, each drawn from a stream of its own."""
        from tsmech.sims import multitasking as sims

        directions, first = streams
        mapping = sims.draw_mapping(self.mode_strengths(), self.domains, self.inputs, self.outputs, directions)
        return mapping, self._weights(mapping, first, self.domains)

    def _weights(self, mapping: "Mapping", rng: np.random.Generator, tasks: int) -> "Weights":
        from tsmech.sims import multitasking as sims

        units = self.common_units, self.own_units
        if self.initial == "small":
            return sims.random_weights(mapping, self.initial_scale, self.width, *units, rng)
        return sims.aligned_weights(mapping, self.start(tasks), *units, rng)

    def _half(self, total: Array, new: Array) -> tuple[Array, Array]:
        """Return when the tasks, and new ones afterwards, are half learnt, each of shape (modes,)."""
        s, times, later = self.mode_strengths(), self.times(), self._times_of_a_new_task()
        return half_learnt(times[: len(total)], total, s, 2), half_learnt(later[: len(new)], new, s, 2)

    def _times_of_a_new_task(self) -> Array:
        """Return when simulations look at a new task: it may be learnt long before the first report, and is in none."""
        times = self.times()
        looks = np.geomspace(FIRST_LOOK * times[-1], times[-1], LOOKS)
        return times_with_step(np.unique(np.append(times, looks)), self.step)

    def _curve(
        self,
        total: Array,
        common: Array,
        half: tuple[Array, Array],
        error: Array | None = None,
        crosstalk: Array | None = None,
    ) -> Curve:
        """Return the curve of an answer; errors that are not given are those of the modes.

        Parameters
        ----------
        total, common
            Strengths of a task and of its common pathway, shape (T, modes).
        half
            When tasks are half learnt, and new ones afterwards, each of shape (modes,).
        error, crosstalk
            Of one task alone, and of what a common pathway sends where it should not, shape (T,).
        """
        s, every = self.mode_strengths(), self.times()
        times = every[: len(total)]
        if error is None:
            error = ((s - total) ** 2).sum(axis=1) / 2
        if crosstalk is None:
            crosstalk = (common**2).sum(axis=1) / 2
        others = (self.at_once or self.domains) - 1
        found = {
            "strengths": total,
            "common": common,
            "train_error": error,
            "multitask_error": error + others * crosstalk,
            "interference": others * crosstalk,
        }
        summaries = dict(zip(("learning_time", "transfer_time"), half, strict=True))
        ended = float(every[len(total)]) if len(total) < len(every) else None
        return Curve.along("time", times, found, summaries=summaries, diverged_at=ended)


def _read(found: Array, tasks: int) -> tuple[Array, Array]:
    """Return the strengths of tasks and of their common pathways, shapes (T, K, modes), from those of all pathways."""
    decoders, own_encoders, own_decoders = found[:, 1:].reshape(len(found), 3, tasks, -1).transpose(1, 0, 2, 3)
    common = found[:, :1] * decoders
    return common + own_encoders * own_decoders, common
