"""The run directory: one SQLite file in which what is finished stays, and the tables that are made from it.

The coordinating process alone writes, in transactions, in SQLite's write-ahead mode: killing it at any moment loses
nothing that was committed.  A run that was closed properly is one plain file.
"""

import contextlib
import dataclasses
import importlib.metadata
import json
import math
import platform
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsmech.directory import FILE, check, release, take_lock
from tsmech.engine import Outcome
from tsmech.errors import IncompleteError, InputError
from tsmech.experiment import Experiment, Unit, restore
from tsmech.systems.contract import ANSWERS, SIMULATIONS, Curve
from tsmech.systems.parameters import plain

_APPLICATION = 0x74736D65  # "tsme": marks the file as ours
_FORMAT = 1

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE points (id INTEGER PRIMARY KEY, key TEXT UNIQUE NOT NULL, parameters TEXT NOT NULL);
CREATE TABLE layouts (id INTEGER PRIMARY KEY, layout TEXT UNIQUE NOT NULL);
CREATE TABLE curves (
    point INTEGER NOT NULL REFERENCES points, answer TEXT NOT NULL, replicate INTEGER NOT NULL,
    seconds REAL NOT NULL, diverged_at REAL, layout INTEGER NOT NULL REFERENCES layouts, data BLOB NOT NULL,
    PRIMARY KEY (point, answer, replicate)) WITHOUT ROWID;
CREATE TABLE failures (
    point INTEGER NOT NULL REFERENCES points, answer TEXT NOT NULL, replicate INTEGER NOT NULL,
    error TEXT NOT NULL, trace TEXT NOT NULL, PRIMARY KEY (point, answer, replicate)) WITHOUT ROWID;
