"""Linear teachers, drawn or from a user's table, and the noisy examples by which they are known."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.problem.files import read_table
from tsmech.problem.parameters import Numbers, parameter
from tsmech.problem.system import System

if TYPE_CHECKING:
    from tsmech.sims.deep_network import Teacher
    from tsmech.theory.deep_linear import Sizes

Array = NDArray[np.float64]

NO_NOISE = 1e-60
"""Noise up to which no number shows it, and powers of its inverse overflow."""


@dataclass(frozen=True, kw_only=True)
class LinearTeacher(System):
    """A system that learns the modes of a linear teacher from whitened examples, noisy ones perhaps."""

    inputs: int = parameter("N", "input dimension", default=8, minimum=1, range=(1, 64))
    outputs: int = parameter("C", "outputs", default=8, minimum=1, range=(1, 64))
    teacher_strengths: Numbers = parameter(
        "s", "singular values of the teacher, those above 0", default=(3.0, 2.0, 1.0), minimum=0
    )
    teacher: str | None = parameter(
        "T",
        "file of the teacher's matrix, outputs x inputs, in place of teacher_strengths, inputs and outputs",
        default=None,
        file=True,
    )
    alpha: float | None = parameter(
        "α",
        "training examples per input, P/N, at least 1; none has exact correlations",
        default=None,
        minimum=1,
        maximum=1e6,
        range=(1.0, 10.0),
    )
    noise: float = parameter(
        "σ", "standard deviation of the label noise", default=0.0, minimum=0, maximum=1e6, range=(0.0, 2.0)
    )

    def prepare(self) -> None:
        """Read the teacher if it is in a file, and check that it has modes."""
        if self.teacher is not None:
            self._read_teacher(self.teacher)
            return
        given, most = self._given(), min(self.inputs, self.outputs)
        if given.min() == 0.0:
            raise InputError("teacher_strengths has a 0: leave out what is not there")
        if given.size > most:
            raise InputError(
                f"teacher_strengths has {given.size} values: with inputs = {self.inputs} and outputs = {self.outputs} "
                f"there are at most {most} modes"
            )

    def _read_teacher(self, path: str) -> None:
        defaults = {name: declared.default for name, declared in self.parameters().items()}
        for name in ("inputs", "outputs", "teacher_strengths"):
            if getattr(self, name) != defaults[name]:
                raise InputError(f"teacher and {name} are both given: the file has sizes and strengths of its own")
        matrix = read_table(path, "teacher")
        if not np.any(matrix):
            raise InputError(f"teacher = {path} is not allowed: it holds zeros alone")
        from tsmech.sims.deep_network import teacher_of

        object.__setattr__(self, "_from_file", teacher_of(matrix))

    @property
    def _known(self) -> "Teacher | None":
        """The teacher from the file, or None where it is drawn."""
        return self.__dict__.get("_from_file")

    def sizes(self) -> tuple[int, int]:
        """Return the numbers of inputs and outputs."""
        known = self._known
        return (len(known.inputs), len(known.outputs)) if known else (self.inputs, self.outputs)

    def _given(self) -> Array:
        return np.asarray(self.teacher_strengths, float) if self._known is None else self._known.strengths

    def mode_strengths(self) -> Array:
        """Return the singular values of the teacher, decreasing, shape (modes,)."""
        return self._given()[self.mode_order()]

    def mode_order(self) -> NDArray[np.intp]:
        """Return which of ``teacher_strengths`` each mode has, those of a file as they are."""
        return np.argsort(-self._given(), kind="stable")

    @property
    def noisy(self) -> bool:
        """Whether the training correlations are a noisy draw."""
        return self.alpha is not None and self.noise > NO_NOISE

    @property
    def examples(self) -> int:
        """The number of training examples P of a noisy draw, 0 where there is none."""
        inputs = self.sizes()[0]
        return max(inputs, round(self.alpha * inputs)) if self.alpha is not None and self.noisy else 0

    def noisy_sizes(self) -> "Sizes":
        """Return the numbers that the law of noisy correlations depends on."""
        from tsmech.theory.deep_linear import Sizes

        return Sizes(*self.sizes(), self.examples, self.noise)

    def strongest(self) -> float:
        """Return the largest singular value of what is learnt: with noise its limit of many inputs."""
        from tsmech.theory.deep_linear import outlier

        s = self.mode_strengths()
        return float(outlier(s, self.noisy_sizes())[0].max()) if self.noisy else float(s.max())

    def draw_teacher(self, rng: np.random.Generator) -> "Teacher":
        """Return the teacher of one network: from the file, or with modes in random directions."""
        from tsmech.sims import deep_network as sims

        return self._known or sims.draw_teacher(self.mode_strengths(), *self.sizes(), rng)

    def residual(self) -> float:
        """Return the mean square of a label's noise, summed over outputs."""
        return self.noise**2 * self.sizes()[1]
