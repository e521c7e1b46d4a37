"""Curves as bytes and back, and the summary of several draws of one: means and standard errors."""

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsmech.problem.system import SIMULATIONS, Curve

Row = dict[str, Any]


def summarise(found: Sequence[Curve], answer: str) -> Iterator[Row]:
    """Yield the rows of the summary: each over the draws that reach it, which all have the same coordinate there."""
    columns = [curve.columns for curve in found]
    scalars = [name for name, values in columns[0].items() if values.ndim == 1]
    listed = [{name: draw[name].tolist() for name in scalars} for draw in columns]
    lengths = [len(draw[scalars[0]]) for draw in listed]
    simulated = answer in SIMULATIONS
    for row in range(max(lengths)):
        reaching = [draw for draw, length in zip(listed, lengths, strict=True) if length > row]
        summary: Row = {}
        for name in scalars:
            if name == found[0].coordinate or not simulated:
                summary[name] = reaching[0][name][row]
            else:
                summary[name], summary[f"{name}_sem"] = mean([draw[name][row] for draw in reaching])
        yield summary | ({"replicates": len(reaching)} if simulated else {})


def summary_columns(layout: str, answer: str) -> list[str]:
    """Return the names of the columns of :func:`summarise` for curves of a layout."""
    described = json.loads(layout)
    names = []
    for name, shape in described["shapes"].items():
        if len(shape) == 1:
            names.append(name)
            if name != described["coordinate"] and answer in SIMULATIONS:
                names.append(f"{name}_sem")
    return names + (["replicates"] if answer in SIMULATIONS else [])


def relative_error(found: Sequence[Curve], observable: str) -> float:
    """Return the largest relative standard error of an observable's mean along its curves.

    It is infinite where one draw leaves it undefined, or a mean is zero with scatter about it; zero where no
    number of draws changes anything: the mean is infinite, or no draw reaches the observable.
    """
    worst = 0.0
    for row in summarise(found, SIMULATIONS[0]) if found else ():
        value, error = row.get(observable), row.get(f"{observable}_sem")
        if value is None or math.isinf(value):
            continue
        if error is None:
            return math.inf
        worst = max(worst, error / abs(value) if value else (math.inf if error else 0.0))
    return worst


def mean(values: Sequence[float]) -> tuple[float, float | None]:
    """Return the mean and its standard error, which one value or an infinite one leaves undefined (None)."""
    count, largest = len(values), max(values, key=abs)
    if math.isinf(largest):
        return largest, None
    scale = largest if abs(largest) > 1e150 else 1.0  # so that no square overflows
    centre = math.fsum(value / scale for value in values) / count
    squares = math.fsum((value / scale - centre) ** 2 for value in values)
    error = abs(scale) * math.sqrt(squares / (count - 1) / count) if count > 1 else None
    return centre * scale, error


def pack(curve: Curve) -> tuple[str, bytes]:
    """Return a curve's layout in words and its numbers as bytes."""
    columns = {name: np.ascontiguousarray(values, dtype="<f8") for name, values in curve.columns.items()}
    layout = {
        "coordinate": curve.coordinate,
        "shapes": {name: values.shape for name, values in columns.items()},
    }
    return json.dumps(layout), b"".join(values.tobytes() for values in columns.values())


def unpack(layout: str, data: bytes) -> Curve:
    """Return the curve that :func:`pack` packed."""
    described = json.loads(layout)
    columns: dict[str, NDArray[np.float64]] = {}
    start = 0
    for name, shape in described["shapes"].items():
        count = math.prod(shape)
        columns[name] = np.frombuffer(data, "<f8", count, start).reshape(shape)
        start += 8 * count
    coordinate = described["coordinate"]
    at = columns.pop(coordinate) if coordinate else None
    return Curve(columns, coordinate, at)
