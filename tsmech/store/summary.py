"""Curves as bytes and back, and the summary of several draws of one: means and standard errors."""

import functools
import json
import math
import struct
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsmech.problem.curve import Curve
from tsmech.problem.observables import entries, observable_of
from tsmech.problem.system import System

Row = dict[str, Any]
_Pairs = tuple[Any, ...]


def summarise(found: Sequence[Curve], system: type[System], *, predicts: bool) -> Iterator[Row]:
    """Yield the rows of the summary: each over the draws that reach it, a column for each entry of an observable."""
    listed = [{column: values.tolist() for column, _, values in curve.columns(system.observables)} for curve in found]
    if predicts:
        (curve,), (columns,) = found, listed
        known = {column: [None if value != value else value for value in values] for column, values in columns.items()}
        along = {name: at if isinstance(at, tuple) else at.tolist() for name, at in curve.coordinates.items()}
        every = along | known
        yield from (dict(zip(every, row, strict=True)) for row in zip(*every.values(), strict=True))
        return
    for place, members in _aligned(found):
        summary: Row = dict(zip(found[0].coordinates, place, strict=True))
        for column in listed[0]:
            summary[column], summary[f"{column}_sem"] = mean([listed[draw][column][row] for draw, row in members])
        yield summary | {"replicates": len(members)}


def summarise_point(layout: str, data: bytes, system: type[System]) -> Row | None:
    """Return the row of a prediction that is a single point, from its bytes; None where it is something else."""
    known = _POINTS.setdefault(system, {}).get(layout)
    if known is None:
        columns = point_columns(layout, system)
        known = _POINTS[system][layout] = (columns, struct.Struct(f"<{len(columns)}d"))
    if not known[0]:
        return None
    values = known[1].unpack(data)
    return {column: None if value != value else value for column, value in zip(known[0], values, strict=True)}


def point_columns(layout: str, system: type[System]) -> list[str]:
    """Return the columns of a prediction that is a single point, as its bytes have them; none for something else."""
    described = json.loads(layout)
    single = not (described["coordinates"] or described["errors"])
    return summary_columns(layout, system, predicts=True) if single else []


_POINTS: weakref.WeakKeyDictionary[type[System], dict[str, tuple[list[str], struct.Struct]]]
_POINTS = weakref.WeakKeyDictionary()
"""By system and layout the columns of a single point, and how its numbers are read; no columns for what is none."""


def _aligned(found: Sequence[Curve]) -> Iterator[tuple[tuple[Any, ...], list[tuple[int, int]]]]:
    """Yield the values of the coordinates that any curve reaches, with the curves that do and their rows there."""
    places: dict[tuple[Any, ...], list[tuple[int, int]]] = {}
    for draw in sorted(range(len(found)), key=lambda draw: -found[draw].rows):
        values = [list(at) if isinstance(at, tuple) else at.tolist() for at in found[draw].coordinates.values()]
        for row, place in enumerate(zip(*values, strict=True) if values else [()]):
            places.setdefault(place, []).append((draw, row))
    for place, members in places.items():
        yield place, sorted(members)


def length(layout: str) -> int:
    """Return how many rows a curve of a layout has."""
    coordinates = json.loads(layout)["coordinates"].values()
    return next((len(values) if isinstance(values, list) else values for values in coordinates), 1)


def summary_columns(layout: str, system: type[System], *, predicts: bool) -> list[str]:
    """Return the names of the columns of :func:`summarise` for curves of a layout."""
    described = json.loads(layout)
    names = list(described["coordinates"])
    for column, name, _, _ in summary_entries(layout, system):
        sure = predicts and name not in described["errors"]
        names += [column] if sure else [column, f"{column}_sem"]
    return names + ([] if predicts else ["replicates"])


