"""The first page of a run's file, which is the same in all runs: detects damage to it, and restores it.

The page says what tables there are and where they begin, so that another run's page can take its place.
"""

import contextlib
import shutil
import sqlite3
import tempfile
from pathlib import Path

from tsmech.store.checksums import UNREADABLE, is_described, meta
from tsmech.store.schema import APPLICATION, empty

PAGE = 4096
"""Bytes of a page of SQLite's, unless it was built otherwise."""
_MAGIC = b"SQLite format 3\0"
_FIXED = (slice(0, 18), slice(20, 24), slice(44, 48), slice(52, 60), slice(64, 92))
"""Bytes of the header that are the same in all runs; but two that say whether there is a log written ahead."""
_LOG = slice(18, 20)


def is_marked(file: Path) -> bool:
    """Return whether a file that cannot be read as a database was a run's."""
    with open(file, "rb") as opened:
        header = opened.read(100)
    mark = APPLICATION.to_bytes(4, "big")
    return (header[:16] == _MAGIC and header[68:72] == mark) or is_lost(file)


def is_lost(file: Path) -> bool:
    """Return whether a file is a run's whose first page is damaged.

    The description of the run must match its checksum when another page is put in its place.
    """
    if _is_whole(file):
        return False
    try:
        with tempfile.TemporaryDirectory() as folder:  # the run's own may be one that is only read
            front = Path(folder) / file.name
            restore(file, front)
            with contextlib.closing(sqlite3.connect(front)) as connection:
                return is_described(meta(connection))
    except (*UNREADABLE, OSError):
        return False


def is_altered(file: Path) -> bool:
    """Return whether the header of a file that is at rest is not a run's."""
    journal = file.with_name(f"{file.name}-journal")
    if not file.is_file() or file.stat().st_size < 100 or (journal.exists() and journal.stat().st_size):
        return False
    with open(file, "rb") as opened:
        header = opened.read(100)
    model = _page()[:100]
    same = all(header[part] == model[part] for part in _FIXED)
    return not (same and header[_LOG] in (b"\1\1", b"\2\2"))


def _is_whole(file: Path) -> bool:
    try:
        with contextlib.closing(sqlite3.connect(file)) as connection:
            found = set(connection.execute("SELECT type, name, rootpage, sql FROM sqlite_master"))
        with contextlib.closing(empty()) as model:
            same = found >= set(model.execute("SELECT type, name, rootpage, sql FROM sqlite_master"))
        return same and not is_altered(file)
    except UNREADABLE:
        return False


def restore(file: Path, front: Path) -> None:
    """Copy a file with its first page replaced by that of a run that holds nothing yet."""
    page = _page()
    front.unlink(missing_ok=True)
    shutil.copyfile(file, front)
    with open(front, "r+b") as written:
        # The page count beside the change counter, and the list of free pages, were the other file's.
        written.write(page[:28] + bytes(4) + bytes(8) + page[40:92] + bytes(4) + page[96:])


def _page() -> bytes:
    """Return the first page of a run that holds nothing."""
    with contextlib.closing(empty()) as connection:
        return connection.serialize()[:PAGE]
