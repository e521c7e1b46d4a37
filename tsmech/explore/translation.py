"""Shows a picture in the symbols and scalings of another paper."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tsmech.errors import InputError
from tsmech.experiment import Experiment
from tsmech.problem.conventions import Convention, Quantity
from tsmech.problem.observables import observable_of
from tsmech.problem.parameters import nearest
from tsmech.problem.system import System

Row = Mapping[str, Any]


class Translation:
    """Takes rows and labels to a convention of the system; without a paper's name it leaves them as they are.

    Raises
    ------
    InputError
        Where the system has no such convention.
    """

    def __init__(self, experiment: Experiment, paper: str = "") -> None:
        self._experiment = experiment
        self._system = experiment.system
        self._fixed = experiment.fixed
        self._quantities: Mapping[str, Quantity] = find(experiment.system, paper).quantities if paper else {}

    @property
    def active(self) -> bool:
        """Whether anything is shown otherwise than it is."""
        return bool(self._quantities)

    def rows(self, rows: Sequence[Row], axes: Sequence[str], column: str) -> "tuple[Sequence[Row], Translation]":
        """Return the rows of a map as the paper has them, and what its labels are by.

        An axis that the paper scales by what the other axis says would leave no rows and lines of cells: such a map
        stays as it is.
        """
        if not self.active:
            return rows, self
        found = [self.row(row, *axes, column) for row in rows]
        for name in axes:
            if len({round(row[name], 12) for row in found}) > len({row[name] for row in rows}):
                return rows, Translation(self._experiment)
        return found, self

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

    def label(self, name: str) -> str:
        """Return what an axis is called: the paper's symbol, and our words."""
        quantity = self._quantities.get(observable_of(name))
        if quantity is None:
            return self.own_label(name)
        return f"{quantity.symbol}   (ours: {self.own_label(name).partition('   ')[0]}, {_words(self._system, name)})"

    def own_label(self, name: str) -> str:
        """Return our symbol and words of a parameter, a coordinate or an observable."""
        known: Mapping[str, Any] = {
            **self._system.parameters(),
            **self._system.coordinates,
            **self._system.observables,
        }
        symbol = known[observable_of(name)].symbol
        unit = getattr(known[observable_of(name)], "unit", "")
        entry = name[len(observable_of(name)) :] if "[" in name else ""
        return f"{symbol}{entry}   ({_words(self._system, name)}{f', in units of {unit}' if unit else ''})"


def find(system: type[System], paper: str) -> Convention:
    """Return a system's convention by the name of the paper."""
    for convention in system.conventions:
        if convention.paper == paper:
            return convention
    papers = [convention.paper for convention in system.conventions]
    raise InputError(f"{system.name} has no convention {paper}: {nearest(paper, papers) if papers else 'it has none'}")


def _value(quantity: Quantity, value: float, point: Row) -> float:
    try:
        return float(quantity.value(float(value), point))
    except ZeroDivisionError:
        return math.inf


def _words(system: type[System], name: str) -> str:
    if name in system.parameters():
        return re.split("[;(]", system.parameters()[name].help)[0].strip()
    known: Mapping[str, Any] = {**system.coordinates, **system.observables}
    return str(known[observable_of(name)].label)
