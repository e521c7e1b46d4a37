"""Where online learning starts: overlaps given as matrices, or drawn at a finite dimension N."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.problem.parameters import Numbers, numbers

Matrix = Sequence[Sequence[float]] | NDArray[Any]


@dataclass(frozen=True)
class Overlaps:
    """The overlaps of a student of K units and a teacher of M units, and their second layers.

    Parameters
    ----------
    Q
        Student-student overlaps w·w/N, shape (K, K), symmetric.
    R
        Student-teacher overlaps w·b/N, shape (K, M).
    T
        Teacher-teacher overlaps b·b/N, shape (M, M), symmetric; by default the unit matrix.
    v, A
        Second layers of the student, shape (K,), and of the teacher, shape (M,); by default ones.

    Raises
    ------
    InputError
        Where shapes do not fit, a matrix is not symmetric, or the joint matrix has a negative eigenvalue.
    """

    Q: Matrix
    R: Matrix
    T: Matrix | None = None
    v: Numbers | None = None
    A: Numbers | None = None

    def __post_init__(self) -> None:
        """Bring all into tuples of numbers, and refuse what no two networks can have."""
        from tsmech.theory.overlaps import check_shapes, coordinates

        R = _numbers("R", self.R, 2)
        given = {"T": np.eye(R.shape[1]), "v": np.ones(R.shape[0]), "A": np.ones(R.shape[1])}
        given |= {name: _numbers(name, value, 1) for name, value in (("v", self.v), ("A", self.A)) if value is not None}
        given |= {name: _numbers(name, value, 2) for name, value in (("Q", self.Q), ("T", self.T)) if value is not None}
        check_shapes(given["Q"], R, given["T"], given["v"], given["A"])
        coordinates(given["Q"], R, given["T"])
        for name, array in {**given, "R": R}.items():
            object.__setattr__(self, name, _tuples(array))

    def arrays(self) -> tuple[NDArray[np.float64], ...]:
        """Return Q, R, T, v and A as arrays."""
        return tuple(np.array(value) for value in (self.Q, self.R, self.T, self.v, self.A))


def _numbers(name: str, value: Any, axes: int) -> NDArray[np.float64]:
    array = numbers(value)
    if array is None:
        raise InputError(f"initial: {name} is not allowed: it must be rows of numbers of equal length")
    if array.ndim != axes or not np.isfinite(array).all():
        raise InputError(f"initial: {name} of shape {array.shape} is not allowed: {axes} axes of finite numbers")
    return array


def _tuples(array: NDArray[np.float64]) -> Any:
    return tuple(map(tuple, array.tolist())) if array.ndim == 2 else tuple(array.tolist())
