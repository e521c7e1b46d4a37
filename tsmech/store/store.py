"""The run directory: one SQLite file in which what is finished stays, opened to be read, or to be extended.

The coordinating process alone writes, in transactions, on a disk of its own machine in SQLite's write-ahead mode:
killing it at any moment loses nothing that was committed.  A run that was closed properly is one plain file.  Every
reader checks the whole file and refuses it where a row is damaged or missing.
"""

import contextlib
import json
import os
import sqlite3
from pathlib import Path

from tsmech.errors import InputError
from tsmech.experiment import Experiment, in_order
from tsmech.problem.written import plain
from tsmech.store.checksums import DamageError, Tally, examine, mark, meta
from tsmech.store.database import (
    begin_writing,
    check_versions,
    connect,
    initialise,
    is_new,
    joined_identity,
    stored_experiment,
    write_experiment,
)
from tsmech.store.directory import check
from tsmech.store.locks import FILE, Lock, take_lock
from tsmech.store.origin import continued, write_origin
from tsmech.store.reader import damaged
from tsmech.store.writer import Writer


class Store(Writer):
    """A run's finished work: opened for an experiment by :meth:`create`, or as it is by :meth:`open`.

    Attributes
    ----------
    experiment
        All that the run has been asked for so far.
    directory
        The run directory, or None for a run that is kept in memory alone.
    notice
        What a person must know of its opening: that it was damaged, or lies on a disk without locks.
    surplus
        What it holds that was not asked for, in words.
    """

    def __init__(
        self, connection: sqlite3.Connection, experiment: Experiment, directory: Path | None, tally: Tally
    ) -> None:
        super().__init__(connection, experiment, directory, tally)
        self._lock: Lock | None = None
        self.notice = ""
        self.surplus = ""

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
            return cls(connection, experiment, None, Tally())
        check(directory)
        lock = Lock()
        try:
            directory.mkdir(parents=True, exist_ok=True)
            lock = take_lock(directory)
            store = cls._create(experiment, directory, shard, lock)
        except (OSError, sqlite3.OperationalError) as error:
            lock.release()
            words = error.strerror if isinstance(error, OSError) else str(error)
            raise InputError(f"the run directory {directory} cannot be written: {words}") from None
        except BaseException:
            lock.release()
            raise
        store._lock = lock
        store.notice = "; ".join(filter(None, [store.notice, lock.words]))
        return store

    @classmethod
    def _create(cls, asked: Experiment, directory: Path, shard: str, lock: Lock) -> "Store":
        connection, tally, notice = _open_whole(directory, asked, shard, locks=not lock.words)
        experiment, surplus = asked, ""
        try:
            if is_new(connection):
                initialise(connection, asked, shard)
                begin_writing(connection, lock.local)
            else:
                stored = meta(connection)
                if stored.get("shard", "") != shard:
                    there, here = (f"shard {words}" if words else "a whole run" for words in (stored["shard"], shard))
                    raise InputError(f"{directory} holds {there}, not {here}: name another --out")
                identity = joined_identity(stored, asked, directory)
                experiment = stored_experiment(connection, directory, asked.system).joined(asked)
                surplus = _surplus(connection, experiment, asked, directory)
                begin_writing(connection, lock.local)
                with connection:
                    _adopt(connection, experiment, tally)
                    write_experiment(connection, experiment, identity)
                    write_origin(connection, continued(stored))
                    tally.write(connection)
            store = cls(connection, experiment, directory, tally)
        except BaseException:
            connection.close()
            raise
        store.notice, store.surplus = notice, surplus
        return store

    @classmethod
    def open(cls, directory: Path, checked: bool = False) -> "Store":
        """Open a run directory to read it, and read all of it once, unless that was just done.

        Raises
        ------
        InputError
            Where it is no run, or a damaged one.
        """
        file = directory / FILE
        if not os.path.isfile(file):
            raise InputError(f"{directory} is not a run directory: it has no {FILE}")
        try:
            connection = connect(file)
        except DamageError as error:
            raise damaged(directory, error) from None
        try:
            if is_new(connection):
                raise InputError(f"{directory} is a run that never began: run its command again")
            tally = Tally() if checked else examine(connection)
            return cls(connection, stored_experiment(connection, directory), directory, tally)
        except InputError:  # a run that never began, or one of another version
            connection.close()
            raise
        except DamageError as error:
            connection.close()
            raise damaged(directory, error) from None
        except (sqlite3.DatabaseError, OSError) as error:
            connection.close()
            raise InputError(f"{directory} cannot be read: {error}") from None

    def close(self) -> None:
        """Close the file; where it was written and nobody else reads it, leave it as one plain file."""
        if self._lock is not None:
            with contextlib.suppress(sqlite3.OperationalError):
                self._connection.execute("PRAGMA journal_mode = DELETE")
        self._connection.close()
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _open_whole(directory: Path, asked: Experiment, shard: str, locks: bool) -> tuple[sqlite3.Connection, Tally, str]:
    """Open the file of a run to write it, salvaged where it is damaged; return its tally and the notice of that."""
    from tsmech.store.salvage import salvage

    file, notice = directory / FILE, ""
    while True:
        try:
            connection = connect(file, locks)
            try:
                check_versions(file)
                return connection, Tally() if is_new(connection) else examine(connection), notice
            except BaseException:
                connection.close()
                raise
        except DamageError as error:
            if notice:
                raise damaged(directory, error) from None
            notice = salvage(directory, asked, shard, str(error))


def _adopt(connection: sqlite3.Connection, experiment: Experiment, tally: Tally) -> None:
    """Make those points of lines that an extended sweep has points of the sweep."""
    known = {name: {in_order(plain(value)) for value in values} for name, values in experiment.axes.items()}
    for number, key, text in connection.execute("SELECT id, key, parameters FROM points WHERE line").fetchall():
        parameters = json.loads(text)
        if all(in_order(parameters[name]) in values for name, values in known.items()):
            connection.execute("UPDATE points SET line = 0 WHERE id = ?", (number,))
            tally.remove(mark(key, text, 1))
            tally.add(mark(key, text, 0))


def _surplus(connection: sqlite3.Connection, joined: Experiment, asked: Experiment, directory: Path) -> str:
    """Return in words what a run holds beyond what is asked for, which the table shows as well."""
    held = connection.execute("SELECT max(replicate) + 1 FROM curves").fetchone()[0] or 0
    most = asked.max_replicates or asked.replicates
    words = (
        [f"{held} replicates (asked for: {most})"] if held > most and any(map(asked.simulates, asked.answers)) else []
    )
    if set(joined.answers) > set(asked.answers):
        words.append(f"the answers {', '.join(joined.answers)} (asked for: {', '.join(asked.answers)})")
    for name, values in joined.parameters.items():
        if len(values) > (count := len(asked.parameters.get(name, (None,)))):
            words.append(f"{len(values)} values of {name} (asked for: {count})")
    more = "the table and the picture show all that it holds; name another directory for less"
    return f"{directory} holds {'; '.join(words)}: {more}" if words else ""
