"""The SQLite file of a run: its tables, what marks it as ours, and the seals by which damage is known."""

import importlib.metadata
import json
import platform
import sqlite3
import time
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tsmech.errors import InputError
from tsmech.experiment import Experiment, restore
from tsmech.systems.parameters import plain

_APPLICATION = 0x74736D65  # "tsme": marks the file as ours
_FORMAT = 2

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE points (id INTEGER PRIMARY KEY, key TEXT UNIQUE NOT NULL, parameters TEXT NOT NULL);
CREATE TABLE layouts (id INTEGER PRIMARY KEY, layout TEXT UNIQUE NOT NULL);
CREATE TABLE curves (
    point INTEGER NOT NULL REFERENCES points, answer TEXT NOT NULL, replicate INTEGER NOT NULL,
    seconds REAL NOT NULL, diverged_at REAL, layout INTEGER NOT NULL REFERENCES layouts, data BLOB NOT NULL,
    seal INTEGER NOT NULL, PRIMARY KEY (point, answer, replicate)) WITHOUT ROWID;
CREATE TABLE failures (
    point INTEGER NOT NULL REFERENCES points, answer TEXT NOT NULL, replicate INTEGER NOT NULL,
    error TEXT NOT NULL, trace TEXT NOT NULL, PRIMARY KEY (point, answer, replicate)) WITHOUT ROWID;
"""


def seal(seed: int, point: str, answer: str, replicate: int, diverged_at: float | None, layout: str, data: Any) -> int:
    """Return the check sum of a curve and of its address, by which a damaged one is known.

    ``point`` is the point's key followed by its parameters.
    """
    address = f"{seed} {point} {answer} {replicate} {diverged_at!r} {layout}"
    return zlib.crc32(data if isinstance(data, bytes) else b"", zlib.crc32(address.encode()))


def damage(connection: sqlite3.Connection) -> str | None:
    """Return what is damaged in a file, or None; all of it is read."""
    try:
        verdict = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        if verdict != "ok":
            return verdict
        stored = meta(connection)
        if not is_described(stored):
            return "the description of the experiment does not bear its seal"
        seed = json.loads(stored["identity"])["seed"][0]
        connection.create_function("seal", 7, seal, deterministic=True)
        (broken,) = connection.execute(
            "SELECT count(*) FROM curves LEFT JOIN points ON points.id = point "
            "LEFT JOIN layouts ON layouts.id = curves.layout "
            "WHERE curves.seal IS NOT seal(?, key || parameters, answer, replicate, diverged_at, layouts.layout, data)",
            (seed,),
        ).fetchone()
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
        return str(error)
    return f"{broken} curves do not bear their seals" if broken else None


def is_described(stored: Mapping[str, str]) -> bool:
    """Return whether what a run says of itself bears its seal."""
    return stored.get("seal") == _describing_seal(stored)


def _describing_seal(stored: Mapping[str, str]) -> str:
    return str(zlib.crc32("".join(stored.get(key, "") for key in ("experiment", "identity")).encode()))


def connect(file: Path) -> sqlite3.Connection:
    """Open the file of a run, or refuse it.

    Raises
    ------
    InputError
        Where it is no run, or one of another version.
    """
    try:
        connection = sqlite3.connect(file)
    except sqlite3.OperationalError as error:
        raise InputError(f"{file} cannot be opened: {error}") from None
    try:
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if application != _APPLICATION and not is_new(connection):
            raise InputError(f"{file} is not a run of tsmech")
        if version > _FORMAT:
            raise InputError(f"{file} was written by a newer version of tsmech (format {version}, known: {_FORMAT})")
        if application == _APPLICATION and version < _FORMAT:
            raise InputError(f"{file} was written by an older tsmech (format {version}, now {_FORMAT}): use --fresh")
    except sqlite3.DatabaseError as error:
        connection.close()
        raise InputError(f"{file} cannot be read as a run: {error}") from None
    except BaseException:
        connection.close()
        raise
    return connection


def is_new(connection: sqlite3.Connection) -> bool:
    """Return whether nothing was ever committed to the file."""
    return bool(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0)


def initialise(connection: sqlite3.Connection, experiment: Experiment | None = None, shard: str = "") -> None:
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
            connection.executemany("INSERT INTO meta VALUES (?, ?)", (begun | {"shard": shard}).items())
            write_experiment(connection, experiment, experiment.identity())


def write_ahead(connection: sqlite3.Connection) -> None:
    """Let writing append to a log that readers do not wait for."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")


def write_experiment(connection: sqlite3.Connection, experiment: Experiment, identity: Mapping[str, Any]) -> None:
    """Describe what the run has been asked for."""
    described = {
        "experiment": json.dumps({**experiment.describe(), "name": experiment.name}),
        "identity": json.dumps(identity),
    }
    described["seal"] = _describing_seal(described)
    connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", described.items())


def meta(connection: sqlite3.Connection) -> dict[str, str]:
    """Return what the run says of itself."""
    return dict(connection.execute("SELECT key, value FROM meta"))


def stored_experiment(connection: sqlite3.Connection) -> Experiment:
    """Return what the run has been asked for."""
    return restore(json.loads(meta(connection)["experiment"]))


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
