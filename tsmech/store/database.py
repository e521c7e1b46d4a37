"""The SQLite file of a run: its tables, the mark of the application, and its description."""

import contextlib
import functools
import json
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tsmech.errors import InputError
from tsmech.experiment import Experiment, restore
from tsmech.problem.remembered import Remembered
from tsmech.problem.system import System
from tsmech.problem.written import plain
from tsmech.store.checksums import (
    FORMATS,
    UNREADABLE,
    DamageError,
    Tally,
    description_checksum,
    format_of,
    is_described,
    is_of_format,
    is_passing,
    meta,
    reason,
)
from tsmech.store.locks import FILE, has_locks
from tsmech.store.origin import OtherVersionError, begun, other_version, provenance, version, write_origin
from tsmech.store.schema import APPLICATION, empty, make_tables
from tsmech.systems import REGISTRY
from tsmech.words import shown

PATIENCE = 60.0
"""Seconds for which a writer waits for a reader, where the two exclude each other."""
EARLY, MARK_AT, HISTORY = 1 << 16, 68, b'"tsmech": "'
"""Within how many bytes a run says what it is, where the header has its mark, and words of its history."""
_NO_LOCKS = (
    sqlite3.SQLITE_IOERR_LOCK,
    sqlite3.SQLITE_IOERR_RDLOCK,
    sqlite3.SQLITE_IOERR_UNLOCK,
    sqlite3.SQLITE_IOERR_CHECKRESERVEDLOCK,
)


def connect(file: Path, locks: bool = True) -> sqlite3.Connection:
    """Open the file of a run; without ``locks`` where the disk has none.

    Raises
    ------
    DamageError
        Where it is a run that is damaged.
    InputError
        Where it is none, or one of another version.
    """
    try:
        connection = _open(file, locks)
    except sqlite3.OperationalError as error:
        raise InputError(f"{file} cannot be opened: {error}") from None
    try:
        _recognise(connection, file)
        return connection
    except UNREADABLE as error:
        connection.close()
        code = getattr(error, "sqlite_errorcode", 0)
        if locks and (code in _NO_LOCKS or (code == sqlite3.SQLITE_BUSY and not has_locks(file.parent))):
            return connect(file, locks=False)
        if isinstance(error, DamageError):
            raise
        if is_passing(error):
            raise InputError(f"{file} cannot be opened: {error}") from None
        if _is_marked(file):
            raise DamageError(reason(error)) from None
        raise InputError(
            f"{file} cannot be read as a run: {reason(error)}; move it away, or name another directory"
        ) from None
    except BaseException:
        connection.close()
        raise


def _is_marked(file: Path) -> bool:
    """Return whether a file that cannot be read as a database was a run's: by its header, or by how runs begin."""
    with open(file, "rb") as opened:
        start = opened.read(EARLY)
    return start[MARK_AT : MARK_AT + 4] == APPLICATION.to_bytes(4, "big") or HISTORY in start


def check_versions(file: Path) -> None:
    """Raise ``DamageError`` where the header asks for another SQLite, which would let the file be read alone."""
    with open(file, "rb") as opened:
        versions = opened.read(20)[18:]
    if versions not in (b"", b"\1\1", b"\2\2"):
        raise DamageError("its header is altered")


def _open(file: Path, locks: bool) -> sqlite3.Connection:
    if locks:
        return sqlite3.connect(file)
    connection = sqlite3.connect(f"{file.absolute().as_uri()}?vfs=unix-none", uri=True)
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # a log written ahead can be read so
    return connection


