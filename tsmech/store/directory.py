"""The run directory as files: which are a run's own, who may write them, and writing each whole or not at all."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from tsmech.errors import IncompleteError, InputError

FILE = "run.sqlite"
PARTIALS = (f".{FILE}.partial", f".{FILE}.front.partial")
"""What a new file in place of a damaged one is made in."""
PRODUCTS = ("table.csv", "figure.png", "figure.svg")


@contextlib.contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Yield a partial file that takes the place of ``path`` when it has been written whole."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        yield partial
        partial.replace(path)
    except OSError as error:
        raise IncompleteError(f"{path} cannot be written: {error.strerror}; the run itself is kept") from None
    finally:
        partial.unlink(missing_ok=True)


def contents(directory: Path) -> list[str]:
    """Return the names of a run's own files in its directory, the one that marks it as a run last."""
    partials = [f".{name}.partial" for name in PRODUCTS]
    names = (*PRODUCTS, *partials, *PARTIALS, *(f"{FILE}-{suffix}" for suffix in ("journal", "wal", "shm")), FILE)
    return [name for name in names if (directory / name).exists()]


def discard(directory: Path, announce: Callable[[list[str]], None] = lambda names: None) -> None:
    """Remove a run's own files from its directory, and nothing else; an empty file still marks it as a run's.

    ``announce`` is called with their names once they are about to be removed.
    """
    check(directory)
    lock = take_lock(directory)
    try:
        announce(contents(directory))
        for name in contents(directory)[:-1]:
            (directory / name).unlink()
        (directory / FILE).write_bytes(b"")
    except OSError as error:
        raise InputError(f"{directory} cannot be emptied: {error.strerror}") from None
    finally:
        release(lock)


def check(directory: Path) -> None:
    """Refuse a run directory that is, or holds, something else."""
    try:
        directory.stat()
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, ValueError) as error:
        raise InputError(f"the run directory {directory} cannot be used: {error}") from None
    if not directory.is_dir():
        raise InputError(f"the run directory {directory} is a file: name a directory")
    if not (directory / FILE).exists() and any(directory.iterdir()):
        raise InputError(f"the directory {directory} holds something that is not a run: name a new or an empty one")


def take_lock(directory: Path) -> int | None:
    """Lock a run directory for this process; the lock ends with the process, however it ends."""
    try:
        import fcntl
    except ImportError:  # a platform without advisory locks: two runs in one directory are the person's care
        return None
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise InputError(f"{directory} is in use by another run: wait for it, or name another --out") from None
    return descriptor


def release(lock: int | None) -> None:
    """Give up a lock, where there is one."""
    if lock is not None:
        os.close(lock)
