"""Shows a picture in the symbols and scalings of another paper."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsmech.experiment import Experiment
from tsmech.plots.picture import Picture, Row
from tsmech.problem.conventions import Quantity
from tsmech.problem.observables import observable_of


class Translation:
    """Takes rows and numbers to the convention of a picture; a picture of ours stays as it is.

    Axes are translated.  What colours and panels stand for keeps our symbols and values: where the paper's depend on
    what runs along an axis, one curve of ours has many of them.

    Parameters
    ----------
    experiment
        What was run.
    paper
        Whose convention it is, as a picture names it; empty for our own.
    """

    def __init__(self, experiment: Experiment, paper: str = "") -> None:
        self.paper = paper
        self._fixed = experiment.fixed
        self._quantities: Mapping[str, Quantity] = next(
            (one.quantities for one in experiment.system.conventions if one.paper == paper), {}
        )
        self._experiment = experiment

    @property
    def active(self) -> bool:
        """Whether anything is shown otherwise than it is."""
        return bool(self._quantities)

    def symbol(self, name: str) -> str | None:
        """Return the paper's symbol of a parameter, a coordinate or an observable; None where it keeps ours."""
        quantity = self._quantities.get(observable_of(name))
        return None if quantity is None else quantity.symbol

    def row(self, row: Row, *names: str) -> Row:
        """Return a row with some of its columns, its axes among them, as the paper has them."""
        point = {**self._fixed, **row}
        changed: dict[str, Any] = {}
        for name in names:
            quantity = self._quantities.get(observable_of(name))
            value = row.get(name)
            if quantity is None or not isinstance(value, (int, float)):
                continue
            changed[name] = _value(quantity, value, point)
            error = row.get(f"{name}_sem")
            if error:
                low, high = (_value(quantity, value + sign * error, point) for sign in (-1, 1))
                changed[f"{name}_sem"] = abs(high - low) / 2
        return {**row, **changed} if changed else row

    def block(self, block: Mapping[str, NDArray[Any]], names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Return some columns, the axes of all of which the block has, as the paper has them.

        Parameters
        ----------
        block
            Columns of a table, each of shape (n,).
        names
            Those that are wanted.
        """
        found = {name: block[name] for name in names}
        size = len(next(iter(found.values())))
        for name in names:
            quantity = self._quantities.get(observable_of(name))
            if quantity is None:
                continue
            of_columns: Any = quantity.value
            try:
                with np.errstate(all="ignore"):
                    theirs = np.asarray(of_columns(block[name], {**self._fixed, **block}), dtype=float)
                found[name] = np.broadcast_to(theirs, (size,))
            except (TypeError, ValueError):  # it takes one number at a time
                columns = {known: column.tolist() for known, column in block.items()}
                points = (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))
                found[name] = np.array([_value(quantity, point[name], {**self._fixed, **point}) for point in points])
        return found

    def along(self, rows: Sequence[Row], x: str, column: str) -> list[Row]:
        """Return the rows of curves as the paper has them, in the order of its horizontal axis.

        What lies at infinity there is left out.
        """
        if not self.active:
            return list(rows)
        found = [self.row(row, x, column) for row in rows]
        if self.symbol(x) is None:
            return found
        return sorted((row for row in found if math.isfinite(row[x])), key=lambda row: float(row[x]))

    def of_map(self, rows: Sequence[Row], axes: Sequence[str], column: str) -> "tuple[Sequence[Row], Translation]":
        """Return the rows of a map as the paper has them, and what its labels are by.

        An axis that the paper scales by what the other axis says would leave no rows and lines of cells: such a map
        stays as it is.
        """
        if not self.active:
            return rows, self
        found = [self.row(row, *axes, column) for row in rows]
        found = [row for row in found if all(math.isfinite(row[name]) for name in axes)]
        for name in axes:
            if len({round(row[name], 12) for row in found}) > len({row[name] for row in rows}):
                return rows, Translation(self._experiment)
        return found, self

    def number(self, name: str, number: float, rows: Sequence[Row]) -> float | None:
        """Return a number that a line marks on the axis of a parameter or an observable, as the paper has it.

        None where the rows have several: the line would be a curve.
        """
        quantity = self._quantities.get(observable_of(name))
        if quantity is None:
            return number
        found = {round(_value(quantity, number, {**self._fixed, **row, name: number}), 12) for row in rows}
        return found.pop() if len(found) == 1 else None

    def rules(self, picture: Picture, name: str, rows: Sequence[Row]) -> Picture:
        """Return the picture of one observable with the numbers that lines mark as the paper has them."""
        if not self.active:
            return picture
        marks = [(one, self.number(one, number, rows)) for one, number in picture.mark]
        references = [(label, self.number(name, number, rows)) for label, number in picture.reference]
        kept = (tuple((key, found) for key, found in some if found is not None) for some in (marks, references))
        mark, reference = kept
        return dataclasses.replace(picture, mark=mark, reference=reference)

    def lined(self, picture: Picture, found: Sequence[Picture]) -> Picture:
        """Return a picture with those numbers alone that a line marks in any of its panels, as ours."""
        marks = {name for one in found for name, _ in one.mark}
        references = {label for one in found for label, _ in one.reference}
        mark = tuple(pair for pair in picture.mark if pair[0] in marks)
        reference = tuple(pair for pair in picture.reference if pair[0] in references)
        return dataclasses.replace(picture, mark=mark, reference=reference)

    def columns(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows of a table with a column for each of ours that the paper has otherwise, named by both."""
        if not self.active:
            return list(rows)
        found: list[Row] = []
        for row in rows:
            names = [name for name in row if self.symbol(name) is not None and not name.endswith("_sem")]
            theirs = self.row(row, *names)
            called = {name: f"{name} as {self.symbol(name)} of {self.paper}" for name in names}
            called |= {f"{name}_sem": f"{words}, sem" for name, words in called.items() if f"{name}_sem" in row}
            found.append({**row, **{words: theirs[name] for name, words in called.items()}})
        return found

    def remark(self, picture: Picture, rows: Sequence[Row] = ()) -> str:
        """Return what a reader must know of whose symbols a picture of rows has; nothing where ours are asked for."""
        if not self.active:
            return ""
        if picture.matrix:
            return "a matrix has our symbols"
        if picture.y and not self.of_map(rows, (picture.x, picture.y), picture.observables[0])[1].active:
            return f"in our symbols: on the axes of {self.paper} this map has no rows and columns"
        kept = "colours and panels" if picture.by and picture.panels else "colours" if picture.by else ""
        kept = kept or ("panels" if picture.panels else "")
        return f"axes as in {self.paper}" + (f", {kept} in our symbols" if kept else "")


def _value(quantity: Quantity, value: float, point: Row) -> float:
    try:
        return float(quantity.value(float(value), point))
    except ZeroDivisionError:
        return math.inf
