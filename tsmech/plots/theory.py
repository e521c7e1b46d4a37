"""Theory between the stored points: a line along a parameter is as smooth as it is, and infinite at its poles.

How often theory is computed is a number that the system states, so that a picture is the same on any machine.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import TsmechError
from tsmech.experiment import Experiment
from tsmech.plots.picture import Row, is_geometric
from tsmech.problem.curve import Curve
from tsmech.problem.observables import observable_of
from tsmech.problem.system import System

Array = NDArray[np.float64]

APPROACH = np.geomspace(1e-4, 1.0, 40)[:-1]
"""Distances from a pole at which theory is computed, as shares of the distance between other values."""


class Theory:
    """The theory of an experiment at values that it was not run at, each computed once for all panels."""

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment
        self._known: dict[System, Curve] = {}

    def poles(self, x: str, observable: str, key: Row, value: Any) -> list[float]:
        """Return where along x an observable is infinite, the other axes as in the key; x may have the given value."""
        experiment = self._experiment
        if x not in experiment.parameters or experiment.system.poles is System.poles:
            return []
        point = {**experiment.fixed, **{name: key[name] for name in experiment.axes if name in key}}
        found = experiment.system(**{**point, x: value}).poles(x)
        return [pole for pole in found if self._value({**point, x: pole}, observable) == math.inf]

    def line(self, x: str, observable: str, key: Row, at: Array, means: Array) -> tuple[Array, Array]:
        """Return theory along x, the stored values among others; those alone where theory cannot be had between them.

        Parameters
        ----------
        x, observable, key
            The parameter along which the line runs, what it shows, and the values of the other axes.
        at, means
            The stored values, increasing.
        """
        experiment = self._experiment
        if x not in experiment.parameters or experiment.system.parameters()[x].kinds != ("float",) or len(at) < 2:
            return at, means
        if any(name not in experiment.axes for name in key):  # of a curve along names there is no end
            return at, means
        start = experiment.system(**{**experiment.fixed, **key, x: float(at[0])})
        count = start.line_points()
        if count == 0:
            return at, means
        between = self._between(at, count, [*start.poles(x), *at[~np.isfinite(means)]])
        found = []
        for value in between:
            number = self._value({**experiment.fixed, **key, x: float(value)}, observable)
            if number is None:
                return at, means
            found.append(number)
        together, values = np.concatenate([at, between]), np.concatenate([means, found])
        order = np.argsort(together)
        return together[order], values[order]

    def _between(self, at: Array, count: int, poles: list[float]) -> Array:
        """Return values of x between the stored ones, close to each pole on both sides, and the poles."""
        geometric = is_geometric(at)
        first = at[at > 0].min() if geometric else at.min()
        even = (np.geomspace if geometric else np.linspace)(first, at.max(), count)
        steps = APPROACH * np.diff(even).max()
        close = [np.array([pole]) + sign * np.append(steps, 0.0) for pole in poles for sign in (-1.0, 1.0)]
        values = np.concatenate([even, *close])
        return np.setdiff1d(values[(values >= at.min()) & (values <= at.max())], at)

    def _value(self, parameters: dict[str, Any], observable: str) -> float | None:
        """Return theory at a point, at the end of its curve; None where it has none."""
        try:
            point = self._experiment.system(**parameters)
            if point not in self._known:
                self._known[point] = point.curve("theory")
        except (TsmechError, ArithmeticError):
            return None
        curve = self._known[point]
        name = observable_of(observable)
        if name not in curve.observables and name not in curve.summaries:
            return None
        index = dict(curve.entries(self._experiment.system.observables, name)).get(observable)
        if index is None:
            return None
        if name in curve.summaries:
            return float(curve.summaries[name][index])
        return math.inf if curve.stop is not None else float(curve.observables[name][(-1, *index)])