def summary_entries(
    layout: str, system: type[System]
) -> Iterator[tuple[str, str, tuple[int, ...], dict[str, list[str]]]]:
    """Yield the entries of the observables of a layout: column, observable, index, and the names of indices."""
    described = json.loads(layout)
    for kind in ("observables", "summaries"):
        for name, shape in described[kind].items():
            counts = shape[kind == "observables" :]
            axes = system.observables[name].axes[: len(counts)]
            for column, index in entries(name, axes, counts, described["labels"]):
                yield column, name, index, described["labels"]


def relative_error(found: Sequence[Curve], system: type[System], observable: str) -> float:
    """Return the largest relative standard error of an observable's mean along its curves, in any of its entries.

    It is infinite where one draw leaves it undefined, or a mean is zero with scatter about it; zero where no
    number of draws changes anything: the mean is infinite, or no draw reaches the observable.
    """
    worst = 0.0
    for row in summarise(found, system, predicts=False) if found else ():
        for column, value in row.items():
            is_mean = observable_of(column) == observable and f"{column}_sem" in row
            if not is_mean or value is None or math.isinf(value):
                continue
            error = row[f"{column}_sem"]
            if error is None:
                return math.inf
            worst = max(worst, error / abs(value) if value else (math.inf if error else 0.0))
    return worst


def mean(values: Sequence[float]) -> tuple[float | None, float | None]:
    """Return the mean and its standard error: None where undefined, as by one value, an infinite or undefined one."""
    if any(map(math.isnan, values)):
        return None, None
    count, largest = len(values), max(values, key=abs)
    if math.isinf(largest):
        return largest, None
    scale = largest if abs(largest) > 1e150 else 1.0  # so that no square overflows
    centre = math.fsum(value / scale for value in values) / count
    squares = math.fsum((value / scale - centre) ** 2 for value in values)
    error = abs(scale) * math.sqrt(squares / (count - 1) / count) if count > 1 else None
    return centre * scale, error


def pack(curve: Curve) -> tuple[str, bytes]:
    """Return a curve's layout in words and its numbers as bytes; why it ends is stored beside them."""
    numbers = {name: values for name, values in curve.coordinates.items() if not isinstance(values, tuple)}
    parts = (numbers, curve.observables, curve.summaries, curve.errors)
    data = b"".join(np.asarray(values, dtype="<f8").tobytes() for part in parts for values in part.values())
    coordinates = ((name, v if isinstance(v, tuple) else len(v)) for name, v in curve.coordinates.items())
    labels = tuple((axis, tuple(names)) for axis, names in curve.labels.items())
    shapes = (tuple((name, v.shape) for name, v in part.items()) for part in (curve.observables, curve.summaries))
    return _layout(tuple(coordinates), *shapes, tuple(curve.errors), labels), data


@functools.lru_cache(maxsize=256)
def _layout(coordinates: _Pairs, observables: _Pairs, summaries: _Pairs, errors: _Pairs, labels: _Pairs) -> str:
    """Return a layout in words: numbers as their count, names as they are, arrays by their shapes."""
    return json.dumps(
        {
            "coordinates": dict(coordinates),
            "observables": dict(observables),
            "summaries": dict(summaries),
            "errors": errors,
            "labels": dict(labels),
        }
    )


def unpack(layout: str, data: bytes) -> Curve:
    """Return the curve that :func:`pack` packed."""
    described = json.loads(layout)
    start = 0

    def take(shape: Sequence[int]) -> NDArray[np.float64]:
        nonlocal start
        count = math.prod(shape)
        start += 8 * count
        return np.frombuffer(data, "<f8", count, start - 8 * count).reshape(shape)

    coordinates = {
        name: tuple(values) if isinstance(values, list) else take([values])
        for name, values in described["coordinates"].items()
    }
    observables = {name: take(shape) for name, shape in described["observables"].items()}
    summaries = {name: take(shape) for name, shape in described["summaries"].items()}
    errors = {name: take(described["observables"][name]) for name in described["errors"]}
    labels = {axis: tuple(names) for axis, names in described["labels"].items()}
    return Curve(observables, coordinates, summaries, errors, labels)
