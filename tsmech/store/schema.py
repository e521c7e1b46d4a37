"""The tables of a run's SQLite file, and what marks the file as ours."""

import sqlite3

from tsmech.store.checksums import FORMATS

APPLICATION = 0x74736D65  # "tsme": marks the file as ours
OF_THE_SWEEP = "point NOT IN (SELECT id FROM points WHERE line)"
"""The condition that a curve or a failure belongs to a point of the sweep, not to one between these on a line."""

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE points (
    id INTEGER PRIMARY KEY, key TEXT UNIQUE NOT NULL, parameters TEXT NOT NULL, line INTEGER NOT NULL);
CREATE TABLE layouts (id INTEGER PRIMARY KEY, layout TEXT UNIQUE NOT NULL);
CREATE TABLE curves (
    point INTEGER NOT NULL REFERENCES points, answer TEXT NOT NULL, replicate INTEGER NOT NULL,
    seconds REAL NOT NULL, stop TEXT, stopped_at REAL, layout INTEGER NOT NULL REFERENCES layouts, data BLOB NOT NULL,
    checksum INTEGER NOT NULL, PRIMARY KEY (point, answer, replicate)) WITHOUT ROWID;
CREATE TABLE failures (
    point INTEGER NOT NULL REFERENCES points, answer TEXT NOT NULL, replicate INTEGER NOT NULL,
    error TEXT NOT NULL, trace TEXT NOT NULL, PRIMARY KEY (point, answer, replicate)) WITHOUT ROWID;
"""


def make_tables(connection: sqlite3.Connection) -> None:
    """Make the tables and mark the file, in a transaction of the caller's."""
    for statement in _SCHEMA.split(";"):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {FORMATS[0]}")


def empty() -> sqlite3.Connection:
    """Return a run in memory that holds nothing."""
    connection = sqlite3.connect(":memory:")
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        make_tables(connection)
    return connection
