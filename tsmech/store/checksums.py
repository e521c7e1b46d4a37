"""Detects damage to a run: a checksum of each curve, a count of all rows, and the examination that reads everything.

A checksum covers a curve's numbers, its address and the seed.  It cannot show that a row is missing: that the tally
does, which is written in the transaction that writes the rows.
"""

import json
import sqlite3
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

FORMATS = (3, 4)
"""Numbers of the file's format that are known.

The description of a run of format 4 says which answers some of its points lack.  Every other run has format 3, so that
versions which know no such description read it.
"""
_CHECKED = ("meta", "points", "layouts")
"""Tables whose indices are compared with what they index."""
_DOUBLE = struct.Struct("<d")
_PASSING = (
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
)

UNREADABLE = (sqlite3.DatabaseError, UnicodeDecodeError)
"""What reading a damaged file raises; the second where SQLite's complaint quotes what cannot be decoded."""


class DamageError(sqlite3.DatabaseError):
    """A run's file is not as it was written; the message says what is wrong with it."""


def reason(error: Exception) -> str:
    """Return in words what is wrong with a file that raises such an error."""
    if isinstance(error, sqlite3.Error) and (isinstance(error, DamageError) or hasattr(error, "sqlite_errorcode")):
        words = " ".join(str(error).split())
        return "".join(letter if letter.isprintable() else "?" for letter in words[:200])
    return "what is written there cannot be understood"


def is_passing(error: Exception) -> bool:
    """Return whether an error is one of the disk, a lock or a permission, not of the file's contents."""
    code = getattr(error, "sqlite_errorcode", 0)  # Python's own complaints, of undecodable text, have none
    return code & 0xFF in _PASSING and code != sqlite3.SQLITE_IOERR_SHORT_READ


def curve_checksum(
    seed: int, point: str, answer: str, replicate: int, ended: Sequence[Any], layout: str, data: Any
) -> int:
    """Return the checksum of a curve and of its address, by which a damaged one is known.

    ``point`` is the point's key followed by its parameters.
    """
    address = f"{seed} {point} {answer} {replicate} {ended[0]} {ended[1]!r} {layout}"
    return zlib.crc32(data if isinstance(data, bytes) else b"", zlib.crc32(address.encode()))


@dataclass
class Tally:
    """How many rows a run has, of all its tables, and the sum of their marks: no order of writing changes it."""

    rows: int = 0
    sum: int = 0

    def add(self, mark: int, rows: int = 1) -> None:
        """Count a row, or several with the sum of their marks."""
        self.rows += rows
        self.sum = (self.sum + mark) % 2**64

    def remove(self, mark: int) -> None:
        """Take a row out of the count."""
        self.rows -= 1
        self.sum = (self.sum - mark) % 2**64

    def copy(self) -> "Tally":
        """Return a copy."""
        return replace(self)

    def write(self, connection: sqlite3.Connection) -> None:
        """Write it beside the rows that it counts."""
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('tally', ?)", (json.dumps([self.rows, self.sum]),))


def mark_of_curve(checksum: int, seconds: float) -> int:
    """Return what a curve adds to the tally: its checksum, and what this does not cover."""
    return zlib.crc32(_DOUBLE.pack(seconds), checksum)


def mark(*words: object) -> int:
    """Return what a row of any other table adds to the tally."""
    return zlib.crc32("\0".join(map(str, words)).encode())


def count(connection: sqlite3.Connection, seed: int) -> Tally:
    """Read all rows of a run and return their tally.

    Raises
    ------
    DamageError
        Where curves do not match their checksums.
    """
    tally = Tally()
    for point in connection.execute("SELECT key, parameters, line FROM points"):
        tally.add(mark(*point))
    for (layout,) in connection.execute("SELECT layout FROM layouts"):
        tally.add(mark(layout))
    query = (
        "SELECT key || parameters, answer, replicate, stop, stopped_at, layouts.layout, data, checksum, seconds "
        "FROM curves LEFT JOIN points ON points.id = point LEFT JOIN layouts ON layouts.id = curves.layout"
    )
    broken = curves = marks = 0
    for point, answer, replicate, *ended, layout, data, checksum, seconds in connection.execute(query):
        if curve_checksum(seed, point, answer, replicate, ended, layout, data) == checksum:
            curves += 1
            marks += mark_of_curve(checksum, seconds)
        else:
            broken += 1
    tally.add(marks, curves)
    if broken:
        raise DamageError(f"{broken} curves do not match their checksums")
    query = (
        "SELECT key || parameters, answer, replicate, error, trace FROM failures LEFT JOIN points ON points.id = point"
    )
    for row in connection.execute(query):
        tally.add(mark(*row))
    return tally


def examine(connection: sqlite3.Connection) -> Tally:
    """Read all of a run, compare its rows with the tally that was written, and return it.

    Raises
    ------
    DamageError
        Where anything is damaged.
    """
    try:
        connection.execute("BEGIN")  # so that a run that is being written is seen at one moment
        try:
            return _examine(connection)
        finally:
            connection.rollback()
    except (sqlite3.DatabaseError, ValueError, LookupError, TypeError, struct.error) as error:
        if is_passing(error):
            raise
        raise DamageError(reason(error)) from None


def _examine(connection: sqlite3.Connection) -> Tally:
    for check in ("quick_check(1)", *(f"integrity_check({table})" for table in _CHECKED)):
        verdict = str(connection.execute(f"PRAGMA {check}").fetchone()[0])
        if verdict != "ok":
            raise DamageError(verdict)
    stored = meta(connection)
    if not is_described(stored):
        raise DamageError("the description of the experiment does not match its checksum")
    found = count(connection, json.loads(stored["identity"])["seed"][0])
    if not is_of_format(stored, format_of(connection)):
        raise DamageError("the description of its origin does not match its checksum")
    written = Tally(*json.loads(stored["tally"]))
    if found != written:
        lost = f": {written.rows} were written, {found.rows} are there" if found.rows != written.rows else ""
        raise DamageError(f"its rows are not those that were written{lost}")
    return found


def meta(connection: sqlite3.Connection) -> dict[str, str]:
    """Return the description of a run."""
    return dict(connection.execute("SELECT key, value FROM meta"))


def is_described(stored: Mapping[str, str]) -> bool:
    """Return whether what a run says of its experiment matches its checksum."""
    return stored.get("checksum") == description_checksum(stored)


def description_checksum(stored: Mapping[str, str]) -> str:
    """Return the checksum of the experiment's description."""
    return str(zlib.crc32("".join(stored.get(key, "") for key in ("experiment", "identity")).encode()))


def format_of(connection: sqlite3.Connection) -> int:
    """Return the number of a file's format."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def is_of_format(stored: Mapping[str, str], *formats: int) -> bool:
    """Return whether what a run says of where it comes from matches its checksum, as one of these formats has it."""
    return any(stored.get("origin") == origin_checksum(stored, number) for number in formats)


def origin_checksum(stored: Mapping[str, str], number: int) -> str:
    """Return the checksum of when a run was begun and continued, with which versions, as which shard and format."""
    words = [stored.get(key, "") for key in ("history", "shard")]
    return str(zlib.crc32("".join([*words, str(number)]).encode()))
