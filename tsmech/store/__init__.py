"""The run directory: one SQLite file in which what is finished stays, and the tables that are made from it.

The coordinating process alone writes, in transactions, in SQLite's write-ahead mode: killing it at any moment loses
nothing that was committed.  A run that was closed properly is one plain file.
"""

import contextlib
import dataclasses
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tsmech.engine import Outcome
from tsmech.errors import CutShortError, InputError
from tsmech.experiment import Experiment, Unit
from tsmech.store.database import (
    connect,
    damage,
    initialise,
    is_new,
    joined_identity,
    meta,
    seal,
    stored_experiment,
    write_ahead,
    write_experiment,
)
from tsmech.store.directory import FILE, check, release, take_lock
from tsmech.store.summary import Row, pack, summarise, summary_columns, unpack
from tsmech.systems.contract import ANSWERS, Curve, System
from tsmech.systems.parameters import plain

MOST_REMEMBERED = 10_000
"""Points whose numbers in the file are kept in memory."""


class Store:
    """A run's finished work: opened for an experiment by :meth:`create`, or as it is by :meth:`open`.

    Attributes
    ----------
    experiment
        All that the run has been asked for so far.
    directory
        The run directory, or None for a run that is kept in memory alone.
    """

    def __init__(self, connection: sqlite3.Connection, experiment: Experiment, directory: Path | None) -> None:
        self._connection = connection
        self._lock: int | None = None
        self.experiment = experiment
        self.directory = directory
        self.notice = ""
        self._points: dict[str, tuple[int, str]] = {}
        self._layouts: dict[str, int] = dict(connection.execute("SELECT layout, id FROM layouts"))

    @classmethod
    def create(cls, experiment: Experiment, directory: Path | None, shard: str = "") -> "Store":
        """Open the run directory of an experiment to extend it, or make it; None keeps the run in memory.

        A file that is damaged is set aside, and what can be read of it is taken over.

        Raises
        ------
        InputError
            Where the directory cannot be written, is in use, or holds something else, another shard, or a run that
            differs in more than points, replicates and answers.
        """
        if directory is None:
            connection = sqlite3.connect(":memory:")
            initialise(connection)
            return cls(connection, experiment, None)
        check(directory)
        lock: int | None = None
        try:
            directory.mkdir(parents=True, exist_ok=True)
            lock = take_lock(directory)
            store = cls._create(experiment, directory, shard)
        except OSError as error:
            release(lock)
            raise InputError(f"the run directory {directory} cannot be written: {error.strerror}") from None
        except BaseException:
            release(lock)
            raise
        store._lock = lock
        return store

    @classmethod
    def _create(cls, experiment: Experiment, directory: Path, shard: str) -> "Store":
        from tsmech.store.salvage import lost_front, salvage

        notice = ""
        if lost_front(directory / FILE):
            notice = salvage(directory, experiment, shard, "its first page cannot be read")
        connection = connect(directory / FILE)
        try:
            if is_new(connection):
                initialise(connection, experiment, shard)
                write_ahead(connection)
            else:
                if (found := damage(connection)) is not None:
                    connection.close()
                    notice = salvage(directory, experiment, shard, found)
                    connection = connect(directory / FILE)
                stored = meta(connection)
                if stored.get("shard", "") != shard:
                    there, here = (f"shard {words}" if words else "a whole run" for words in (stored["shard"], shard))
                    raise InputError(f"{directory} holds {there}, not {here}: name another --out")
                identity = joined_identity(stored, experiment, directory)
                experiment = stored_experiment(connection).joined(experiment)
                write_ahead(connection)
                with connection:
                    write_experiment(connection, experiment, identity)
            store = cls(connection, experiment, directory)
        except sqlite3.OperationalError as error:
            connection.close()
            raise InputError(f"the run directory {directory} cannot be written: {error}") from None
        except BaseException:
            connection.close()
            raise
        store.notice = notice
        return store

    @classmethod
    def open(cls, directory: Path) -> "Store":
        """Open a run directory to read it."""
        file = directory / FILE
        if not os.path.isfile(file):
            raise InputError(f"{directory} is not a run directory: it has no {FILE}")
        connection = connect(file)
        if is_new(connection):
            connection.close()
            raise InputError(f"{directory} is a run that never began: run its command again")
        try:
            return cls(connection, stored_experiment(connection), directory)
        except InputError:  # a system that is not known here
            connection.close()
            raise
        except (sqlite3.DatabaseError, ValueError, KeyError) as error:
            connection.close()
            raise damaged(directory, error) from None

    def close(self) -> None:
        """Close the file; where it was written and nobody else reads it, leave it as one plain file."""
        if self._lock is not None:
            with contextlib.suppress(sqlite3.OperationalError):
                self._connection.execute("PRAGMA journal_mode = DELETE")
        self._connection.close()
        release(self._lock)

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def is_empty(self) -> bool:
        """Return whether nothing has been finished yet."""
        return self._connection.execute("SELECT 1 FROM curves LIMIT 1").fetchone() is None

    def lacks(self, experiment: Experiment) -> tuple[int, int] | None:
        """Return how many units of an experiment are not finished, and how many points they belong to.

        None where that cannot be told without going through them: the run has points that the experiment has not.
        """
        if self.experiment.parameters != experiment.parameters:
            return None
        answers = ", ".join(f"'{answer}'" for answer in experiment.answers)
        query = (
            f"SELECT count(*) FROM curves WHERE answer IN ({answers}) AND replicate < {experiment.replicates} "
            "GROUP BY point"
        )
        counts = [count for (count,) in self._connection.execute(query)]
        units = experiment.units_a_point
        return experiment.size * units - sum(counts), experiment.size - sum(count == units for count in counts)

    def remaining(self, units: Iterable[Unit]) -> Iterator[Unit]:
        """Yield the units that are not finished, in order; a point's units must follow one another."""
        if self.is_empty():
            yield from units
            return
        system = None
        finished: set[tuple[str, int]] = set()
        query = "SELECT answer, replicate FROM curves WHERE point = (SELECT id FROM points WHERE key = ?)"
        for unit in units:
            if unit.system is not system:
                system = unit.system
                finished = set(self._connection.execute(query, (system.key(),)))
            if (unit.answer, unit.replicate) not in finished:
                yield unit

    def draws(self, system: System, answer: str, count: int) -> list[Curve]:
        """Return the curves of a point's first replicates."""
        query = (
            "SELECT diverged_at, layouts.layout, data FROM curves JOIN layouts ON layouts.id = curves.layout "
            "WHERE (point, answer) = ((SELECT id FROM points WHERE key = ?), ?) AND replicate < ? ORDER BY replicate"
        )
        found = self._connection.execute(query, (system.key(), answer, count))
        return [
            dataclasses.replace(unpack(layout, data), diverged_at=diverged_at) for diverged_at, layout, data in found
        ]

    def add(self, outcomes: Sequence[Outcome]) -> None:
        """Write outcomes, in one transaction where they can be.

        Raises
        ------
        CutShortError
            Where they cannot all be written (a full disk); what was stored before, and what still fits, stays.
        """
        try:
            try:
                self._add_together(outcomes)
            except sqlite3.DatabaseError:
                for outcome in outcomes:
                    self._add_together([outcome])
        except sqlite3.DatabaseError as error:
            raise CutShortError(
                f"{self.directory}: results cannot be stored ({error}); all that was stored before is kept"
            ) from None

    def _add_together(self, outcomes: Sequence[Outcome]) -> None:
        try:
            with self._connection:
                for outcome in outcomes:
                    self._add_one(outcome)
        except BaseException:
            # What was entered with them is taken back, too.
            self._points.clear()
            self._layouts = dict(self._connection.execute("SELECT layout, id FROM layouts"))
            raise

    def _add_one(self, outcome: Outcome) -> None:
        unit = outcome.unit
        point, key = self._point(unit.system)
        address = (point, unit.answer, unit.replicate)
        if outcome.curve is None:
            values = (*address, outcome.error, outcome.trace)
            self._connection.execute("INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?, ?)", values)
            return
        layout, data = pack(outcome.curve)
        diverged_at = outcome.curve.diverged_at
        diverged_at = None if diverged_at is None else float(diverged_at)
        sealed = seal(self.experiment.seed, key, unit.answer, unit.replicate, diverged_at, layout, data)
        self._connection.execute("DELETE FROM failures WHERE (point, answer, replicate) = (?, ?, ?)", address)
        self._connection.execute(
            "INSERT OR REPLACE INTO curves VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*address, outcome.seconds, diverged_at, self._layout(layout), data, sealed),
        )

    def _point(self, system: System) -> tuple[int, str]:
        """Return a point's number in the file, and its key with its parameters; a new one is entered."""
        key = system.key()
        if key not in self._points:
            if len(self._points) >= MOST_REMEMBERED:
                self._points.clear()
            values = shown(system)
            row = self._connection.execute("SELECT id FROM points WHERE key = ?", (key,)).fetchone()
            if row is None:
                row = self._connection.execute(
                    "INSERT INTO points (key, parameters) VALUES (?, ?) RETURNING id", (key, values)
                ).fetchone()
            self._points[key] = (int(row[0]), key + values)
        return self._points[key]

    def _layout(self, layout: str) -> int:
        if layout not in self._layouts:
            cursor = self._connection.execute("INSERT INTO layouts (layout) VALUES (?)", (layout,))
            self._layouts[layout] = int(cursor.lastrowid or 0)
        return self._layouts[layout]

    @property
    def shard(self) -> str:
        """Which shard the run is, as ``3/10``; empty for a whole run."""
        return meta(self._connection).get("shard", "")

    def check_whole(self) -> None:
        """Read all of the file, and refuse one that is damaged."""
        if (found := damage(self._connection)) is not None:
            raise damaged(self.directory, found)

    def absorb(self, sources: Iterable[Path]) -> None:
        """Take over all that other runs of the same experiment have finished, in one transaction.

        Raises
        ------
        InputError
            Where two runs have different curves of one unit.
        CutShortError
            Where it cannot be written.
        """
        try:
            with self._connection:
                for source in sources:
                    with Store.open(source) as other:
                        self._absorb_one(other)
        except sqlite3.DatabaseError as error:
            raise CutShortError(f"{self.directory} cannot be written ({error})") from None

    def _absorb_one(self, other: "Store") -> None:
        points: dict[int, int] = {}
        for number, key, parameters in other._connection.execute("SELECT id, key, parameters FROM points"):
            row = self._connection.execute("SELECT id FROM points WHERE key = ?", (key,)).fetchone()
            row = (
                row
                or self._connection.execute(
                    "INSERT INTO points (key, parameters) VALUES (?, ?) RETURNING id", (key, parameters)
                ).fetchone()
            )
            points[number] = int(row[0])
        layouts = {number: self._layout(layout) for layout, number in other._layouts.items()}
        query = "SELECT point, answer, replicate, seconds, diverged_at, layout, data, seal FROM curves"
        for point, answer, replicate, seconds, diverged_at, layout, data, sealed in other._connection.execute(query):
            address = (points[point], answer, replicate)
            values = (*address, seconds, diverged_at, layouts[layout], data, sealed)
            added = self._connection.execute("INSERT OR IGNORE INTO curves VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
            where = "WHERE (point, answer, replicate) = (?, ?, ?)"
            if not added.rowcount:
                (before,) = self._connection.execute(f"SELECT seal FROM curves {where}", address).fetchone()
                if before != sealed:
                    raise InputError(
                        f"{other.directory} has another {answer}, replicate {replicate}, than what was merged before: "
                        "the two were not made by the same version on the same kind of machine"
                    )
            self._connection.execute(f"DELETE FROM failures {where}", address)
        query = "SELECT point, answer, replicate, error, trace FROM failures"
        for point, answer, replicate, error, trace in other._connection.execute(query):
            address = (points[point], answer, replicate)
            self._connection.execute(
                "INSERT OR IGNORE INTO failures SELECT ?, ?, ?, ?, ? WHERE NOT EXISTS "
                "(SELECT 1 FROM curves WHERE (point, answer, replicate) = (?, ?, ?))",
                (*address, error, trace, *address),
            )

    def failures(self) -> list[Row]:
        """Return the failed units: their parameters, answer, replicate, error and traceback."""
        query = (
            "SELECT parameters, answer, replicate, error, trace FROM failures JOIN points ON points.id = point "
            "ORDER BY point, answer, replicate"
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
        """Return the seconds that one unit of each answer took on average."""
        return dict(self._connection.execute("SELECT answer, avg(seconds) FROM curves GROUP BY answer"))

    def counts(self) -> dict[str, int]:
        """Return how many curves of each answer are stored."""
        return dict(self._connection.execute("SELECT answer, count(*) FROM curves GROUP BY answer"))

    def provenance(self) -> dict[str, Any]:
        """Return the versions that the run was begun with, and when."""
        stored = meta(self._connection)
        return {"begun": stored["begun"], **json.loads(stored["versions"])}

    def curves(self) -> Iterator[tuple[dict[str, Any], str, list[Curve]]]:
        """Yield for each point, in the order of its axes, and each answer the axes' values and all replicates' curves.

        Raises
        ------
        InputError
            Where the file turns out to be damaged.
        """
        try:
            yield from self._curves()
        except sqlite3.DatabaseError as error:
            raise damaged(self.directory, error) from None

    def _curves(self) -> Iterator[tuple[dict[str, Any], str, list[Curve]]]:
        axes, seed = list(self.experiment.axes), self.experiment.seed
        points = []
        for text, number in self._connection.execute("SELECT parameters, id FROM points"):
            parameters = json.loads(text)
            points.append(([parameters[name] for name in axes], number))
        points.sort()
        query = (
            "SELECT answer, replicate, diverged_at, layouts.layout, data, seal, key || parameters FROM curves "
            "JOIN points ON points.id = point JOIN layouts ON layouts.id = curves.layout "
            "WHERE point = ? ORDER BY answer, replicate"
        )
        for values, number in points:
            found: dict[str, list[Curve]] = {}
            for answer, replicate, diverged_at, layout, data, sealed, key in self._connection.execute(query, (number,)):
                if seal(seed, key, answer, replicate, diverged_at, layout, data) != sealed:
                    raise sqlite3.DatabaseError("a curve does not bear its seal")
                curve = dataclasses.replace(unpack(layout, data), diverged_at=diverged_at)
                found.setdefault(answer, []).append(curve)
            for answer in ANSWERS:
                if answer in found:
                    yield dict(zip(axes, values, strict=True)), answer, found[answer]

    def columns(self) -> list[str]:
        """Return the names of all columns of :meth:`rows`, without making them."""
        names = dict.fromkeys(["system", "answer", *self.experiment.axes])
        query = "SELECT DISTINCT answer, layouts.layout FROM curves JOIN layouts ON layouts.id = curves.layout"
        found = sorted(self._connection.execute(query), key=lambda pair: (ANSWERS.index(pair[0]), pair[1]))
        for answer, layout in found:
            names |= dict.fromkeys(summary_columns(layout, answer))
        query = "SELECT 1 FROM curves WHERE diverged_at IS NOT NULL LIMIT 1"
        return [*names, *(["diverged_at"] if self._connection.execute(query).fetchone() else [])]

    def rows(self) -> Iterator[Row]:
        """Yield the summary table's rows: system, answer, varied parameters, coordinate, observables.

        A simulation's observable ``X`` is the mean over ``replicates`` draws, ``X_sem`` the standard error of
        that mean (None where one draw leaves it undefined).  Where draws diverged, ``diverged_at`` is the first
        coordinate at which one did, and each row counts the ``replicates`` that had not diverged by then.
        """
        for parameters, answer, found in self.curves():
            head = {"system": self.experiment.system.name, "answer": answer}
            head |= parameters
            diverged = [curve.diverged_at for curve in found if curve.diverged_at is not None]
            tail = {"diverged_at": min(diverged)} if diverged else {}
            for row in summarise(found, answer):
                yield head | row | tail

    def divergences(self) -> list[Row]:
        """Return for each point and answer of which draws diverged, how many and where the first did."""
        query = (
            "SELECT parameters, answer, count(*), min(diverged_at) FROM curves JOIN points ON points.id = point "
            "WHERE diverged_at IS NOT NULL GROUP BY point, answer"
        )
        axes = list(self.experiment.axes)
        return [
            {name: json.loads(parameters)[name] for name in axes}
            | {"answer": answer, "diverged": count, "diverged_at": first}
            for parameters, answer, count, first in self._connection.execute(query)
        ]


def shown(system: System) -> str:
    """Return a point's parameters as JSON; arrays are left out: they cannot vary within a run."""
    declared = system.parameters()
    values = {name: plain(v) for name, v in system.values().items() if declared[name].kind != "array"}
    return json.dumps(values)


def damaged(directory: Path | None, reason: object) -> InputError:
    """Return the error that says that a run can be read no more as it is."""
    return InputError(
        f"{directory} is damaged ({reason}): run its command again, which salvages what is whole and performs the rest"
    )