"""

Row = dict[str, Any]


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
        self._points: dict[str, int] = dict(connection.execute("SELECT key, id FROM points"))
        self._layouts: dict[str, int] = dict(connection.execute("SELECT layout, id FROM layouts"))

    @classmethod
    def create(cls, experiment: Experiment, directory: Path | None) -> "Store":
        """Open the run directory of an experiment to extend it, or make it; None keeps the run in memory.

        Raises
        ------
        InputError
            Where the directory cannot be written, is in use, or holds something else or a run that differs in more
            than points, replicates and answers.
        """
        if directory is None:
            connection = sqlite3.connect(":memory:")
            _initialise(connection)
            return cls(connection, experiment, None)
        check(directory)
        lock: int | None = None
        try:
            directory.mkdir(parents=True, exist_ok=True)
            lock = take_lock(directory)
            connection = _connect(directory / FILE)
        except OSError as error:
            raise InputError(f"the run directory {directory} cannot be written: {error.strerror}") from None
        except BaseException:
            release(lock)
            raise
        try:
            if _is_new(connection):
                _initialise(connection, experiment)
                _write_ahead(connection)
            else:
                identity = _joined_identity(_meta(connection), experiment, directory)
                experiment = _stored_experiment(connection).joined(experiment)
                _write_ahead(connection)
                with connection:
                    _write_experiment(connection, experiment, identity)
            store = cls(connection, experiment, directory)
        except sqlite3.OperationalError as error:
            connection.close()
            release(lock)
            raise InputError(f"the run directory {directory} cannot be written: {error}") from None
        except BaseException:
            connection.close()
            release(lock)
            raise
        store._lock = lock
        return store

    @classmethod
    def open(cls, directory: Path) -> "Store":
        """Open a run directory to read it."""
        file = directory / FILE
        if not file.is_file():
            raise InputError(f"{directory} is not a run directory: it has no {FILE}")
        connection = _connect(file)
        if _is_new(connection):
            connection.close()
            raise InputError(f"{directory} is a run that never began: run its command again")
        return cls(connection, _stored_experiment(connection), directory)

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

    def remaining(self, units: Iterable[Unit]) -> Iterator[Unit]:
        """Yield the units that are not finished, in order."""
        finished: set[tuple[int, str, int]] = set(
            self._connection.execute("SELECT point, answer, replicate FROM curves")
        )
        system = point = None
        for unit in units:
            if unit.system is not system:
                system = unit.system
                point = self._points.get(system.key())
            if (point, unit.answer, unit.replicate) not in finished:
                yield unit

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Write outcomes in one transaction.

        Raises
        ------
        IncompleteError
            Where they cannot be written (a full disk); what was stored before stays.
        """
        try:
            with self._connection:
                for outcome in outcomes:
                    self._add_one(outcome)
        except sqlite3.OperationalError as error:
            raise IncompleteError(
                f"{self.directory}: results cannot be stored ({error}); all that was stored before is kept"
            ) from None

    def _add_one(self, outcome: Outcome) -> None:
        unit = outcome.unit
        address = (self._point(unit), unit.answer, unit.replicate)
        if outcome.curve is None:
            values = (*address, outcome.error, outcome.trace)
            self._connection.execute("INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?, ?)", values)
            return
        layout, data = _pack(outcome.curve)
        self._connection.execute("DELETE FROM failures WHERE (point, answer, replicate) = (?, ?, ?)", address)
        self._connection.execute(
            "INSERT OR REPLACE INTO curves VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*address, outcome.seconds, outcome.curve.diverged_at, self._layout(layout), data),
        )

    def _point(self, unit: Unit) -> int:
        key = unit.system.key()
        if key not in self._points:
            declared = unit.system.parameters()  # arrays are left out: they cannot vary within a run
            shown = {name: plain(v) for name, v in unit.system.values().items() if declared[name].kind != "array"}
            values = json.dumps(shown)
            cursor = self._connection.execute("INSERT INTO points (key, parameters) VALUES (?, ?)", (key, values))
            self._points[key] = int(cursor.lastrowid or 0)
        return self._points[key]

    def _layout(self, layout: str) -> int:
        if layout not in self._layouts:
            cursor = self._connection.execute("INSERT INTO layouts (layout) VALUES (?)", (layout,))
            self._layouts[layout] = int(cursor.lastrowid or 0)
        return self._layouts[layout]

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
        stored = _meta(self._connection)
        return {"begun": stored["begun"], **json.loads(stored["versions"])}

    def curves(self) -> Iterator[tuple[dict[str, Any], str, list[Curve]]]:
        """Yield for each point, in the order of its parameters, and each answer the curves of all replicates."""
        axes = list(self.experiment.axes)
        points = [
            (json.loads(text), key) for text, key in self._connection.execute("SELECT parameters, id FROM points")
        ]
        points.sort(key=lambda point: [point[0][name] for name in axes])
        layouts = {number: layout for layout, number in self._layouts.items()}
        query = "SELECT diverged_at, layout, data FROM curves WHERE (point, answer) = (?, ?) ORDER BY replicate"
        for parameters, key in points:
            for answer in ANSWERS:
                found = [
                    dataclasses.replace(_unpack(layouts[number], data), diverged_at=diverged_at)
                    for diverged_at, number, data in self._connection.execute(query, (key, answer))
                ]
                if found:
                    yield parameters, answer, found

    def rows(self) -> Iterator[Row]:
        """Yield the summary table's rows: system, answer, varied parameters, coordinate, observables.

        A simulation's observable ``X`` is the mean over ``replicates`` draws, ``X_sem`` the standard error of
        that mean (None where one draw leaves it undefined).  Where draws diverged, ``diverged_at`` is the first
        coordinate at which one did, and each row counts the ``replicates`` that had not diverged by then.
        """
        axes = list(self.experiment.axes)
        for parameters, answer, found in self.curves():
            head = {"system": self.experiment.system.name, "answer": answer}
            head |= {name: parameters[name] for name in axes}
            diverged = [curve.diverged_at for curve in found if curve.diverged_at is not None]
            tail = {"diverged_at": min(diverged)} if diverged else {}
            for row in range(max(len(_scalars(curve)[0]) for curve in found)):
                yield head | _summarise(found, row, answer) | tail

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


def _connect(file: Path) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(file)
    except sqlite3.OperationalError as error:
        raise InputError(f"{file} cannot be opened: {error}") from None
    try:
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if application != _APPLICATION and not _is_new(connection):
            raise InputError(f"{file} is not a run of tsmech")
        if version > _FORMAT:
            raise InputError(f"{file} was written by a newer version of tsmech (format {version}, known: {_FORMAT})")
    except sqlite3.DatabaseError as error:
        connection.close()
        raise InputError(f"{file} cannot be read as a run: {error}") from None
    except BaseException:
        connection.close()
        raise
    return connection


