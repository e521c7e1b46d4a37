"""The run directory as files: which are a run's own, who may write them, and writing each whole or not at all."""

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tsmech.errors import IncompleteError, InputError

FILE = "run.sqlite"
PARTIALS = (f".{FILE}.partial", f".{FILE}.front.partial")
"""What a new file in place of a damaged one is made in."""
PRODUCTS = ("table.csv", "figure.png", "figure.svg")
LOCK = f".{FILE}.lock"
"""What is locked where the disk cannot lock a directory: it stays there, empty."""
_BESIDE = tuple(f"{FILE}-{suffix}" for suffix in ("journal", "wal", "shm"))

_NO_LOCKS = {errno.EBADF, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK, errno.EINVAL}
"""What ``flock`` says of a disk that has no locks, or none for what may only be read."""
_NETWORK = {
    *("nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "9p", "ceph", "lustre", "gpfs", "glusterfs", "panfs"),
    *("beegfs", "beegfs_nodev", "orangefs", "pvfs2", "ocfs2", "gfs2", "wekafs", "fuse.sshfs", "fuse.glusterfs"),
    *("fuse.ceph", "fuse.ceph-fuse", "fuse.juicefs", "fuse.s3fs", "fuse.rclone", "fuse.gcsfuse", "fuse.mergerfs"),
}
"""File systems whose memory is not that of one machine."""


@contextlib.contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Yield a partial file that takes the place of ``path`` when it has been written whole.

    Nothing but a regular file is replaced, and the partial file is a new one.
    """
    check_regular(path)
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.unlink(missing_ok=True)  # though it be a link to something else
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
    names = (*PRODUCTS, *partials, *PARTIALS, *_BESIDE, FILE)
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
    """Refuse a file that is not a run's, be it damaged or of another version."""
    from tsmech.store.database import OtherVersionError, connect
    from tsmech.store.seals import DamageError

    if file.exists():
        with contextlib.suppress(DamageError, OtherVersionError):
            connect(file).close()


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
    try:
        strange = not os.path.lexists(directory / FILE) and set(os.listdir(directory)) - {LOCK}
    except OSError as error:
        raise InputError(f"the run directory {directory} cannot be used: {error.strerror}") from None
    if strange:
        raise InputError(f"the directory {directory} holds something that is not a run: name a new or an empty one")
    for name in (FILE, *_BESIDE, *PRODUCTS):
        check_regular(directory / name)


@dataclass
class Lock:
    """A run directory that is this process's own; the lock ends with the process, however it ends.

    Attributes
    ----------
    descriptor
        What is held open, or None where there is no lock.
    local
        Whether the directory lies on a disk of this machine, as far as can be told.
    words
        What there is to say to a person: that the disk has no locks.
    """

    descriptor: int | None = None
    local: bool = True
    words: str = ""

    def release(self) -> None:
        """Give up the lock, where there is one."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


def take_lock(directory: Path) -> Lock:
    """Lock a run directory for this process.

    Where the disk cannot lock what may only be read, as a directory, a file in it is locked that may be written.  Where
    it has no locks the run goes on without one and says so.
    """
    local = not on_network(directory)
    try:
        import fcntl
    except ImportError:  # a platform without advisory locks: two runs in one directory are the person's care
        return Lock(local=local)
    for path, flags in ((directory, os.O_RDONLY), (directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)):
        descriptor = os.open(path, flags, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return Lock(descriptor, local)
        except OSError as error:
            os.close(descriptor)
            if error.errno in (errno.EAGAIN, errno.EACCES):
                raise InputError(f"{directory} is in use by another run: wait for it, or name another --out") from None
            if error.errno not in _NO_LOCKS:
                raise
            local = False
    return Lock(None, local, f"{directory} lies on a disk without locks: see to it that no other run writes there")


def has_locks(directory: Path) -> bool:
    """Return whether a directory can be locked; one that is locked can be."""
    try:
        import fcntl
    except ImportError:
        return True
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return True
    except OSError as error:
        return error.errno not in _NO_LOCKS
    finally:
        os.close(descriptor)


def on_network(directory: Path) -> bool:
    """Return whether a directory lies on a disk that other machines may write, as far as Linux tells."""
    try:
        device = directory.stat().st_dev
        mark = f"{os.major(device)}:{os.minor(device)}"
        mounts = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        return any(fields[2] == mark and fields[fields.index("-") + 1] in _NETWORK for fields in mounts)
    except (OSError, ValueError, AttributeError):
        return False
