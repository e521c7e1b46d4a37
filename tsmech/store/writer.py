"""What is written into a run's file: outcomes of tasks, and what other runs have finished, each with its tally."""

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tsmech.engine import Outcome
from tsmech.errors import CutShortError, IncompleteError, InputError
from tsmech.experiment import Experiment
from tsmech.problem.system import System
from tsmech.store.checksums import Tally, curve_checksum, mark, mark_of_curve, meta
from tsmech.store.database import written_parameters
from tsmech.store.locks import FILE, on_network
from tsmech.store.origin import joined_history, write_origin
from tsmech.store.reader import Reader
from tsmech.store.summary import pack

Address = tuple[int, str, int]
"""Where a curve or a failure stands: its point's number in the file, its answer and its replicate."""

MOST_REMEMBERED = 10_000
"""Points whose numbers in the file are kept in memory."""


class Writer(Reader):
    """A run's file as it is written; :class:`tsmech.store.Store` opens and closes it."""

    def __init__(
        self, connection: sqlite3.Connection, experiment: Experiment, directory: Path | None, tally: Tally
    ) -> None:
        self._connection = connection
        self._file = None if directory is None else (directory / FILE).stat()
        self._tally = tally
        self._any_failed = connection.execute("SELECT 1 FROM failures LIMIT 1").fetchone() is not None
        self.experiment = experiment
        self.directory = directory
        self._points: dict[str, tuple[int, str]] = {}
        self._layouts: dict[str, int] = dict(connection.execute("SELECT layout, id FROM layouts"))

    def check_kept(self) -> None:
        """Check that the file is still where it was opened.

        Raises
        ------
        IncompleteError
            Where it was removed, or another stands in its place.
        """
        if self.directory is None or self._file is None:
            return
        try:
            found = (self.directory / FILE).stat()
        except OSError:
            gone = True
        else:  # on a network disk a file's number may change
            gone = not os.path.samestat(found, self._file) and not on_network(self.directory)
        if gone:
            raise IncompleteError(
                f"{self.directory / FILE} was removed while the run was under way, and what was finished with it: "
                "run the command again"
            )

    def add(self, outcomes: Sequence[Outcome], *, line: bool = False) -> None:
        """Write outcomes, in one transaction where they can be.

        Those of a ``line`` belong to points between those of the sweep: no table, count or summary has them.

        Raises
        ------
        CutShortError
            Where they cannot all be written (a full disk); what was stored before, and what still fits, stays.
        """
        try:
            try:
                self._add_together(outcomes, line)
            except sqlite3.DatabaseError:
                for outcome in outcomes:
                    self._add_together([outcome], line)
        except sqlite3.DatabaseError as error:
            self.check_kept()
            raise CutShortError(
                f"{self.directory}: results cannot be stored ({error}); all that was stored before is kept"
            ) from None

    def _add_together(self, outcomes: Sequence[Outcome], line: bool) -> None:
        with self._transaction():
            self._enter_curves([row for outcome in outcomes if (row := self._row(outcome, line)) is not None])

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """Write rows and their tally together, or neither."""
        tally = self._tally.copy()
        try:
            with self._connection:
                yield
                self._tally.write(self._connection)
        except BaseException:
            # What was entered with them is taken back, too.
            self._tally = tally
            self._points.clear()
            self._layouts = dict(self._connection.execute("SELECT layout, id FROM layouts"))
            raise

    def _row(self, outcome: Outcome, line: bool) -> tuple[Any, ...] | None:
        """Return the row of an outcome's curve, whose point is entered; a failure is entered at once."""
        task = outcome.task
        point, key = self._point(task.system, line)
        if outcome.curve is None:
            self._enter_failure((point, task.answer, task.replicate), key, outcome.error, outcome.trace)
            return None
        self._remove_failure((point, task.answer, task.replicate), key)
        layout, data = pack(outcome.curve)
        stop = outcome.curve.stop
        ended = (None, None) if stop is None else (stop.reason, float(stop.at))
        checksum = curve_checksum(self.experiment.seed, key, task.answer, task.replicate, ended, layout, data)
        return (point, task.answer, task.replicate, outcome.seconds, *ended, self._layout(layout), data, checksum)

    def _enter_curves(self, rows: Sequence[tuple[Any, ...]]) -> int:
        """Enter curves where there are none, which stay; return how many were entered.

        Raises
        ------
        sqlite3.IntegrityError
            Where there are some of several: which ones, is known of a single one.
        """
        statement = "INSERT OR IGNORE INTO curves VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        entered = max(0, self._connection.executemany(statement, rows).rowcount)
        if entered == len(rows):
            self._tally.add(sum(mark_of_curve(row[-1], row[3]) for row in rows), len(rows))
        elif len(rows) > 1:
            raise sqlite3.IntegrityError("some curves are there already")
        return entered

    def _enter_failure(self, address: Address, key: str, error: str, trace: str) -> None:
        """Enter a failure, in place of an earlier one."""
        self._remove_failure(address, key)
        self._connection.execute("INSERT INTO failures VALUES (?, ?, ?, ?, ?)", (*address, error, trace))
        self._any_failed = True
        self._tally.add(mark(key, *address[1:], error, trace))

    def _remove_failure(self, address: Address, key: str) -> None:
        if not self._any_failed:
            return
        statement = "DELETE FROM failures WHERE (point, answer, replicate) = (?, ?, ?) RETURNING error, trace"
        for error, trace in self._connection.execute(statement, address).fetchall():
            self._tally.remove(mark(key, *address[1:], error, trace))

    def _point(self, system: System, line: bool) -> tuple[int, str]:
        """Return a point's number in the file, and its key with its parameters; a new one is entered."""
        key = system.key()
        if key not in self._points:
            if len(self._points) >= MOST_REMEMBERED:
                self._points.clear()
            values = written_parameters(system)
            self._points[key] = (self._enter_point(key, values, line), key + values)
        return self._points[key]

    def _enter_point(self, key: str, parameters: str, line: int) -> int:
        statement = "INSERT OR IGNORE INTO points (key, parameters, line) VALUES (?, ?, ?)"
        entered = self._connection.execute(statement, (key, parameters, int(line)))
        if entered.rowcount:
            self._tally.add(mark(key, parameters, int(line)))
            return int(entered.lastrowid or 0)
        (number,) = self._connection.execute("SELECT id FROM points WHERE key = ?", (key,)).fetchone()
        return int(number)

    def _layout(self, layout: str) -> int:
        if layout not in self._layouts:
            cursor = self._connection.execute("INSERT INTO layouts (layout) VALUES (?)", (layout,))
            self._layouts[layout] = int(cursor.lastrowid or 0)
            self._tally.add(mark(layout))
        return self._layouts[layout]

    def absorb(self, others: "Iterable[Writer]") -> None:
        """Copy all that other runs of the same experiment have finished, in one transaction.

        The caller has checked them.

        Raises
        ------
        InputError
            Where two runs have different curves of one task.
        CutShortError
            Where it cannot be written.
        """
        try:
            with self._transaction():
                made = [] if self.is_empty() else [self.history()]  # a command that only merges makes no numbers
                for other in others:
                    made.append(other.history())
                    self._absorb_one(other)
                stored = meta(self._connection)
                write_origin(self._connection, {**stored, "history": json.dumps(joined_history(*made))})
        except sqlite3.DatabaseError as error:
            raise CutShortError(f"{self.directory} cannot be written ({error})") from None

    def _absorb_one(self, other: "Writer") -> None:
        points: dict[int, tuple[int, str]] = {}
        for number, key, parameters, line in other._connection.execute("SELECT id, key, parameters, line FROM points"):
            points[number] = (self._enter_point(key, parameters, line), key + parameters)
        layouts = {number: self._layout(layout) for layout, number in other._layouts.items()}
        query = "SELECT point, answer, replicate, seconds, stop, stopped_at, layout, data, checksum FROM curves"
        for there, answer, replicate, *values, layout, data, checksum in other._connection.execute(query):
            point, key = points[there]
            address = (point, answer, replicate)
            self._remove_failure(address, key)
            if not self._enter_curves([(*address, *values, layouts[layout], data, checksum)]):
                where = "WHERE (point, answer, replicate) = (?, ?, ?)"
                (before,) = self._connection.execute(f"SELECT checksum FROM curves {where}", address).fetchone()
                if before != checksum:
                    raise InputError(
                        f"{other.directory} has another {answer}, replicate {replicate}, than what was merged before: "
                        "the two were not made by the same version on the same kind of machine"
                    )
        query = "SELECT point, answer, replicate, error, trace FROM failures"
        known = "SELECT 1 FROM {} WHERE (point, answer, replicate) = (?, ?, ?)"
        for there, answer, replicate, error, trace in other._connection.execute(query):
            point, key = points[there]
            address = (point, answer, replicate)
            if not any(self._connection.execute(known.format(t), address).fetchone() for t in ("curves", "failures")):
                self._enter_failure(address, key, error, trace)