def _is_new(connection: sqlite3.Connection) -> bool:
    """Return whether nothing was ever committed to the file."""
    return bool(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0)


def _initialise(connection: sqlite3.Connection, experiment: Experiment | None = None) -> None:
    """Make the tables and describe the experiment in one transaction, so that no run is ever half begun."""
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        for statement in _SCHEMA.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        connection.execute(f"PRAGMA user_version = {_FORMAT}")
        if experiment is not None:
            versions = {name: importlib.metadata.version(name) for name in ("tsmech", "numpy", "numba", "scipy")}
            versions |= {"python": platform.python_version(), "machine": platform.machine()}
            begun = {"versions": json.dumps(versions), "begun": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
            connection.executemany("INSERT INTO meta VALUES (?, ?)", begun.items())
            _write_experiment(connection, experiment, experiment.identity())


def _write_ahead(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")


def _write_experiment(connection: sqlite3.Connection, experiment: Experiment, identity: Mapping[str, Any]) -> None:
    described = {
        "experiment": json.dumps({**experiment.describe(), "name": experiment.name}),
        "identity": json.dumps(identity),
    }
    connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", described.items())


def _meta(connection: sqlite3.Connection) -> dict[str, str]:
    return dict(connection.execute("SELECT key, value FROM meta"))


def _stored_experiment(connection: sqlite3.Connection) -> Experiment:
    return restore(json.loads(_meta(connection)["experiment"]))


def _joined_identity(stored: Mapping[str, str], asked: Experiment, directory: Path) -> dict[str, list[Any]]:
    """Return the identity of a run that is extended; refuse what is not an extension of it.

    Two axes can be joined, and an axis with one of its values; two different single values cannot.
    """
    before, now = json.loads(stored["identity"]), json.loads(json.dumps(asked.identity()))
    for name in {**before, **now}:
        there, here = before.get(name, []), now.get(name, [])
        fewer, more = sorted((here, there), key=len)
        if len(fewer) <= 1 and any(value not in more for value in fewer):
            raise InputError(
                f"{directory} holds another experiment: {name} is {_shown(there)} there and {_shown(here)} here; "
                "name another --out, or start anew with --fresh"
            )
    return {name: [*before.get(name, []), *(v for v in now[name] if v not in before.get(name, []))] for name in now}


def _shown(values: Sequence[Any]) -> str:
    if len(values) == 1:
        return str(values[0])
    return f"an axis of {len(values)} values" if values else "absent"


def _scalars(curve: Curve) -> list[NDArray[np.float64]]:
    return [values for values in curve.columns.values() if values.ndim == 1]


def _summarise(found: Sequence[Curve], row: int, answer: str) -> Row:
    """Return one row of the summary: over the draws that reach it, which all have the same coordinate there."""
    reaching = [curve.columns for curve in found if len(_scalars(curve)[0]) > row]
    summary: Row = {}
    for name, first in reaching[0].items():
        if first.ndim > 1:
            continue
        if name == found[0].coordinate or answer not in SIMULATIONS:
            summary[name] = float(first[row])
        else:
            summary[name], summary[f"{name}_sem"] = _mean([float(columns[name][row]) for columns in reaching])
    return summary | ({"replicates": len(reaching)} if answer in SIMULATIONS else {})


def _mean(values: Sequence[float]) -> tuple[float, float | None]:
    """Return the mean and its standard error, which one value or an infinite one leaves undefined (None)."""
    count, largest = len(values), max(values, key=abs)
    if math.isinf(largest):
        return largest, None
    scale = largest if abs(largest) > 1e150 else 1.0  # so that no square overflows
    mean = math.fsum(value / scale for value in values) / count
    squares = math.fsum((value / scale - mean) ** 2 for value in values)
    error = abs(scale) * math.sqrt(squares / (count - 1) / count) if count > 1 else None
    return mean * scale, error


def _pack(curve: Curve) -> tuple[str, bytes]:
    columns = {name: np.ascontiguousarray(values, dtype="<f8") for name, values in curve.columns.items()}
    layout = {
        "coordinate": curve.coordinate,
        "shapes": {name: values.shape for name, values in columns.items()},
    }
    return json.dumps(layout), b"".join(values.tobytes() for values in columns.values())


def _unpack(layout: str, data: bytes) -> Curve:
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
