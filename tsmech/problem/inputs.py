"""The covariance of the inputs: parameters that describe its spectrum by name, by a file or by arrays."""

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.machine.memory import shortage
from tsmech.problem.columns import Columns
from tsmech.problem.files import KINDS, read_table, state
from tsmech.problem.parameters import LARGEST, LARGEST_DIMENSION, Numbers, parameter
from tsmech.problem.system import System
from tsmech.theory.spectra import Spectrum, covariance_eigenvalues, power_law, two_level

NAMES = ("isotropic", "two_level", "power_law")
SHAPES = {"ratio": "two_level", "fraction": "two_level", "exponent": "power_law"}
"""Which law each of the parameters that shape a spectrum belongs to."""

GAP = 1e3
"""Ratio of the next eigenvalue to a small one from which the small one can be the rounding of a zero."""

FAINT = 1e-3
"""Least size of rounding in units of ε times the largest eigenvalue: smaller values are taken as they are."""

DIMENSION = 400
"""Default input dimension of the simulations, unless eigenvalues are given."""


@dataclass(frozen=True, kw_only=True)
class GaussianInputs(System):
    """A system with P = alpha N Gaussian examples of a linear teacher, whose covariance a spectrum describes.

    A system declares ``alpha`` and ``signal`` itself, in its own order and with its own symbols.
    """

    alpha: float
    signal: float
    dimension: int = parameter(  # a whole number once it is resolved
        "N",
        f"input dimension of the simulations (default: {DIMENSION}, or the next multiple of given eigenvalues)",
        default=None,
        minimum=1,
        maximum=LARGEST_DIMENSION,
        scale="logarithmic",
        range=(50.0, 2000.0),
    )
    spectrum: str = parameter(
        "s",
        "eigenvalues of the inputs' covariance: a law by name (mean 1), or a file of eigenvalues (one column) or of a "
        f"data matrix (one example a row): {KINDS}",
        default="isotropic",
        choices=NAMES,
        file=True,
    )
    columns: str | None = parameter(
        "c",
        "which columns of the spectrum's file: names or numbers from 0 (0,2,age), -id,-3 to leave columns out, all to "
        "take even an index",
        default=None,
    )
    standardise: bool = parameter(
        "z", "divide each column of the spectrum's data matrix by its standard deviation", default=False
    )
    ratio: float = parameter(
        "r",
        "two_level: the larger eigenvalue over the smaller",
        default=10.0,
        minimum=0,
        exclusive=True,
        scale="logarithmic",
        range=(1.0, 1000.0),
    )
    fraction: float = parameter(
        "f",
        "two_level: fraction of directions with the larger eigenvalue",
        default=0.5,
        minimum=0,
        maximum=1,
        exclusive=True,
        range=(0.05, 0.95),
    )
    exponent: float = parameter(
        "a", "power_law: the k-th eigenvalue falls as k^-a, k = 1..N", default=1.0, minimum=0, range=(0.0, 3.0)
    )
    eigenvalues: Numbers | None = parameter(
        "s",
        "eigenvalues of the inputs' covariance, at least 0, in place of spectrum; rounding of a zero is zero",
        default=None,
    )
    teacher_weights: Numbers | None = parameter(
        "t", "mean square teacher weight along each eigenvalue, in place of signal", default=None, minimum=0
    )

    def __post_init__(self) -> None:
        """Check each parameter, and that the spectrum is valid."""
        super().__post_init__()
        object.__setattr__(self, "dimension", self._resolved_dimension())
        self.population()

    @property
    def isotropic(self) -> bool:
        """Whether all directions of the input are alike, so that closed forms and reductions hold."""
        return self.spectrum == "isotropic" and self.eigenvalues is None

    def population(self) -> Spectrum:
        """Return the spectrum of the inputs, or raise ``InputError`` where the parameters contradict each other."""
        self._refuse_what_has_no_effect()
        if self.eigenvalues is not None:
            if self.spectrum != "isotropic":
                raise InputError(f"eigenvalues and spectrum = {self.spectrum} are both given: give one")
            values = without_rounding(np.array(self.eigenvalues))
            if (values < 0).any():
                first = int(np.argmax(values < 0))
                raise InputError(f"eigenvalues[{first}] = {values[first]:g} is not allowed: it must be at least 0")
            return self._given(values)
        if self.spectrum not in NAMES:
            return self._given(read_eigenvalues(self.spectrum, self.columns, self.standardise))
        self._refuse_weights()
        if self.spectrum == "isotropic":
            return _isotropic(self.signal)
        if self.spectrum == "two_level":
            return two_level(self.ratio, self.fraction, self.signal)
        count = self.dimension or DIMENSION
        if short := shortage(8.0 * count, "a power law of so many eigenvalues"):
            raise InputError(f"dimension = {self.dimension} is not allowed: {short}")
        return _power_law(self.exponent, count, self.signal)

    def lacks(self, answer: str) -> str | None:
        """Return why this problem has no such answer: no reduction of anisotropic inputs, or none of a direction."""
        if answer == "reduced" and not self.isotropic:
            return f"{self.name} has no reduced answer for an anisotropic spectrum: it breaks the rotation invariance"
        few = self._too_few() if answer == "direct" else None
        return few or super().lacks(answer)

    def obstacle(self, answer: str) -> str | None:
        """Return that a simulation of P = alpha N examples does not fit into memory, or None where it does."""
        if self.answers[answer].predicts:
            return super().obstacle(answer)
        N, P = float(self.dimension), max(1.0, self.alpha * self.dimension)
        if answer == "direct":
            short = shortage(8 * N * P, f"the training set of {P:.6g} x {N:.6g} numbers")
        else:
            short = shortage(8 * min(N, P), f"a reduction to {min(N, P):.6g} numbers")
        reason = f"{self.name} has no {answer} answer here: {short}: lower alpha or dimension" if short else None
        return reason or super().obstacle(answer)

    def _refuse_what_has_no_effect(self) -> None:
        declared = self.parameters()
        for name, law in SHAPES.items():
            value = getattr(self, name)
            if value != declared[name].default and self.spectrum != law:
                raise InputError(
                    f"{name} = {value:g} has no effect with spectrum = {self.spectrum}: it shapes {law} alone"
                )
        for name, effect in (("columns", "it chooses from"), ("standardise", "it scales the columns of")):
            if getattr(self, name) and self.spectrum in NAMES:
                raise InputError(
                    f"{name} = {getattr(self, name)} has no effect with spectrum = {self.spectrum}: {effect} a file"
                )

    def _given(self, values: NDArray[np.float64]) -> Spectrum:
        """Return the spectrum of given eigenvalues, or refuse them."""
        if not values.any():
            raise InputError("the eigenvalues are all zero: at least one must be above 0")
        least = values[values > 0].min()
        if not 1 / LARGEST <= least <= values.max() <= LARGEST:
            raise InputError(
                f"the eigenvalues range from {least:g} to {values.max():g}: they must be 0, or between {1 / LARGEST:g} "
                f"and {LARGEST:g}"
            )
        self._refuse_weights(values.size)
        weights = self.signal if self.teacher_weights is None else self.teacher_weights
        return Spectrum(values, teacher_weights=weights)

    def _refuse_weights(self, count: int = 0) -> None:
        """Refuse teacher weights that are not those of as many given eigenvalues, or that contradict the signal."""
        if self.teacher_weights is None:
            return
        if (size := np.size(self.teacher_weights)) != count:
            raise InputError(
                f"teacher_weights of {size} values are not allowed: they must be as many as given eigenvalues"
            )
        if self.signal != 1.0:
            raise InputError(f"teacher_weights and signal = {self.signal:g} are both given: give one")

    def _resolved_dimension(self) -> int:
        """Return the input dimension N of the simulations.

        With given eigenvalues N is a multiple of their number, so that a simulation has exactly their spectrum.
        """
        given = self.eigenvalues is not None or self.spectrum not in NAMES
        count = self.population().eigenvalues.size if given else 1
        dimension: int = self.dimension or count * -(-DIMENSION // count)
        if dimension % count:
            raise InputError(
                f"dimension = {dimension} is not allowed: it must be a multiple of the {count} eigenvalues"
            )
        return dimension

    def _too_few(self) -> str | None:
        """Return why N directions cannot have this spectrum, or None: each eigenvalue needs at least one."""
        if self.spectrum == "two_level" and round(self.fraction * self.dimension) in (0, self.dimension):
            return (
                f"dimension = {self.dimension} is not allowed for direct: fraction = {self.fraction:g} of it leaves "
                "one of the two eigenvalues without a direction"
            )
        return None


@functools.lru_cache(maxsize=64)
def _isotropic(signal: float) -> Spectrum:
    """Return the isotropic spectrum, which most points of a sweep share."""
    return Spectrum([1.0], teacher_weights=signal)


def _power_law(exponent: float, dimension: int, signal: float) -> Spectrum:
    steepest = np.log(LARGEST) / np.log(max(dimension, 2))
    if exponent >= steepest:
        raise InputError(
            f"exponent = {exponent:g} is not allowed with dimension = {dimension}: it must be below {steepest:.4g}, "
            f"or the smallest eigenvalue is below {1 / LARGEST:g} of the largest"
        )
    return power_law(exponent, dimension, signal)


def without_rounding(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return given eigenvalues with 0 in place of those that an eigensolver left within rounding of it.

    No covariance has a negative eigenvalue: where one is at most n ε of the largest in size, so far all are rounding.
    Without a negative one they must look like it: of the size of ε times the largest, or of ε² (squared singular
    values), and far below the next.  Other small values are meant: a steep law, or units far apart.
    """
    size = np.finfo(float).eps * values.max()
    small = np.abs(values) <= values.size * size
    left = values[small & (values > 0)] / size if size > 0 else values[:0]
    if (small & (values < 0)).any():
        return np.where(small, 0.0, values)
    if left.size and left.max() * GAP < values[~small].min() / size and _of_roundings_size(left.max(), values.size):
        return np.where(small, 0.0, values)
    return values


def _of_roundings_size(largest: float, count: int) -> bool:
    """Return whether a value in units of ε times the largest is one of ε, or of ε² as squared singular values are."""
    squared = largest / np.finfo(float).eps
    return bool(largest >= FAINT or FAINT**2 <= squared <= count**2)


def read_eigenvalues(path: str, columns: str | None = None, standardise: bool = False) -> NDArray[np.float64]:
    """Return the eigenvalues in a file, in its order, or those of the covariance of its data matrix, descending.

    A table of one column (or one row) holds eigenvalues; any other has one example a row, and its covariance is
    taken about the mean, divided by the number of rows.
    """
    return _eigenvalues(path, *state(path, "spectrum", NAMES), columns, standardise)


@functools.lru_cache(maxsize=16)
def _eigenvalues(path: str, changed: int, size: int, columns: str | None, standardise: bool) -> NDArray[np.float64]:
    table = read_table(path, "spectrum", Columns(columns, parameter=True))
    if 1 not in table.shape:
        return covariance_eigenvalues(table, standardise)
    if standardise:
        raise InputError(f"standardise = True is not allowed: spectrum = {path} holds eigenvalues, not a data matrix")
    given = without_rounding(table.ravel())
    if (given < 0).any():
        raise InputError(f"spectrum = {path} holds {given.min():g}: eigenvalues must be at least 0")
    return given
