"""The spectrum of the inputs' covariance, as parameters say it: by name, from a file, or as arrays."""

import csv
import functools
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.systems.parameters import parameter

NAMES = ("isotropic", "two_level", "power_law")
DIMENSION = 400
"""Input dimension of the simulations where neither a number nor eigenvalues say otherwise."""
LARGEST = 1e100
"""Largest number in a file, so that a covariance does not overflow."""


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
        "help": "eigenvalues of the inputs' covariance: a law by name (mean 1), or a .csv, .parquet or .npy file of "
        "eigenvalues (one column) or of a data matrix (one example a row), used as they are",
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
        "help": "eigenvalues of the inputs' covariance, in place of spectrum",
        "default": None,
        "minimum": 0,
    },
    "teacher_weights": {
        "symbol": "t",
        "help": "mean square teacher weight along each eigenvalue, in place of signal",
        "default": None,
        "minimum": 0,
    },
    "dimension": {
        "symbol": "N",
        "help": f"input dimension of the simulations (default: {DIMENSION}, or the next multiple of given eigenvalues)",
        "default": None,
        "minimum": 1,
    },
}


def declare(name: str) -> Any:
    """Declare a field that describes the inputs: the same in every system that has it."""
    return parameter(**_FIELDS[name])


def resolve(system: Any) -> Spectrum:
    """Return the spectrum that a system's fields describe, or raise :class:`InputError` where they contradict."""
    if system.eigenvalues is not None:
        if system.spectrum != "isotropic":
            raise InputError(f"eigenvalues and spectrum = {system.spectrum} are both given: give one")
        values = np.array(system.eigenvalues)
    elif system.spectrum == "two_level":
        from tsmech.theory.spectra import two_level

        values, shares = two_level(system.ratio, system.fraction)
        return _with_teacher(system, values, shares)
    elif system.spectrum == "power_law":
        from tsmech.theory.spectra import power_law

        values = power_law(system.exponent, system.dimension or DIMENSION)
    elif system.spectrum == "isotropic":
        values = np.ones(1)
    else:
        values = read_eigenvalues(system.spectrum)
    if not values.any():
        raise InputError("the eigenvalues are all zero: at least one must be above 0")
    return _with_teacher(system, values, np.full(values.size, 1.0 / values.size))


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


def read_eigenvalues(path: str) -> NDArray[np.float64]:
    """Return the eigenvalues in a file, in its order, or those of the covariance of its data matrix, descending.

    A table of one column (or one row) holds eigenvalues; any other has one example a row, and its covariance is
    taken about the mean, divided by the number of rows.
    """
    try:
        changed = os.stat(path).st_mtime_ns
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(
            f"spectrum = {path!r} is not allowed: it is none of {', '.join(NAMES)}, and no file can be read ({reason})"
        ) from None
    return _read_eigenvalues(path, changed)


@functools.lru_cache(maxsize=16)
def _read_eigenvalues(path: str, changed: int) -> NDArray[np.float64]:
    table = _read_table(path)
    if table.size == 0:
        raise InputError(f"spectrum = {path} holds no numbers")
    if (np.abs(table) > LARGEST).any() or not np.isfinite(table).all():
        row, column = np.argwhere(~(np.abs(table) <= LARGEST))[0]
        raise InputError(
            f"spectrum = {path} holds {table[row, column]:g} in row {row + 1}, column {column + 1} of its numbers: "
            f"they must be finite and at most {LARGEST:g}"
        )
    if 1 in table.shape:
        given: NDArray[np.float64] = table.ravel()
        if (given < 0).any():
            raise InputError(f"spectrum = {path} holds {given.min():g}: eigenvalues must be at least 0")
        return given
    centred = table - table.mean(axis=0)
    values = np.linalg.eigvalsh(centred.T @ centred / len(table))[::-1]
    # A covariance has no negative eigenvalue: what is below rounding of the largest is a direction of no variance.
    return np.where(values > values.max() * len(values) * np.finfo(float).eps, values, 0.0)


def _read_table(path: str) -> NDArray[np.float64]:
    suffix = Path(path).suffix.lower()
    try:
        if suffix == ".npy":
            with open(path, "rb") as file:
                array = np.lib.format.read_array(file, allow_pickle=False)
            if array.ndim > 2 or array.dtype.kind not in "fiu":
                raise ValueError("it is not one array of numbers with one or two axes")
            return np.atleast_2d(array.astype(float))
        if suffix in (".parquet", ".pq"):
            return _read_parquet(path)
        if suffix in (".csv", ".txt", ".tsv"):
            return _read_csv(path)
    except (OSError, ValueError, EOFError, csv.Error) as error:
        raise InputError(f"spectrum = {path} cannot be read as a table of numbers: {error}") from None
    raise InputError(f"spectrum = {path} is not allowed: the file must end in .csv, .tsv, .txt, .parquet or .npy")


def _read_parquet(path: str) -> NDArray[np.float64]:
    try:
        import pyarrow.parquet
    except ImportError:
        raise InputError(f"spectrum = {path} needs Parquet support: pip install 'tsmech[data]'") from None
    table = pyarrow.parquet.read_table(path)
    for name, kind in zip(table.column_names, table.schema.types, strict=True):
        if not (pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind)):
            raise ValueError(f"column {name} holds {kind}")
    return np.column_stack([column.to_numpy().astype(float) for column in table.columns])


def _read_csv(path: str) -> NDArray[np.float64]:
    with open(path, newline="", encoding="utf-8-sig") as file:
        lines = [line for line in file if line.strip()]
    if not lines:
        raise ValueError("it is empty")
    separator = next((s for s in ("\t", ";", ",") if s in lines[0]), ",")
    rows = list(csv.reader(lines, delimiter=separator))
    first = 0 if any(_is_number(cell) for cell in rows[0]) else 1
    for number, row in enumerate(rows[first:], start=first + 1):
        if len(row) != len(rows[0]):
            raise ValueError(f"row {number} has {len(row)} cells, the first row {len(rows[0])}")
        for column, cell in enumerate(row, start=1):
            if not _is_number(cell):
                raise ValueError(f"row {number}, column {column} holds {cell!r}")
            if not abs(float(cell)) <= LARGEST:
                raise ValueError(f"{cell} in row {number}, column {column}: numbers must be at most {LARGEST:g}")
    return np.array([[float(cell) for cell in row] for row in rows[first:]])


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell
