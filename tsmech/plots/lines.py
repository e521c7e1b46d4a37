"""Predictions between the points of a sweep, as a run has stored them: a line along a parameter is as smooth as these.

Nothing is computed here.  Where a run has no such points a line leads from point to point of the sweep.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsmech.experiment import Experiment
from tsmech.plots.picture import Picture, Row, apart, visible
from tsmech.plots.translation import Translation
from tsmech.problem.system import System

Array = NDArray[np.float64]


class Lines:
    """What a run has stored of predictions along ``picture.x`` between the points of its sweep.

    Parameters
    ----------
    experiment, picture
        What was run, and what is drawn of it.
    rows
        Summary rows at those points, as :meth:`tsmech.store.Store.lines` yields them.
    columns
        What is drawn: observables or their entries.
    """

    def __init__(self, experiment: Experiment, picture: Picture, rows: Iterable[Row], columns: Iterable[str]) -> None:
        self._experiment = experiment
        self._x = picture.x
        self._groups = apart(experiment, picture.x)
        self._found: dict[tuple[Any, ...], dict[float, float]] = {}
        self._translation = Translation(experiment, picture.convention)
        listed = list(rows)
        for column in columns:
            shown = visible(experiment, picture, listed, column) if listed else []
            for row in self._translation.along(shown, picture.x, column):
                at = self._place(column, row["answer"], row)
                self._found.setdefault(at, {})[float(row[self._x])] = row[column]

    def along(self, column: str, answer: str, key: Row, at: Array, means: Array) -> tuple[Array, Array]:
        """Return an answer along x, the values of the sweep among those between them, increasing.

        Parameters
        ----------
        column, answer, key
            What the line shows, and the values of the other axes.
        at, means
            The values of the sweep, increasing.

        Returns
        -------
        places, values
            NaN where the problem has no such answer: a line is not drawn across it.
        """
        found = self._found.get(self._place(column, answer, key), {})
        gaps = dict.fromkeys(self._gaps(answer, key, at), math.nan)
        if not (found or gaps) or len(at) < 2:
            return at, means
        whole = {x: value for x, value in found.items() if at[0] < x < at[-1]} | gaps
        whole |= dict(zip(at, means, strict=True))
        places = np.array(sorted(whole))
        return places, np.array([whole[x] for x in places])

    def _gaps(self, answer: str, key: Row, at: Array) -> list[float]:
        """Return the values of the sweep along x, those of a line between them, at which there is no such answer."""
        if not self._experiment.may_lack(answer) or self._x not in self._experiment.axes:
            return []
        found = []
        for x in self._experiment.axes[self._x]:
            place = self._translation.number(self._x, float(x), [key])
            inside = (
                place is not None and at[0] < place < at[-1] and not np.isclose(at, place, rtol=1e-9, atol=0.0).any()
            )
            if place is not None and inside and self._point(key, x).lacks(answer):
                found.append(place)
        return found

    def poles(self, column: str, key: Row, answers: Mapping[str, Sequence[Row]]) -> list[float]:
        """Return where along x predictions are infinite; what the system says of it where no finer line is stored.

        Parameters
        ----------
        column, key
            What is drawn, and the values of the other axes.
        answers
            The rows of the sweep there, by answer.
        """
        values = [
            (float(row[self._x]), row[column])
            for answer, members in answers.items()
            if not self._experiment.simulates(answer)
            for row in members
            if row.get("diverged_at") is None
        ]
        fine = [found for answer in answers if (found := self._found.get(self._place(column, answer, key)))]
        for found in fine:
            values += found.items()
        return [x for x, value in values if value == math.inf] + ([] if fine else self._declared(key))

    def _declared(self, key: Row) -> list[float]:
        system, axes = self._experiment.system, self._experiment.axes
        if system.poles is System.poles or self._x not in axes:
            return []
        poles = self._point(key, axes[self._x][0]).poles(self._x)
        others = {name: key[name] for name in axes if name in key}
        found = (self._translation.number(self._x, pole, [others]) for pole in poles)
        return [pole for pole in found if pole is not None]

    def _point(self, key: Row, x: Any) -> System:
        """Return the problem at a value of x and the values of the other axes."""
        others = {name: key[name] for name in self._experiment.axes if name in key}
        return self._experiment.system(**self._experiment.fixed, **others, **{self._x: x})

    def _place(self, column: str, answer: str, row: Row) -> tuple[Any, ...]:
        return (column, answer, *(row[name] for name in self._groups))
