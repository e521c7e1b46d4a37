"""The spectrum of the inputs' covariance, as parameters say it: by name, from a file, or as arrays."""

import functools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.machine.memory import shortage
from tsmech.problem.columns import Columns
from tsmech.problem.files import KINDS, read_table, state
from tsmech.problem.parameters import LARGEST, LARGEST_DIMENSION, parameter

NAMES = ("isotropic", "two_level", "power_law")
SHAPES = {"ratio": "two_level", "fraction": "two_level", "exponent": "power_law"}
"""Which law each of the parameters that shape a spectrum belongs to."""

GAP = 1e3
"""Ratio of the next eigenvalue to a small one from which the small one can be the rounding of a zero."""

FAINT = 1e-3
"""Least size, in units of ε times the largest, of the largest rounding of a zero: below it a value is no accident."""

DIMENSION = 400
"""Input dimension of the simulations where neither a number nor eigenvalues say otherwise."""


class Spectrum(NamedTuple):
    """Eigenvalues of the covariance, the share of directions and the mean square teacher weight of each: (n,)."""

    eigenvalues: NDArray[np.float64]
    shares: NDArray[np.float64]
    teacher_weights: NDArray[np.float64]

    def at(self, dimension: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the N eigenvalues of a simulation and the mean square teacher weight along each, both (N,)."""
        counts = np.diff(np.round(np.cumsum(self.shares) * dimension), prepend=0.0).astype(int)
        return np.repeat(self.eigenvalues, counts), np.repeat(self.teacher_weights, counts)


_FIELDS: dict[str, dict[str, Any]] = {
    "spectrum": {
        "symbol": "s",
        "help": "eigenvalues of the inputs' covariance: a law by name (mean 1), or a file of eigenvalues (one column) "
        f"or of a data matrix (one example a row): {KINDS}",
        "default": "isotropic",
        "choices": NAMES,
        "file": True,
    },
    "ratio": {
        "symbol": "r",
        "help": "two_level: the larger eigenvalue over the smaller",
        "default": 10.0,
        "minimum": 0,
        "exclusive": True,
    },
    "fraction": {
        "symbol": "f",
        "help": "two_level: fraction of directions with the larger eigenvalue",
        "default": 0.5,
        "minimum": 0,
        "maximum": 1,
        "exclusive": True,
    },
    "exponent": {
        "symbol": "a",
        "help": "power_law: the k-th eigenvalue falls as k^-a, k = 1..N",
        "default": 1.0,
        "minimum": 0,
    },
    "eigenvalues": {
        "symbol": "s",
        "help": "eigenvalues of the inputs' covariance, at least 0, in place of spectrum; rounding of a zero is zero",
        "default": None,
    },
    "teacher_weights": {
        "symbol": "t",
        "help": "mean square teacher weight along each eigenvalue, in place of signal",
        "default": None,
        "minimum": 0,
    },
    "columns": {
        "symbol": "c",
        "help": "which columns of the spectrum's file: names or numbers from 0 (0,2,age), -id,-3 to leave columns out, "
        "all to take even an index",
        "default": None,
    },
    "standardise": {
        "symbol": "z",
        "help": "divide each column of the spectrum's data matrix by its standard deviation",
        "default": False,
    },
    "dimension": {  # a whole number once it is resolved
        "symbol": "N",
        "help": f"input dimension of the simulations (default: {DIMENSION}, or the next multiple of given eigenvalues)",
        "default": None,
        "minimum": 1,
        "maximum": LARGEST_DIMENSION,
    },
}


def declare(name: str) -> Any:
    """Declare a field that describes the inputs: the same in every system that has it."""
    return parameter(**_FIELDS[name])


def resolve(system: Any) -> Spectrum:
    """Return the spectrum that a system's fields describe, or raise ``InputError`` where they contradict."""
    described = tuple(getattr(system, name) for name in _Described._fields)
    return _resolve(_Described(*described)) if system.spectrum in NAMES else _resolve.__wrapped__(system)


class _Described(NamedTuple):
    """The fields of a system that its spectrum depends on."""

    spectrum: str
    ratio: float
    fraction: float
    exponent: float
    eigenvalues: Any
    teacher_weights: Any
    columns: str | None
    standardise: bool
    dimension: int
    signal: float


@functools.lru_cache(maxsize=64)
def _resolve(system: Any) -> Spectrum:
    for name, law in SHAPES.items():
        value = getattr(system, name)
        if value != _FIELDS[name]["default"] and system.spectrum != law:
            raise InputError(
                f"{name} = {value:g} has no effect with spectrum = {system.spectrum}: it shapes {law} alone"
            )
    for name, effect in (("columns", "it chooses from"), ("standardise", "it scales the columns of")):
        if getattr(system, name) and system.spectrum in NAMES:
            raise InputError(
                f"{name} = {getattr(system, name)} has no effect with spectrum = {system.spectrum}: {effect} a file"
            )
    if system.eigenvalues is not None:
        if system.spectrum != "isotropic":
            raise InputError(f"eigenvalues and spectrum = {system.spectrum} are both given: give one")
        values = without_rounding(np.array(system.eigenvalues))
        if (values < 0).any():
            first = int(np.argmax(values < 0))
            raise InputError(f"eigenvalues[{first}] = {values[first]:g} is not allowed: it must be at least 0")
    elif system.spectrum == "two_level":
        from tsmech.theory.spectra import two_level

        values, shares = two_level(system.ratio, system.fraction)
        return _with_teacher(system, values, shares)
    elif system.spectrum == "power_law":
        if short := shortage(8.0 * (system.dimension or DIMENSION), "a power law of so many eigenvalues"):
            raise InputError(f"dimension = {system.dimension} is not allowed: {short}")
        values = _power_law(system.exponent, system.dimension or DIMENSION)
    elif system.spectrum == "isotropic":
        values = np.ones(1)
    else:
        values = read_eigenvalues(system.spectrum, system.columns, system.standardise)
    if not values.any():
        raise InputError("the eigenvalues are all zero: at least one must be above 0")
    least = values[values > 0].min()
    if not 1 / LARGEST <= least <= values.max() <= LARGEST:
        raise InputError(
            f"the eigenvalues range from {least:g} to {values.max():g}: they must be 0, or between {1 / LARGEST:g} and "
            f"{LARGEST:g}"
        )
    return _with_teacher(system, values, np.full(values.size, 1.0 / values.size))


def _power_law(exponent: float, dimension: int) -> NDArray[np.float64]:
    from tsmech.theory.spectra import power_law

    steepest = np.log(LARGEST) / np.log(max(dimension, 2))
    if exponent >= steepest:
        raise InputError(
            f"exponent = {exponent:g} is not allowed with dimension = {dimension}: it must be below {steepest:.4g}, "
            f"or the smallest eigenvalue is below {1 / LARGEST:g} of the largest"
        )
    return power_law(exponent, dimension)


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


def resolve_dimension(system: Any) -> int:
    """Return the input dimension N of a system's simulations.

    With given eigenvalues N is a multiple of their number, so that a simulation has exactly their spectrum.
    """
    given = system.eigenvalues is not None or system.spectrum not in NAMES
    count = resolve(system).eigenvalues.size if given else 1
    dimension: int = system.dimension or count * -(-DIMENSION // count)
    if dimension % count:
        raise InputError(f"dimension = {dimension} is not allowed: it must be a multiple of the {count} eigenvalues")
    return dimension


def too_few(system: Any) -> str | None:
    """Return why N directions cannot have a system's spectrum, or None: each eigenvalue needs at least one."""
    if system.spectrum == "two_level" and round(system.fraction * system.dimension) in (0, system.dimension):
        return (
            f"dimension = {system.dimension} is not allowed for direct: fraction = {system.fraction:g} of it leaves "
            "one of the two eigenvalues without a direction"
        )
    return None


def too_large(system: Any, answer: str) -> str | None:
    """Return why a simulation of P = alpha N examples does not fit into memory, or None where it does."""
    if answer == "theory":
        return None
    N, P = float(system.dimension), max(1.0, system.alpha * system.dimension)
    if answer == "direct":
        short = shortage(8 * N * P, f"the training set of {P:.6g} x {N:.6g} numbers")
    else:
        short = shortage(8 * min(N, P), f"a reduction to {min(N, P):.6g} numbers")
    return f"{system.name} has no {answer} answer here: {short}: lower alpha or dimension" if short else None


def _with_teacher(system: Any, values: NDArray[np.float64], shares: NDArray[np.float64]) -> Spectrum:
    if system.teacher_weights is None:
        return Spectrum(values, shares, np.full(values.size, system.signal))
    weights = np.array(system.teacher_weights)
    if (system.eigenvalues is None and system.spectrum in NAMES) or weights.size != values.size:
        raise InputError(
            f"teacher_weights of {weights.size} values are not allowed: they must be as many as given eigenvalues"
        )
    if system.signal != 1.0:
        raise InputError(f"teacher_weights and signal = {system.signal:g} are both given: give one")
    return Spectrum(values, shares, weights)


def read_eigenvalues(path: str, columns: str | None = None, standardise: bool = False) -> NDArray[np.float64]:
    """Return the eigenvalues in a file, in its order, or those of the covariance of its data matrix, descending.

    A table of one column (or one row) holds eigenvalues; any other has one example a row, and its covariance is
    taken about the mean, divided by the number of rows.
    """
    return _eigenvalues(path, *state(path, "spectrum", NAMES), columns, standardise)


@functools.lru_cache(maxsize=16)
def _eigenvalues(path: str, changed: int, size: int, columns: str | None, standardise: bool) -> NDArray[np.float64]:
    from tsmech.theory.spectra import covariance_eigenvalues

    table = read_table(path, "spectrum", Columns(columns, parameter=True))
    if 1 not in table.shape:
        return covariance_eigenvalues(table, standardise)
    if standardise:
        raise InputError(f"standardise = True is not allowed: spectrum = {path} holds eigenvalues, not a data matrix")
    given = without_rounding(table.ravel())
    if (given < 0).any():
        raise InputError(f"spectrum = {path} holds {given.min():g}: eigenvalues must be at least 0")
    return given
