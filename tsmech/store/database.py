"""The SQLite file of a run: its tables, the mark of the application, and its description."""

import contextlib
import functools
import importlib.metadata
import itertools
import json
import platform
import sqlite3
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tsmech.errors import InputError
from tsmech.experiment import Experiment, restore
from tsmech.problem.parameters import plain
from tsmech.problem.remembered import Remembered
from tsmech.problem.system import System
from tsmech.store.checksums import (
    FORMAT,
    UNREADABLE,
    DamageError,
    Tally,
    description_checksum,
    is_described,
    is_of_this_format,
    is_passing,
    meta,
    origin_checksum,
    reason,
)
from tsmech.store.locks import has_locks
from tsmech.store.schema import APPLICATION, empty, make_tables

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


class OtherVersionError(InputError):
    """A run that another version of tsmech has written."""


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
    """Refuse what is not a run of this version's format."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    found = tables(connection)
    if not found and application != APPLICATION:
        return
    with contextlib.closing(empty()) as model:
        alike = tables(model).items() <= found.items()
    if version == FORMAT and alike and application == APPLICATION:
        return
    stored = meta(connection) if alike else {}
    if application != APPLICATION and not is_described(stored):
        raise InputError(f"{file} is not a run of tsmech: move it away, or name another directory")
    if version == FORMAT or is_of_this_format(stored):
        raise DamageError("its first page is altered")
    there, advice = f"format {version}", "start anew with --fresh, or name another directory"
    if version > FORMAT:
        raise OtherVersionError(
            f"{file} was written by a newer version of tsmech ({there}, known: {FORMAT}): use that, {advice}"
        )
    raise OtherVersionError(f"{file} was written by an older tsmech ({there}, now {FORMAT}): {advice}")


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
            write_origin(connection, {"history": json.dumps([provenance()]), "shard": shard})
            write_experiment(connection, experiment, experiment.identity())
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


def provenance() -> dict[str, str]:
    """Return what the numbers of a command depend on beside what is asked: versions, machine, and the time."""
    versions = {name: importlib.metadata.version(name) for name in ("tsmech", "numpy", "numba", "scipy")}
    place = {"python": platform.python_version(), "machine": f"{platform.system()} {platform.machine()}"}
    commit = checkout()
    return {
        "begun": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        **versions,
        **place,
        **({"commit": commit} if commit else {}),
    }


def checkout() -> str:
    """Return the commit of the checkout that the package lies in, or nothing where it lies in none."""
    top = Path(__file__).parents[2] / ".git"
    try:
        if top.is_file():  # a work tree beside its repository
            top = Path(top.read_text().partition("gitdir: ")[2].strip())
        head = (top / "HEAD").read_text().strip()
        name = head.partition("ref: ")[2]
        places = (top, top.parent.parent)
        return (
            next((at / name).read_text().strip()[:12] for at in places if (at / name).is_file()) if name else head[:12]
        )
    except (OSError, StopIteration):
        return ""


def continued(stored: Mapping[str, str]) -> dict[str, str]:
    """Return the description of a run once this command adds to it."""
    history, now = json.loads(stored["history"]), provenance()
    same = {**history[-1], "begun": ""} == {**now, "begun": ""}
    return {**stored, "history": json.dumps(history if same else [*history, now])}


def joined_history(*histories: Sequence[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """Return what several runs say of the commands that made them, one entry for all that differ in time alone."""
    found: dict[str, Mapping[str, str]] = {}
    for entry in itertools.chain(*histories):
        found.setdefault(json.dumps({**entry, "begun": ""}, sort_keys=True), entry)
    return list(found.values())


def write_origin(connection: sqlite3.Connection, stored: Mapping[str, str]) -> None:
    """Write with which versions a run was begun and continued, when, as which shard, and the checksum."""
    told = {key: stored[key] for key in ("history", "shard") if key in stored}
    connection.executemany(
        "INSERT OR REPLACE INTO meta VALUES (?, ?)", (told | {"origin": origin_checksum(told)}).items()
    )


def write_experiment(connection: sqlite3.Connection, experiment: Experiment, identity: Mapping[str, Any]) -> None:
    """Describe what the run has been asked for."""
    lacking = {} if experiment.lacking == {} else {"lacking": experiment.lacking}  # versions before it know no such key
    described = {
        "experiment": json.dumps({**experiment.describe(), "name": experiment.name, **lacking}),
        "identity": json.dumps(identity),
    }
    described["checksum"] = description_checksum(described)
    connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", described.items())


def stored_experiment(connection: sqlite3.Connection) -> Experiment:
    """Return what the run has been asked for."""
    return restore({"lacking": {}, **json.loads(meta(connection)["experiment"])})


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
