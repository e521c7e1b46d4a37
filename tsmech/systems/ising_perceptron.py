"""A perceptron with binary weights that learns from a teacher with binary weights."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tsmech.errors import InputError
from tsmech.machine.memory import shortage
from tsmech.problem.curve import Curve
from tsmech.problem.observables import SHARE, Observable
from tsmech.problem.parameters import parameter
from tsmech.problem.references import ENGEL_VAN_DEN_BROECK, SEUNG_SOMPOLINSKY_TISHBY, Reference
from tsmech.problem.system import Convergence, System

BRANCHES = ("stable", "poor", "perfect")
METHODS = ("quenched", "annealed", "high_temperature")
SAMPLERS = ("auto", "enumeration", "metropolis", "tempering")
COLD = 0.3
"""Temperature below which auto tempers: there it equilibrates more points than as many sweeps of Metropolis' method."""


@dataclass(frozen=True, kw_only=True)
class IsingPerceptron(System):
    r"""Gibbs learning of a binary perceptron: the sudden transition to perfect generalization.

    Student and teacher have weights ±1.  Students have the weight :math:`e^{-E/T}`, E the number of the P = alpha N
    noiseless labels that they get wrong.  Theory has two branches: ``poor`` (R < 1), which ends at the spinodal, beyond
    which it is not a number, and ``perfect`` (R = 1); ``stable`` is the one of the lower free energy (at T = 0 of the
    higher entropy).  The derivation is in ``theory/ising_perceptron.md``.

    Notes
    -----
    ``direct`` enumerates all students up to N = 30 and takes Metropolis' method beyond, by two chains: from a random
    student and from the teacher.  Of the ``poor`` branch it reports the first, of the ``perfect`` one the second, and
    of the ``stable`` one the mean of both, which means something where ``equilibrated`` is 1.  Below T = 0.3 the
    ``stable`` branch is sampled by parallel tempering: either chain is then the coldest of a ladder of temperatures
    whose students are exchanged, which costs ``temperatures`` times as much and also gives the free energy.

    Examples
    --------
    >>> import tsmech
    >>> print("{:.4f} {:.4f}".format(*tsmech.ising_transition(0.0)))
    1.2447 1.4926
    """

    name = "ising_perceptron"
    title = "A binary perceptron and its transition to perfect generalization"
    observables: ClassVar = {
        "R": Observable("R", "cosine of student and teacher", undefined=True),
        "q": Observable("q", "cosine of two students", undefined=True),
        "generalization_error": Observable(
            "ε", "generalization error", "probability of disagreeing with the teacher", undefined=True, bounds=SHARE
        ),
        "train_error": Observable("ε_train", "training error", "share of wrong labels", undefined=True, bounds=SHARE),
        "free_energy": Observable("F", "free energy", "per weight", undefined=True),
        "entropy": Observable("S", "entropy", "per weight", undefined=True),
        "physical": Observable("ph", "whether the entropy is not negative", undefined=True),
        "transition": Observable("α_t", "transition to perfect generalization"),
        "spinodal": Observable("α_s", "end of the poor branch"),
        "R_random": Observable("R_random", "cosine with the teacher, chain from a random student"),
        "R_teacher": Observable("R_teacher", "cosine with the teacher, chain from the teacher"),
        "temperatures": Observable("K", "temperatures of the ladder of parallel tempering"),
        "autocorrelation_time": Observable("τ", "autocorrelation time", "sweeps"),
        "burn_in": Observable("b", "burn-in", "autocorrelation times"),
        "equilibrated": Observable("eq", "equilibrated"),
    }
    references = (
        Reference(
            "G. Györgyi",
            1990,
            "First-order transition to perfect generalization in a neural network with binary synapses",
            "Phys. Rev. A 41, 7097",
        ),
        Reference(
            "H. Sompolinsky, N. Tishby, H. S. Seung",
            1990,
            "Learning from examples in large neural networks",
            "Phys. Rev. Lett. 65, 1683",
        ),
        SEUNG_SOMPOLINSKY_TISHBY,
        ENGEL_VAN_DEN_BROECK,
    )
    pictured = ("R", "generalization_error")
    stated = ("temperature",)
    checks = (
        {"alpha": 0.5, "temperature": 1.0, "sweeps": 200},
        {"alpha": 1.0, "temperature": 1.0, "sweeps": 200},
        {"alpha": 1.5, "temperature": 2.0, "sweeps": 200},
    )
    convergence = Convergence("dimension", (40, 80, 160, 320))

    alpha: float = parameter("α", "training examples per weight, P/N", minimum=0, exclusive=True, range=(0.1, 4.0))
    temperature: float = parameter("T", "temperature, in wrong labels", default=0.0, minimum=0, range=(0.0, 2.0))
    branch: str = parameter(
        "branch", "which solution of theory; where the chains of direct begin", default="stable", choices=BRANCHES
    )
    method: str = parameter("method", "how theory averages over the examples", default="quenched", choices=METHODS)
    sampler: str = parameter(
        "sampler",
        "how direct averages over students: auto enumerates up to N = 30, and tempers below T = 0.3",
        default="auto",
        choices=SAMPLERS,
    )
    sweeps: int = parameter(
        "n_s",
        "sweeps that each of the two chains of direct records, after half as many",
        default=1000,
        minimum=10,
        maximum=10**7,
        scale="logarithmic",
        range=(100, 10_000),
    )
    dimension: int = parameter(
        "N",
        "number of weights of the simulation",
        default=20,
        minimum=2,
        maximum=10**6,
        scale="logarithmic",
        range=(10, 1000),
    )

    def __post_init__(self) -> None:
        """Check each parameter, and that they fit together."""
        super().__post_init__()
        from tsmech.theory.ising_perceptron import HOTTEST

        least = max(1.0, self.temperature) / HOTTEST
        if self.temperature > HOTTEST:
            raise InputError(f"temperature = {self.temperature:g} is not allowed: it must be at most {HOTTEST:g}")
        if self.alpha < least:
            raise InputError(
                f"alpha = {self.alpha:g} is not allowed with temperature = {self.temperature:g}: it must be at least "
                f"{least:g}, below which nothing is learnt"
            )
        if self.method == "high_temperature" and self.temperature == 0.0:
            raise InputError("temperature = 0 is not allowed with method = high_temperature: it must be above 0")
        if self.sampler in ("enumeration", "tempering") and self.branch != "stable":
            raise InputError(
                f"branch = {self.branch} is not allowed with sampler = {self.sampler}, which keeps to no branch: it "
                "must be stable"
            )
        if self.sampler == "enumeration":
            from tsmech.sims.enumeration import LARGEST

            if self.dimension > LARGEST:
                raise InputError(
                    f"dimension = {self.dimension} is not allowed with sampler = enumeration: at most {LARGEST} is"
                )

    @property
    def examples(self) -> int:
        """Number of training examples."""
        return max(1, round(self.alpha * self.dimension))

    @property
    def samples_by(self) -> str:
        """How direct averages over students here: the sampler, auto decided."""
        from tsmech.sims.enumeration import LARGEST

        if self.sampler != "auto":
            return self.sampler
        if self.branch != "stable":
            return "metropolis"
        if self.dimension <= LARGEST:
            return "enumeration"
        return "tempering" if self.temperature < COLD else "metropolis"

    def lacks(self, answer: str) -> str | None:
        """Return why this problem has no such answer: no reduction is known."""
        if answer == "reduced":
            return "ising_perceptron has no reduced answer: no symmetry of binary weights makes coordinates superfluous"
        return super().lacks(answer)

    def obstacle(self, answer: str) -> str | None:
        """Return what does not fit into memory."""
        if answer == "direct":
            P, N = float(self.examples), float(self.dimension)
            tables = 16.0 * P * 2.0 ** (N / 2.0 + 1.0) if self.samples_by == "enumeration" else 24.0 * P * N
            if short := shortage(tables, f"a training set of {P:g} x {N:g}"):
                return f"ising_perceptron has no direct answer here: {short}: lower dimension or alpha"
        return super().obstacle(answer)

    def remark(self) -> str | None:
        """Return that theory is asked for an approximation, or that a branch is unphysical."""
        if self.method != "quenched":
            return "annealed and high_temperature are approximations of theory: direct need not agree with them"
        from tsmech.theory.ising_perceptron import solve

        state = solve(self.alpha, self.temperature, self.branch)
        if state is not None and state.entropy < 0.0:
            return "the replica-symmetric entropy is negative: the poor branch is unphysical here"
        return None

    def line_points(self) -> int:
        """Return at how many values of a parameter a picture computes theory."""
        return 100

    def theory_curve(self) -> Curve:
        """Return the branch that is asked for; no numbers where there is none."""
        from tsmech.theory.ising_perceptron import ising_transition, solve

        ends = ising_transition(self.temperature, self.method)
        state = solve(self.alpha, self.temperature, self.branch, self.method)
        found = {"transition": ends.transition, "spinodal": ends.spinodal}
        names = ("R", "generalization_error", "train_error", "entropy")
        if state is None:
            return Curve.point(found | dict.fromkeys((*names, "q", "free_energy", "physical"), math.nan))
        found |= {name: getattr(state, name) for name in names}
        found["free_energy"] = 0.0 - self.temperature * state.log_partition
        found["physical"] = float(state.entropy >= 0.0)
        return Curve.point(found if state.q is None else found | {"q": state.q})

    def direct_curve(self, rng: np.random.Generator) -> Curve:
        """Return the Gibbs means of one training set, over all students or those that Markov chains meet."""
        from tsmech.sims.ising_perceptron import enumerate_students, sample_students, temper_students

        size = self.examples, self.temperature, self.dimension
        if self.samples_by == "enumeration":
            return Curve.point(enumerate_students(*size, rng))
        if self.samples_by == "tempering":
            return Curve.point(temper_students(*size, self.sweeps, rng))
        return Curve.point(sample_students(*size, self.sweeps, self.branch, rng))
