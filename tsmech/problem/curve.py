"""The result of one answer: a curve of observables along its coordinates, or a single point."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tsmech.problem.observables import Coordinate, Observable, entries

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]
Reason = Literal["diverged", "not converged"]
BEYOND = 1e-9
"""Share of the bounds' distance by which rounding may take a value out of them."""


@dataclass(frozen=True)
class Stop:
    """Why and where a curve ends early."""

    reason: Reason
    at: float
    """The value of the numeric coordinate at which it did."""


@dataclass(frozen=True)
class Curve:
    """The result of one answer: observables along no, one or two coordinates.

    Parameters
    ----------
    observables
        By name arrays of shape (n, ...): n rows, each a number, a vector or a matrix; n = 1 without a coordinate.
    coordinates
        By name the n values of each coordinate: an array of numbers, or a tuple of names.
    summaries
        By name the values of observables that sum up the whole curve, of shape (...).
    errors
        Standard errors of a prediction that is solved by sampling, by the names of its observables, of their shapes.
    labels
        By axis of the observables the names of its indices, where they have any.
    stop
        Why the curve ends early; None where it is finished.
    """

    observables: Mapping[str, FloatArray]
    coordinates: Mapping[str, FloatArray | tuple[str, ...]] = field(default_factory=dict)
    summaries: Mapping[str, FloatArray] = field(default_factory=dict)
    errors: Mapping[str, FloatArray] = field(default_factory=dict)
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    stop: Stop | None = None

    @classmethod
    def point(cls, observables: Mapping[str, Any]) -> "Curve":
        """Return the curve of a single point from numbers, vectors or matrices by name."""
        return cls({name: np.asarray(value, dtype=float)[None] for name, value in observables.items()})

    @classmethod
    def along(
        cls,
        name: str,
        values: FloatArray,
        observables: Mapping[str, FloatArray],
        *,
        summaries: Mapping[str, Any] | None = None,
        diverged_at: float | None = None,
    ) -> "Curve":
        """Return a curve along one coordinate of numbers."""
        summed = {known: np.asarray(value, dtype=float) for known, value in (summaries or {}).items()}
        stop = None if diverged_at is None else Stop("diverged", float(diverged_at))
        return cls(observables, {name: values}, summed, stop=stop)

    @property
    def diverged_at(self) -> float | None:
        """The coordinate at which it diverged, or None."""
        return self.stop.at if self.stop is not None and self.stop.reason == "diverged" else None

    @property
    def rows(self) -> int:
        """Number of rows."""
        for values in (*self.coordinates.values(), *self.observables.values()):
            return len(values)
        return 1

    def columns(self, declared: Mapping[str, Observable]) -> Iterator[tuple[str, str, FloatArray]]:
        """Yield the entries of all observables: column, observable and the n values; a summary is repeated.

        Standard errors have the columns ``X_sem`` of their entries.
        """
        for name, values in self.observables.items():
            for column, index in self.entries(declared, name):
                place: Any = (slice(None), *index)
                yield column, name, values[place]
                if name in self.errors:
                    yield f"{column}_sem", name, self.errors[name][place]
        for name, value in self.summaries.items():
            for column, index in self.entries(declared, name):
                yield column, name, np.full(self.rows, value[index])

    def entries(self, declared: Mapping[str, Observable], name: str) -> list[tuple[str, tuple[int, ...]]]:
        """Return the entries of one observable, as :func:`tsmech.problem.observables.entries`."""
        shape = self.summaries[name].shape if name in self.summaries else self.observables[name].shape[1:]
        return entries(name, declared[name].axes if shape else (), shape, self.labels)

    def to_frame(self, declared: Mapping[str, Observable]) -> "pd.DataFrame":
        """Return a pandas DataFrame with one row for each row of the curve, and a column for each entry."""
        import pandas as pd

        columns: dict[str, Any] = {name: np.asarray(values) for name, values in self.coordinates.items()}
        columns |= {column: values for column, _, values in self.columns(declared)}
        plain = {values.dtype for values in columns.values()} == {np.dtype(float)}
        block = np.array(list(columns.values())).T if plain else columns  # a third of the time of column by column
        frame = pd.DataFrame(block, columns=list(columns), copy=False)
        frame.attrs["diverged_at"] = self.diverged_at
        return frame


