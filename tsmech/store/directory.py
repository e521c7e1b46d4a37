"""The run directory as files: which are a run's own, who may write them, and writing each whole or not at all."""

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from tsmech.errors import IncompleteError, InputError
from tsmech.store.checksums import DamageError
from tsmech.store.database import connect
from tsmech.store.locks import FILE, LOCK, Lock, take_lock
from tsmech.store.origin import OtherVersionError

PARTIAL = f".{FILE}.partial"
"""What a new file in place of a damaged one is made in."""
PRODUCTS = ("table.csv", "figure.png", "figure.svg")
_BESIDE = tuple(f"{FILE}-{suffix}" for suffix in ("journal", "wal", "shm"))


@contextlib.contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Yield a partial file that takes the place of ``path`` when it has been written whole.

    Nothing but a regular file is replaced, and the partial file is a new one.
    """
    check_regular(path)
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.unlink(missing_ok=True)  # even where it is a link to something else
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        yield partial
        check_regular(path)
        partial.replace(path)
    except OSError as error:
        raise IncompleteError(f"{path} cannot be written: {error.strerror}; the run itself is kept") from None
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def check_regular(path: Path) -> None:
    """Refuse to write where there is something that is no regular file: a link, a directory, a device."""
    try:
        mode = path.lstat().st_mode
    except (OSError, ValueError):
        return  # what else is wrong is said by who writes there
    if not stat.S_ISREG(mode):
        kinds = {stat.S_IFLNK: "a link", stat.S_IFDIR: "a directory", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
        kind = kinds.get(stat.S_IFMT(mode), "a device")
        raise InputError(f"{path} is {kind}, which is not replaced: remove it, or name another place")


def contents(directory: Path) -> list[str]:
    """Return the names of a run's own files in its directory, the one that marks it as a run last."""
    partials = [f".{name}.partial" for name in PRODUCTS]
    names = (*PRODUCTS, *partials, PARTIAL, *_BESIDE, FILE)
    return [name for name in names if os.path.lexists(directory / name)]


def discard(directory: Path, announce: Callable[[list[str]], None] = lambda names: None) -> None:
    """Remove a run's own files from its directory, and nothing else; an empty file still marks it as a run's.

    ``announce`` is called with their names once they are about to be removed.

    Raises
    ------
    InputError
        Where the directory is in use, cannot be written, or its file is not a run's.
    """
    check(directory)
    lock = Lock()
    try:
        lock = take_lock(directory)
        _check_ours(directory / FILE)
        announce(contents(directory))
        for name in contents(directory)[:-1]:
            (directory / name).unlink()
        (directory / FILE).write_bytes(b"")
    except OSError as error:
        raise InputError(f"{directory} cannot be emptied: {error.strerror}") from None
    finally:
        lock.release()


def _check_ours(file: Path) -> None:
    """Refuse a file that is not a run's; one that is damaged or of another version is a run's."""
    if file.exists():
        with contextlib.suppress(DamageError, OtherVersionError):
            connect(file).close()


def check(directory: Path) -> None:
    """Refuse a run directory that is a file, or holds something that is not a run."""
    try:
        directory.stat()
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, ValueError) as error:
        raise InputError(f"the run directory {directory} cannot be used: {error}") from None
    if not directory.is_dir():
        raise InputError(f"the run directory {directory} is a file: name a directory")
    try:
        strange = not os.path.lexists(directory / FILE) and set(os.listdir(directory)) - {LOCK}
    except OSError as error:
        raise InputError(f"the run directory {directory} cannot be used: {error.strerror}") from None
    if strange:
        raise InputError(f"the directory {directory} holds something that is not a run: name a new or an empty one")
    for name in (FILE, *_BESIDE, *PRODUCTS):
        check_regular(directory / name)