def _recognise(connection: sqlite3.Connection, file: Path) -> None:
    """Refuse what is not a run of a format that is known here."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    number = format_of(connection)
    found = tables(connection)
    if not found and application != APPLICATION:
        return
    with contextlib.closing(empty()) as model:
        alike = tables(model).items() <= found.items()
    if number in FORMATS and alike and application == APPLICATION:
        return
    stored = meta(connection) if alike else {}
    if application != APPLICATION and not is_described(stored):
        raise InputError(f"{file} is not a run of tsmech: move it away, or name another directory")
    if number in FORMATS or is_of_format(stored, *FORMATS):
        raise DamageError("its first page is altered")
    raise other_version(file, stored, number)


def tables(connection: sqlite3.Connection) -> dict[tuple[str, str], str]:
    """Return how the tables and indices of a file were made, by kind and name."""
    return {(kind, name): sql for kind, name, sql in connection.execute("SELECT type, name, sql FROM sqlite_master")}


def is_new(connection: sqlite3.Connection) -> bool:
    """Return whether nothing was ever committed to the file."""
    return bool(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0)


def initialise(connection: sqlite3.Connection, experiment: Experiment | None = None, shard: str = "") -> None:
    """Make the tables and describe the experiment, in one transaction."""
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        make_tables(connection)
        if experiment is not None:
            write_experiment(connection, experiment, experiment.identity())
            write_origin(connection, begun(shard))
            Tally().write(connection)


def begin_writing(connection: sqlite3.Connection, local: bool) -> None:
    """Use a write-ahead log, for which readers do not wait, or a rollback journal on a network disk."""
    if local:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        return
    connection.execute(f"PRAGMA busy_timeout = {1000 * PATIENCE:.0f}")
    (mode,) = connection.execute("PRAGMA locking_mode").fetchone()
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # a log that is still there is read without shared memory
    connection.execute("PRAGMA journal_mode = TRUNCATE")
    connection.execute(f"PRAGMA locking_mode = {mode}")
    connection.execute("SELECT 1 FROM meta").fetchone()  # which is when the lock is given up


def write_experiment(connection: sqlite3.Connection, experiment: Experiment, identity: Mapping[str, Any]) -> None:
    """Describe what the run has been asked for, in the first format that can say it."""
    absent = experiment.absent_answers()
    lacking = {"lacking": absent} if absent else {}
    described = {
        "experiment": json.dumps({**experiment.describe(), "name": experiment.name, **lacking}),
        "identity": json.dumps(identity),
    }
    described["checksum"] = description_checksum(described)
    connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", described.items())
    # Not before: what is no change of a table begins no transaction, and would stay if this one is given up.
    connection.execute(f"PRAGMA user_version = {FORMATS[bool(absent)]}")


def stored_experiment(
    connection: sqlite3.Connection, directory: Path, system: type[System] | None = None, curves: bool = True
) -> Experiment:
    """Return what the run has been asked for, of a system that is looked up where it is not given.

    Raises
    ------
    OtherVersionError
        Where it was asked for something that is not known here, or where its ``curves`` hold something that is not.
    """
    stored = meta(connection)
    described = {"lacking": {}, **json.loads(stored["experiment"])}
    if system is None and described["system"] not in REGISTRY:  # it may be somebody's own, and nothing is wrong with it
        theirs = version(json.loads(stored["history"])[-1])
        raise OtherVersionError(
            f"{directory / FILE} is a run of the system {shown(described['system'])}, which is not known here "
            f"(it was written by tsmech {theirs}, and this is {version(provenance())})"
        )
    try:
        experiment = restore(described, system)
        if curves:
            _check_layouts(connection, experiment.system)
        return experiment
    except InputError as error:
        raise other_version(directory / FILE, stored, format_of(connection), str(error)) from None


def _check_layouts(connection: sqlite3.Connection, system: type[System]) -> None:
    """Refuse curves of observables or coordinates that the system has not."""
    for (layout,) in connection.execute("SELECT layout FROM layouts"):
        described = json.loads(layout)
        for what, names, known in (
            ("coordinate", described["coordinates"], system.coordinates),
            ("observable", {**described["observables"], **described["summaries"]}, system.observables),
        ):
            if unknown := names.keys() - known.keys():
                raise InputError(f"{system.name} has no {what} {shown(min(unknown))}")


def joined_identity(stored: Mapping[str, str], asked: Experiment, directory: Path) -> dict[str, list[Any]]:
    """Return the identity of a run that is extended; refuse what is not an extension of it.

    Two axes can be joined, and an axis with one of its values; two different single values cannot.
    """
    before, now = json.loads(stored["identity"]), json.loads(json.dumps(asked.identity()))
    defaults = {name: [plain(parameter.default)] for name, parameter in asked.system.parameters().items()}
    joined = {}
    for name in {**now, **before}:
        there, here = (identity.get(name, defaults.get(name, [])) for identity in (before, now))
        fewer, more = sorted((here, there), key=len)
        if len(fewer) <= 1 and any(value not in more for value in fewer):
            raise InputError(
                f"{directory} holds another experiment: {name} is {_shown(there)} there and {_shown(here)} here; "
                "name another --out, or start anew with --fresh"
            )
        joined[name] = [*there, *(value for value in here if value not in there)]
    return joined


def _shown(values: Sequence[Any]) -> str:
    if len(values) == 1:
        return str(values[0])
    return f"an axis of {len(values)} values" if values else "absent"


def written_parameters(system: System) -> str:
    """Return a point's parameters as JSON; lists are left out: they cannot vary within a run."""
    entries = _written(type(system)).of(vars(system))  # type: ignore[arg-type]  # mypy takes the class for its value
    return f"{{{', '.join(entries)}}}"


@functools.cache
def _written(system: Any) -> Remembered:
    """Return what writes each parameter that can vary within a run."""

    def write(name: str, value: Any) -> str:
        return f"{json.dumps(name)}: {repr(value) if type(value) is float else json.dumps(plain(value))}"

    return Remembered((name for name, declared in system.parameters().items() if not declared.single), write)