def fault(
    curve: Curve, observables: Mapping[str, Observable], coordinates: Mapping[str, Coordinate], *, predicts: bool
) -> str | None:
    """Return how a curve violates the declarations of its system, or None."""
    if list(curve.coordinates) != list(coordinates):
        return f"has the coordinates {list(curve.coordinates)}, declared are {list(coordinates)}"
    for found, what in ((curve.observables, "observable"), (curve.summaries, "summary")):
        for name in found:
            if name not in observables or observables[name].summary is not (what == "summary"):
                return f"has the {what} {name}, which is not declared as one"
    for name, values in {**curve.observables, **curve.summaries}.items():
        axes = observables[name].axes
        indices = values.shape if name in curve.summaries else values.shape[1:]
        if values.ndim == 0 and name not in curve.summaries:
            return f"{name} has no rows"
        if observables[name].single and not indices:
            continue
        if len(indices) != len(axes):
            return f"{name} has entries of shape {indices}, declared axes are {axes or 'none'}"
        for axis, count in zip(axes, indices, strict=True):
            if axis in curve.labels and len(curve.labels[axis]) != count:
                return f"{name} has {count} entries along {axis}, which has {len(curve.labels[axis])} names"
        if outside := _outside(values, observables[name].bounds):
            return f"{name} has the value {outside}"
    sizes = [len(values) for values in (*curve.coordinates.values(), *curve.observables.values())]
    if len(set(sizes)) > 1:
        return f"has columns of different lengths: {sorted(set(sizes))}"
    if not coordinates and set(sizes) - {1}:
        return f"is a single point, but has {sizes[0]} rows"
    for name, values in curve.errors.items():
        if not predicts:
            return f"has a standard error of {name}, but is a simulation: its draws say it"
        if name not in curve.observables or values.shape != curve.observables[name].shape:
            return f"has a standard error of {name} that does not have its shape"
        if not (values >= 0.0).all():
            return f"has a standard error of {name} that is not positive"
    return _disorder(curve, coordinates)


def _outside(values: NDArray[np.float64], bounds: tuple[float, float] | None) -> str | None:
    """Return a value that is out of bounds by more than rounding, in words, or None; NaN is not."""
    if bounds is None:
        return None
    least, largest = bounds
    wrong = values[(values < least - BEYOND * (largest - least)) | (values > largest + BEYOND * (largest - least))]
    return f"{wrong[0]:g}, declared are {least:g} to {largest:g}" if wrong.size else None


def undefined(curve: Curve, observables: Mapping[str, Observable]) -> str | None:
    """Return the name of an observable that is NaN though it is not declared as one that may be, or None."""
    found = {**curve.observables, **curve.summaries}
    return next((name for name in found if not observables[name].undefined and np.isnan(found[name]).any()), None)


def _disorder(curve: Curve, coordinates: Mapping[str, Coordinate]) -> str | None:
    """Return how coordinates are out of order, or None: the number must increase where the names are equal."""
    latest: dict[tuple[Any, ...], float] = {}
    named = [name for name, coordinate in coordinates.items() if coordinate.names]
    numeric = [name for name in coordinates if name not in named]
    for name in named:
        if not all(isinstance(value, str) for value in curve.coordinates[name]):
            return f"has values of {name} that are no names"
    for name in numeric:
        if not np.isfinite(np.asarray(curve.coordinates[name], dtype=float)).all():
            return f"has values of {name} that are not finite"
    last = np.asarray(curve.coordinates[numeric[-1]], dtype=float) if numeric else np.empty(0)
    if numeric and (np.diff(last) > 0.0).all():  # then it does so where the names are equal
        return None
    listed = [list(curve.coordinates[name]) for name in [*named, *numeric[:-1]]]
    for row in range(curve.rows if coordinates else 0):
        key = tuple(values[row] for values in listed)
        if key in latest and not (numeric and last[row] > latest[key]):
            return f"has {numeric[-1] if numeric else named[-1]} that does not increase"
        latest[key] = last[row] if numeric else 0.0
    return None
