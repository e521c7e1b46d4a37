"""What is read of a run's file: which tasks it lacks, its curves in the order of its axes, and the tables of these."""

import dataclasses
import itertools
import json
import operator
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.experiment import Experiment, Task
from tsmech.problem.curve import Curve, Stop
from tsmech.problem.system import System
from tsmech.store.checksums import DamageError, curve_checksum, meta, reason
from tsmech.store.order import BLOCK, Order, read_order
from tsmech.store.schema import OF_THE_SWEEP
from tsmech.store.summary import (
    Row,
    length,
    point_columns,
    summarise,
    summarise_point,
    summary_columns,
    summary_entries,
    unpack,
)


class _Stored(NamedTuple):
    """A curve as the file has it."""

    reason: Any
    at: float | None
    layout: str
    data: bytes

    def curve(self) -> Curve:
        return _curve(*self)


class Reader:
    """A run's file as it is read; :class:`tsmech.store.Store` also writes it."""

    experiment: Experiment
    directory: Path | None
    _connection: sqlite3.Connection

    @property
    def shard(self) -> str:
        """Which shard the run is, as ``3/10``; empty for a whole run."""
        return meta(self._connection).get("shard", "")

    def is_empty(self) -> bool:
        """Return whether nothing of the sweep has been finished yet."""
        return self._connection.execute(f"SELECT 1 FROM curves WHERE {OF_THE_SWEEP} LIMIT 1").fetchone() is None

    def lacks(self, experiment: Experiment) -> tuple[int, int] | None:
        """Return how many tasks of an experiment are not finished, and how many points they belong to.

        None where that cannot be told without going through them: the run has points that the experiment has not, or
        points lack answers that others have.
        """
        if self.experiment.parameters != experiment.parameters or experiment.lacking != {}:
            return None
        answers = ", ".join(f"'{answer}'" for answer in experiment.answers)
        query = (
            f"SELECT count(*) FROM curves WHERE answer IN ({answers}) AND replicate < {experiment.replicates} "
            f"AND {OF_THE_SWEEP} GROUP BY point"
        )
        counts = [count for (count,) in self._connection.execute(query)]
        tasks = experiment.tasks_a_point
        return experiment.size * tasks - sum(counts), experiment.size - sum(count == tasks for count in counts)

    def remaining(self, tasks: Iterable[Task]) -> Iterator[Task]:
        """Yield the tasks that are not finished, in order; a point's tasks must follow one another."""
        if self._connection.execute("SELECT 1 FROM curves LIMIT 1").fetchone() is None:
            yield from tasks
            return
        system = None
        finished: set[tuple[str, int]] = set()
        query = "SELECT answer, replicate FROM curves WHERE point = (SELECT id FROM points WHERE key = ?)"
        for task in tasks:
            if task.system is not system:
                system = task.system
                finished = set(self._connection.execute(query, (system.key(),)))
            if (task.answer, task.replicate) not in finished:
                yield task

    def draws(self, system: System, answer: str, count: int) -> list[Curve]:
        """Return the curves of a point's first replicates."""
        query = (
            "SELECT stop, stopped_at, layouts.layout, data FROM curves JOIN layouts ON layouts.id = curves.layout "
            "WHERE (point, answer) = ((SELECT id FROM points WHERE key = ?), ?) AND replicate < ? ORDER BY replicate"
        )
        found = self._connection.execute(query, (system.key(), answer, count))
        return [_curve(*row) for row in found]

    def failures(self) -> list[Row]:
        """Return the failed tasks: their parameters, answer, replicate, error and traceback."""
        query = (
            "SELECT parameters, answer, replicate, error, trace FROM failures JOIN points ON points.id = point "
            "WHERE NOT line ORDER BY point, answer, replicate"
        )
        return [
            {
                **json.loads(parameters),
                "answer": answer,
                "replicate": replicate,
                "error": error,
                "trace": trace,
            }
            for parameters, answer, replicate, error, trace in self._connection.execute(query)
        ]

    def timing(self) -> dict[str, float]:
        """Return the seconds that one task of each answer took on average."""
        query = f"SELECT answer, avg(seconds) FROM curves WHERE {OF_THE_SWEEP} GROUP BY answer"
        return dict(self._connection.execute(query))

    def counts(self) -> dict[str, int]:
        """Return how many curves of each answer are stored."""
        query = f"SELECT answer, count(*) FROM curves WHERE {OF_THE_SWEEP} GROUP BY answer"
        return dict(self._connection.execute(query))

    def row_count(self) -> int:
        """Return about how many rows :meth:`rows` yields: as if each curve were whole."""
        query = (
            "SELECT layouts.layout, count(*), 1 + max(replicate) FROM curves "
            f"JOIN layouts ON layouts.id = curves.layout WHERE {OF_THE_SWEEP} GROUP BY answer, curves.layout"
        )
        found = self._connection.execute(query)
        return sum(-(-count // replicates) * length(layout) for layout, count, replicates in found)

    def line_points(self) -> int:
        """Return how many points between those of the sweep are stored, which are on the lines of a picture."""
        (count,) = self._connection.execute("SELECT count(*) FROM points WHERE line").fetchone()
        return int(count)

    def history(self) -> list[dict[str, str]]:
        """Return with which versions, on which machine and when the run was begun, and each change of these since.

        A run that is kept in memory has none.
        """
        found: list[dict[str, str]] = json.loads(meta(self._connection).get("history", "[]"))
        return found

    def curves(self) -> Iterator[tuple[dict[str, Any], str, list[Curve]]]:
        """Yield for each point, in the order of its axes, and each answer the axes' values and all replicates' curves.

        Raises
        ------
        InputError
            Where the file turns out to be damaged.
        """
        for place, answer, stored in self._stored():
            yield place, answer, [one.curve() for one in stored]

    def _stored(
        self, line: str | None = None, only: Collection[tuple[Any, ...]] | None = None
    ) -> Iterator[tuple[Row, str, list[_Stored]]]:
        """Yield what the sweep has, or some points of it, or what lies between these along the parameter of a line."""
        try:
            order = self._order(line)
            if only is not None:
                places = order.between(0, len(order.numbers) - 1)
                order = order.part([n for n, place in enumerate(places) if place in only])
            for first, last in order.stretches():
                yield from self._stretch(order, first, last)
        except (sqlite3.DatabaseError, ValueError, LookupError) as error:
            raise damaged(self.directory, reason(error)) from None

    def _stretch(self, order: Order, first: int, last: int) -> Iterator[tuple[Row, str, list[_Stored]]]:
        """Yield what is stored of points that follow one another in the file as they do along the axes."""
        axes, seed = list(self.experiment.axes), self.experiment.seed
        query = (
            "SELECT point, answer, replicate, stop, stopped_at, layouts.layout, data, checksum, key || parameters "
            "FROM curves JOIN points ON points.id = point JOIN layouts ON layouts.id = curves.layout "
            "WHERE point BETWEEN ? AND ? ORDER BY point, answer, replicate"
        )
        start = int(order.numbers[first])
        places = order.between(first, last)
        rows = self._connection.execute(query, (start, int(order.numbers[last])))
        for number, members in itertools.groupby(rows, operator.itemgetter(0)):
            found: dict[str, list[_Stored]] = {}
            for _, answer, replicate, *ended, layout, data, checksum, key in members:
                if curve_checksum(seed, key, answer, replicate, ended, layout, data) != checksum:
                    raise DamageError("a curve does not match its checksum")
                found.setdefault(answer, []).append(_Stored(ended[0], ended[1], layout, data))
            place = dict(zip(axes, places[number - start], strict=True))
            for answer in self.experiment.system.answers:
                if answer in found:
                    yield place, answer, found[answer]

    def _order(self, line: str | None) -> Order:
        """Return the points in order; what was found is kept until the file changes."""
        state = (line, self._connection.total_changes, self._connection.execute("PRAGMA data_version").fetchone())
        if self._ordered is None or self._ordered[0] != state:
            self._ordered = (state, read_order(self._connection, self.experiment, line))
        return self._ordered[1]

    _ordered: tuple[Any, Order] | None = None

    def blocks(self, answer: str, names: Collection[str]) -> Iterator[dict[str, NDArray[Any]]] | None:
        """Return the columns of a prediction as arrays, block by block in no order, and without making rows.

        None where it is not one number a point, or where a curve ended early: :meth:`rows` has these.

        Parameters
        ----------
        answer
            The prediction.
        names
            Its axes and columns, as the summary table calls them.
        """
        if self.experiment.simulates(answer):
            return None
        query = "SELECT min(layout), max(layout), count(stop), max(replicate) FROM curves WHERE answer = ?"
        first, last, stopped, replicate = self._connection.execute(query, (answer,)).fetchone()
        if first is None or first != last or stopped or replicate:
            return None
        (layout,) = self._connection.execute("SELECT layout FROM layouts WHERE id = ?", (first,)).fetchone()
        columns = point_columns(layout, self.experiment.system)
        return self._blocks(answer, names, columns) if columns else None

    def _blocks(self, answer: str, names: Collection[str], columns: Sequence[str]) -> Iterator[dict[str, NDArray[Any]]]:
        order = self._order(None)
        by_number = np.argsort(order.numbers)
        numbers = order.numbers[by_number]
        axes = {
            name: (np.array(values), places)
            for name, values, places in zip(self.experiment.axes, order.values, order.places, strict=True)
            if name in names
        }
        query = "SELECT point, data FROM curves WHERE answer = ? ORDER BY point"
        found = self._connection.execute(query, (answer,))
        try:
            while rows := found.fetchmany(BLOCK):
                points, data = zip(*rows, strict=True)
                table = np.frombuffer(b"".join(data), "<f8").reshape(len(rows), len(columns))
                at = np.searchsorted(numbers, points).clip(max=len(numbers) - 1)
                kept = numbers[at] == points  # the others lie between the points of the sweep
                places = by_number[at[kept]]
                block = {name: values[codes[places]] for name, (values, codes) in axes.items()}
                yield block | {name: table[kept, n] for n, name in enumerate(columns) if name in names}
        except (sqlite3.DatabaseError, ValueError) as error:
            raise damaged(self.directory, reason(error)) from None

    def columns(self) -> list[str]:
        """Return the names of all columns of :meth:`rows`, without making them."""
        names = dict.fromkeys(["system", "answer", *self.experiment.axes])
        system = self.experiment.system
        for answer, layout in self._layouts_found():
            names |= dict.fromkeys(summary_columns(layout, system, predicts=system.answers[answer].predicts))
        query = f"SELECT 1 FROM curves WHERE stop = 'diverged' AND {OF_THE_SWEEP} LIMIT 1"
        return [*names, *(["diverged_at"] if self._connection.execute(query).fetchone() else [])]

    def _layouts_found(self) -> list[tuple[str, str]]:
        """Return the answers and layouts of curves of the sweep, in order."""
        query = (
            "SELECT DISTINCT answer, layouts.layout FROM curves JOIN layouts ON layouts.id = curves.layout "
            f"WHERE {OF_THE_SWEEP}"
        )
        order = list(self.experiment.system.answers)
        return sorted(self._connection.execute(query), key=lambda pair: (order.index(pair[0]), pair[1]))

    def entries(self) -> Iterator[tuple[str, str, tuple[int, ...], dict[str, list[str]]]]:
        """Yield the columns of the table that hold observables: column, observable, its index, and names of indices."""
        for _, layout in self._layouts_found():
            yield from summary_entries(layout, self.experiment.system)

    def rows(
        self, only: Collection[tuple[Any, ...]] | None = None, answers: Collection[str] | None = None
    ) -> Iterator[Row]:
        """Yield the summary table's rows: system, answer, varied parameters, coordinate, observables.

        ``only`` names points by the values of the axes, for their rows alone, and ``answers`` those that are read.

        A simulation's observable ``X`` is the mean over ``replicates`` draws, ``X_sem`` the standard error of
        that mean (None where one draw leaves it undefined).  Where draws diverged, ``diverged_at`` is the first
        coordinate at which one did, and each row counts the ``replicates`` that had not diverged by then.
        """
        for place, answer, stored in self._stored(only=only):
            if answers is None or answer in answers:
                yield from self._summary(place, answer, stored)

    def lines(self, x: str) -> Iterator[Row]:
        """Yield rows of the predictions between the points of the sweep along a parameter, in the order of the axes.

        Of a line along which a point failed there are none.
        """
        if x not in self.experiment.axes:
            return
        others = [name for name in self.experiment.axes if name != x]
        query = "SELECT DISTINCT answer, parameters FROM failures JOIN points ON points.id = point WHERE line"
        failed = [(answer, json.loads(parameters)) for answer, parameters in self._connection.execute(query)]
        broken = [(answer, [parameters[name] for name in others]) for answer, parameters in failed]
        for place, answer, stored in self._stored(line=x):
            if (answer, [place[name] for name in others]) not in broken:
                yield from self._summary(place, answer, stored)

    def _summary(self, place: Row, answer: str, stored: Sequence[_Stored]) -> Iterator[Row]:
        """Yield the rows of one answer at one point."""
        system, predicts = self.experiment.system, not self.experiment.simulates(answer)
        head = {"system": system.name, "answer": answer, **place}
        one = stored[0]
        if predicts and one.reason is None and (row := summarise_point(one.layout, one.data, system)) is not None:
            yield head | row
            return
        found = [each.curve() for each in stored]
        diverged = [curve.diverged_at for curve in found if curve.diverged_at is not None]
        tail = {"diverged_at": min(diverged)} if diverged else {}
        for summary in summarise(found, system, predicts=predicts):
            yield head | summary | tail

    def divergences(self) -> list[Row]:
        """Return for each point and answer of which draws diverged, how many and where the first did."""
        query = (
            "SELECT parameters, answer, count(*), min(stopped_at) FROM curves JOIN points ON points.id = point "
            "WHERE stop = 'diverged' AND NOT line GROUP BY point, answer"
        )
        axes = list(self.experiment.axes)
        return [
            {name: json.loads(parameters)[name] for name in axes}
            | {"answer": answer, "diverged": count, "diverged_at": first}
            for parameters, answer, count, first in self._connection.execute(query)
        ]


def _curve(reason: Any, at: float | None, layout: str, data: bytes) -> Curve:
    curve = unpack(layout, data)
    return curve if at is None else dataclasses.replace(curve, stop=Stop(reason, at))


def damaged(directory: Path | None, reason: object) -> InputError:
    """Return the error that says that a run can be read no more as it is."""
    return InputError(
        f"{directory} is damaged ({reason}): run its command again, which salvages what is whole and performs the rest"
    )
